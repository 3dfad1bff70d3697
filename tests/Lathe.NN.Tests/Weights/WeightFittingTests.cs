using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Models;
using Lathe.NN.Checkpoints;
using Lathe.NN.Execution;
using Lathe.NN.Runtime;
using Lathe.NN.Weights;
using static TorchSharp.torch;

namespace Lathe.NN.Tests.Weights;

public sealed class WeightFittingTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lathe-weights-").FullName;

    public WeightFittingTests() => TorchRuntime.Configure(1);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_state_dict_of_the_same_network_is_taken_whole_whatever_prefix_and_counters_it_has()
    {
        using var scope = NewDisposeScope();
        var graph = Zoo.Build("resnet20", new(3, 32, 32), 10);
        using var trained = GraphModule.Create(graph, seed: 5);
        var file = trained.Snapshot().ToDictionary(t => "module." + t.Key, t => t.Value);
        file["module.bn1.num_batches_tracked"] = tensor(7L);

        using var module = WeightFitting.Create(graph, file, seed: 1, "file");
        Assert.Equal(Samples.Digest(trained.Snapshot().ToDictionary()), Samples.Digest(module.Snapshot().ToDictionary()));
    }

    [Fact]
    public void The_last_layer_starts_from_the_seed_where_the_classes_differ()
    {
        using var scope = NewDisposeScope();
        using var trained = GraphModule.Create(Zoo.Build("resnet20", new(3, 32, 32), 100), seed: 5);
        var graph = Zoo.Build("resnet20", new(3, 32, 32), 10);
        using var seeded = GraphModule.Create(graph, seed: 1);
        using var module = WeightFitting.Create(graph, trained.Snapshot(), seed: 1, "file");
        foreach (var (name, value) in module.Snapshot())
            Assert.True(value.allclose((name.StartsWith("fc.", StringComparison.Ordinal) ? seeded : trained).Snapshot()[name], 0, 0), name);
    }

    [Theory]
    [InlineData("conv1.weight", float.NaN, "conv1.weight has values that are no finite numbers")]
    [InlineData("bn1.bias", float.PositiveInfinity, "bn1.bias has values that are no finite numbers")]
    [InlineData("bn1.running_var", -1f, "bn1.running_var has negative values")]
    public void Weights_that_nothing_can_start_from_are_refused_by_name(string name, float value, string message)
    {
        using var scope = NewDisposeScope();
        var graph = Zoo.Build("resnet20", new(3, 32, 32), 10);
        using var trained = GraphModule.Create(graph, seed: 5);
        var file = trained.Snapshot().ToDictionary();
        using (no_grad()) file[name].flatten()[0].copy_(tensor(value));
        Assert.Contains(message, Assert.Throws<LatheException>(() => WeightFitting.Create(graph, file, seed: 1, "file")).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("_orig_mod.module.", "")]
    [InlineData("module._orig_mod.", "")]
    [InlineData("model.", "total_ops")]
    [InlineData("model.backbone.", "layer1.0.conv1.total_params")]
    [InlineData("", "n_averaged")]
    public void Names_of_wrappers_and_what_profilers_left_do_not_matter(string prefix, string counter)
    {
        var graph = Zoo.Build("resnet20", new(3, 32, 32), 10);
        var shapes = ParameterShapes.Of(graph).ToDictionary(p => prefix + p.Name, p => p.Shape);
        if (counter.Length > 0) shapes.Add(prefix + counter, [1]);
        var match = WeightFitting.Match(graph, shapes, "file");
        Assert.Equal(ParameterShapes.Of(graph).Count, match.Taken.Count);
        Assert.All(match.Taken, pair => Assert.Equal(prefix + pair.Key, pair.Value));
    }

    [Fact]
    public void Two_names_of_one_tensor_are_refused()
    {
        using var scope = NewDisposeScope();
        var graph = Zoo.Build("resnet20", new(3, 32, 32), 10);
        using var trained = GraphModule.Create(graph, seed: 5);
        var file = trained.Snapshot().ToDictionary();
        file["module.fc.bias"] = file["fc.bias"];
        var refused = Assert.Throws<LatheException>(() => WeightFitting.Create(graph, file, seed: 1, "file"));
        Assert.Contains("file has both fc.bias and module.fc.bias", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Names_of_the_first_DenseNets_are_understood()
    {
        var graph = Zoo.Build("densenet121", new(3, 32, 32), 10);
        using var module = GraphModule.Create(graph, 1);
        var shapes = module.Snapshot().ToDictionary(
            t => t.Key.Replace("norm1.", "norm.1.").Replace("norm2.", "norm.2.").Replace("conv1.", "conv.1.").Replace("conv2.", "conv.2."),
            t => (IReadOnlyList<long>)t.Value.shape);
        Assert.Contains(shapes.Keys, name => name.Contains("denselayer1.norm.1.", StringComparison.Ordinal));
        Assert.Equal(shapes.Count, WeightFitting.Match(graph, shapes, "file").Taken.Count);
    }

    [Fact]
    public void Another_architecture_is_refused_with_the_tensors_that_do_not_fit()
    {
        using var other = GraphModule.Create(Zoo.Build("resnet32", new(3, 32, 32), 10), 1);
        var graph = Zoo.Build("resnet20@0.5", new(3, 32, 32), 10);
        var shapes = other.Snapshot().ToDictionary(t => t.Key, t => (IReadOnlyList<long>)t.Value.shape);
        var error = Assert.Throws<LatheException>(() => WeightFitting.Match(graph, shapes, "other.pth"));
        Assert.StartsWith("other.pth does not hold the weights of 'resnet20@0.5': conv1.weight is [16, 3, 3, 3] and should be [8, 3, 3, 3]; ", error.Message);
        Assert.Contains(" more", error.Message);
    }

    [Fact]
    public void A_file_becomes_the_same_bytes_whatever_order_it_had()
    {
        using var scope = NewDisposeScope();
        var tensors = new Dictionary<string, Tensor> { ["a"] = ones(3), ["b"] = zeros(2, 2) };
        var one = Path.Combine(_folder, "one.safetensors");
        using (var to = File.Create(one))
            SafeTensorsFile.Write(to, tensors, new Dictionary<string, string> { ["made by"] = "somebody" });
        using var first = new MemoryStream();
        WeightFile.Convert(one, first);
        using var second = new MemoryStream();
        SafeTensorsFile.Write(second, tensors.Reverse().ToDictionary(), new Dictionary<string, string>());
        Assert.Equal(second.ToArray(), first.ToArray());
        Assert.Equal(["a", "b"], WeightFile.Shapes(one).Keys.Order());
    }
}
