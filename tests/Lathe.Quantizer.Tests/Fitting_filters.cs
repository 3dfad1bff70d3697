using CsCheck;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.Graph.Models;
using Lathe.NN.Execution;
using Lathe.NN.FixedPoint;
using Lathe.NN.Runtime;
using Lathe.Quantizer.Weights;
using Lathe.Testing;
using static TorchSharp.torch;

namespace Lathe.Quantizer.Tests;

/// <summary>Filters scaled to their layer's step, and batch norms that take the scale back.</summary>
public sealed class Fitting_filters
{
    public Fitting_filters() => TorchRuntime.Configure(1);

    [Theory]
    [InlineData("resnet20")]
    [InlineData("mobilenetv2@0.25")]
    [InlineData("densenet76-12")]
    [InlineData("vgg7@0.25")]
    public void The_network_computes_the_same(string model) => Compare(Zoo.Build(model, new TensorShape(3, 32, 32), 10), bits: 2, seed: 1);

    [Fact]
    public void Any_network_computes_the_same() =>
        Gen.Select(RandomNetworks.Wide, Gen.Int[2, 8], Gen.Int[1, 1000]).Sample(
            (graph, bits, seed) => Compare(graph, bits, seed), iter: 60, print: drawn => GraphJson.Write(drawn.Item1));

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Every_filter_is_rounded_as_well_as_the_one_that_fits_best(int bits)
    {
        using var scope = NewDisposeScope();
        // Filters alike but for their size, the last of them as good as dead.
        var shape = randn([1, 16, 3, 3], generator: new Generator(1));
        var sizes = tensor(new[] { 1f, 0.5f, 0.6f, 1.5f, 0.8f, 1e-4f }).reshape(-1, 1, 1, 1);
        var weight = shape * sizes;
        var format = WeightGrid.Nearest("weight", weight, bits);
        var scale = FilterScales.Of(weight, format);
        var before = Errors(weight);
        var after = Errors(weight * scale.reshape(-1, 1, 1, 1));
        Assert.Equal(1f, scale[5].item<float>());
        for (var c = 0; c < 5; c++)
        {
            Assert.True(after[c] <= before[c]);
            Assert.Equal(after[..5].Min(), after[c], 0.1 * after[c]);
        }

        float[] Errors(Tensor filters) =>
            (filters.sub(WeightGrid.Quantize(filters, format.Bits, format.Fraction)).Squared().sum([1, 2, 3]) / filters.Squared().sum([1, 2, 3])).data<float>().ToArray();
    }

    [Fact]
    public void Stopped_at_a_step_it_ends_with_the_same_bits()
    {
        using var trial = new QuantizerTrial(Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10));
        var parameters = new { method = "symog", fitFilters = true, bits = 2, epochs = 1, batchSize = 32 };
        var undisturbed = trial.Run(parameters).Output;
        Assert.NotEqual(trial.Run(new { method = "symog", bits = 2, epochs = 1, batchSize = 32 }).Output, undisturbed);
        Assert.Equal(undisturbed, trial.RunInterrupted(parameters, 9).Outcome.Output);
    }

    private static void Compare(NetworkGraph graph, int bits, int seed)
    {
        using var scope = NewDisposeScope();
        using var module = GraphModule.Create(graph, seed);
        var generator = new Generator((ulong)seed);
        using (no_grad())
        {
            foreach (var norm in graph.Nodes.OfType<BatchNorm>())
            {
                module.Parameters[$"{norm.Name}.weight"].copy_(randn([norm.Channels], generator: generator));
                module.Parameters[$"{norm.Name}.bias"].copy_(randn([norm.Channels], generator: generator));
                module.Buffers[$"{norm.Name}.running_mean"].copy_(randn([norm.Channels], generator: generator).Times(0.3));
                module.Buffers[$"{norm.Name}.running_var"].copy_(randn([norm.Channels], generator: generator).exp());
            }

            // Filters of very different sizes; some are dead, and their variance is next to nothing.
            foreach (var layer in graph.Nodes.Where(node => node is Conv2d or Linear))
            {
                var weight = module.Parameters[$"{layer.Name}.weight"];
                for (var c = 0; c < weight.shape[0]; c++) weight[c].TimesInPlace(c % 5 == 0 ? 1e-4 : Math.Pow(2, (c % 7) - 3));
            }

            foreach (var norm in graph.Nodes.OfType<BatchNorm>()) module.Buffers[$"{norm.Name}.running_var"][0] = tensor(3e-8f);
        }

        var tensors = module.Snapshot();
        var formats = graph.Nodes.Where(node => node is Conv2d or Linear)
            .ToDictionary(layer => $"{layer.Name}.weight", layer => WeightGrid.Nearest(layer.Name, tensors[$"{layer.Name}.weight"], bits));
        var fitted = FilterScales.Fit(graph, tensors, formats);
        using var before = GraphModule.FromTensors(graph, tensors);
        using var after = GraphModule.FromTensors(graph, fitted);
        var images = randn([4, graph.Input.Channels, graph.Input.Height, graph.Input.Width], generator: generator);
        var expected = before.Forward(images, training: false);
        var most = expected.abs().max().item<float>();
        Assert.InRange((after.Forward(images, training: false) - expected).abs().max().item<float>(), 0, 1e-4f * Math.Max(most, 1e-6f));
        foreach (var tensor in fitted.Values.Concat(tensors.Values)) tensor.Dispose();
    }
}
