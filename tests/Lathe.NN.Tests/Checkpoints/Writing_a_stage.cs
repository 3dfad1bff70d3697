using System.Text.Json;
using Lathe.Contracts;
using Lathe.Graph.Checkpoints;
using Lathe.NN.Checkpoints;
using static TorchSharp.torch;

namespace Lathe.NN.Tests.Checkpoints;

/// <summary>What an author of a stage does with a checkpoint: read its weights, change some, add the stage to its history, write it.</summary>
public class Writing_a_stage
{
    private static readonly StageStep Step = new("mine", "3", JsonElement.Parse("""{"share":0.5}"""), 7, new CheckpointRef(new string('a', 64), 10), Data: null);

    private static readonly DataRef Mnist = new("mnist", new string('b', 64));

    [Fact]
    public void Weights_are_those_of_convolutions_and_linear_layers_in_the_order_of_the_network()
    {
        using var checkpoint = Checkpoint.Create(Samples.Network(), seed: 1);

        Assert.Equal([("conv1", "conv1.weight"), ("conv2", "conv2.weight"), ("fc", "fc.weight")], checkpoint.Weights().Select(w => (w.Layer, w.Name)));
        Assert.All(checkpoint.Weights(), w => Assert.Same(checkpoint.Tensors[w.Name], w.Value));
    }

    [Fact]
    public void Changed_tensors_take_the_place_of_the_old_ones_and_the_others_stay()
    {
        using var checkpoint = Checkpoint.Create(Samples.Network(), seed: 1);
        using var changed = zeros(3, 64);

        var with = checkpoint.With(new Dictionary<string, Tensor> { ["fc.weight"] = changed });

        Assert.Same(changed, with.Tensors["fc.weight"]);
        Assert.Equal(checkpoint.Tensors.Keys.Order(), with.Tensors.Keys.Order());
        Assert.All(checkpoint.Tensors.Keys.Where(name => name != "fc.weight"), name => Assert.Same(checkpoint.Tensors[name], with.Tensors[name]));
    }

    [Fact]
    public void A_tensor_that_the_network_does_not_have_is_refused()
    {
        using var checkpoint = Checkpoint.Create(Samples.Network(), seed: 1);
        using var stranger = zeros(1);

        var refusal = Assert.Throws<LatheException>(() => checkpoint.With(new Dictionary<string, Tensor> { ["fc.wieght"] = stranger }));

        Assert.StartsWith("the network has no tensor 'fc.wieght'; it has conv1.weight, ", refusal.Message);
    }

    [Fact]
    public void A_stage_without_data_on_a_network_without_history_names_no_data_in_the_file()
    {
        using var checkpoint = Checkpoint.Create(Samples.Network(), seed: 1);

        using var read = Written(checkpoint.After(Step, new Dictionary<string, double> { ["zeros"] = 0.5 }, compresses: true));

        var step = Assert.Single(read.Lineage.Steps);
        Assert.Null(step.Data);
        Assert.Equal(("mine", "3", 7L, 0.5), (step.Stage, step.Version, step.Seed, step.Facts["zeros"]));
        Assert.True(step.Versions.ContainsKey("threads"));
        Assert.Equal(Step.Input, read.Lineage.Dense);
    }

    [Fact]
    public void A_stage_without_data_keeps_the_data_of_the_stage_before_it()
    {
        using var checkpoint = Checkpoint.Create(Samples.Network(), seed: 1);
        var none = new Dictionary<string, double>();

        using var read = Written(checkpoint.After(Step with { Data = Mnist }, none, compresses: false).After(Step, none, compresses: false));

        Assert.Equal([Mnist, Mnist], read.Lineage.Steps.Select(step => step.Data));
        Assert.Null(read.Lineage.Dense);
    }

    private static Checkpoint Written(Checkpoint checkpoint)
    {
        var stream = new MemoryStream();
        checkpoint.WriteTo(stream);
        stream.Position = 0;
        return CheckpointFile.Read(stream, "file");
    }
}
