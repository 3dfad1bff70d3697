using CsCheck;
using Lathe.Contracts;
using Lathe.NN.Checkpoints;
using Lathe.NN.Graphs;
using Lathe.NN.Models;
using Lathe.NN.Execution;
using Lathe.Quantizer.Symog;
using TorchSharp;
using static TorchSharp.torch;
using Parameter = TorchSharp.Modules.Parameter;

namespace Lathe.Quantizer.Tests;

public sealed class Fixed_point_weights
{
    private static readonly Gen<float[]> Weights = Gen.Float[-3, 3].Array[1, 64];

    [Fact]
    public void Quantized_weights_are_the_nearest_modes() =>
        Gen.Select(Weights, Gen.Int[2, 8], Gen.Int[-1, 6]).Sample((values, bits, fraction) =>
        {
            using var scope = NewDisposeScope();
            var step = Math.ScaleB(1, -fraction);
            var greatest = (1 << (bits - 1)) - 1;
            var quantized = FixedPoint.Quantize(tensor(values), bits, fraction).data<float>().ToArray();
            for (var i = 0; i < values.Length; i++)
            {
                var expected = Math.Clamp(Math.Round(values[i] / step, MidpointRounding.ToEven), -greatest, greatest) * step;
                Assert.Equal(expected, quantized[i]);
            }
        }, iter: 500);

    [Fact]
    public void Quantizing_twice_changes_nothing() =>
        Gen.Select(Weights, Gen.Int[2, 8], Gen.Int[-1, 6]).Sample((values, bits, fraction) =>
        {
            using var scope = NewDisposeScope();
            var once = FixedPoint.Quantize(tensor(values), bits, fraction);
            return FixedPoint.Quantize(once, bits, fraction).equal(once).all().item<bool>();
        }, iter: 200);

    [Fact]
    public void The_step_size_has_the_least_squared_error() =>
        Gen.Select(Weights, Gen.Int[2, 8]).Sample((values, bits) =>
        {
            using var scope = NewDisposeScope();
            var chosen = FixedPoint.ChooseFraction(tensor(values), bits);
            var least = Error(values, bits, chosen);
            for (var f = FixedPoint.LeastFraction; f <= FixedPoint.GreatestFraction; f++) Assert.True(least <= Error(values, bits, f));
        }, iter: 100);

    [Fact]
    public void Ties_round_to_even()
    {
        using var scope = NewDisposeScope();
        var modes = FixedPoint.Modes(tensor(new[] { 0.5f, 1.5f, 2.5f, -0.5f, -1.5f }), bits: 4, fraction: 0).data<float>().ToArray();
        Assert.Equal([0f, 2f, 2f, 0f, -2f], modes);
    }

    [Fact]
    public void The_pull_rises_exponentially()
    {
        Assert.Equal(1e-3, SymogPrior.Pull(1e-3, 100, 0), 1e-12);
        Assert.Equal(Math.Sqrt(1e-3 * 100), SymogPrior.Pull(1e-3, 100, 0.5), 1e-9);
        Assert.Equal(100, SymogPrior.Pull(1e-3, 100, 1), 1e-9);
    }

    [Theory]
    [InlineData(PriorNormalization.Sum, 4, 4)]
    [InlineData(PriorNormalization.Mean, 16, 4)]
    public void The_prior_pulls_towards_the_nearest_mode(PriorNormalization normalization, double small, double large)
    {
        using var scope = NewDisposeScope();
        float[] values = [0.1f, 0.4f, -0.3f, 0.9f];
        var weights = new Dictionary<string, Parameter>
        {
            ["small.weight"] = new(tensor(values)),
            ["large.weight"] = new(tensor(values).repeat(4)),
        };
        foreach (var weight in weights.Values) weight.grad = zeros_like(weight);
        var prior = new SymogPrior(
            weights.Keys.ToDictionary(name => name, _ => new WeightFormat(2, 1)),
            new QuantizeParameters { PullStart = 2, PullEnd = 8, Normalization = normalization });
        prior.AddGradient(weights, progress: 0.5, learningRate: 0.001);
        // λ = √(2·8) = 4; modes are −0.5, 0, 0.5.
        float[] distances = [0.1f, -0.1f, 0.2f, 0.4f];
        foreach (var (name, pull) in new[] { ("small.weight", small), ("large.weight", large) })
        {
            var gradient = weights[name].grad!.data<float>().ToArray();
            for (var i = 0; i < gradient.Length; i++) Assert.Equal(pull * distances[i % 4], gradient[i], 1e-5f);
        }
    }

    [Fact]
    public void No_pull_is_so_strong_that_a_step_overshoots_the_mode()
    {
        using var scope = NewDisposeScope();
        var weights = new Dictionary<string, Parameter> { ["w.weight"] = new(tensor(new[] { 0.1f })) };
        weights["w.weight"].grad = zeros(1);
        var prior = new SymogPrior(
            new Dictionary<string, WeightFormat> { ["w.weight"] = new(2, 1) }, new QuantizeParameters { PullStart = 1e6, PullEnd = 1e6 });
        prior.AddGradient(weights, progress: 1, learningRate: 0.1);
        Assert.Equal(0.5f * 0.1f, 0.1f * weights["w.weight"].grad!.item<float>(), 1e-6f);
    }

    [Fact]
    public void Clipping_holds_weights_within_the_outer_modes_and_rounding_makes_them_modes()
    {
        using var scope = NewDisposeScope();
        var weights = new Dictionary<string, Parameter> { ["w.weight"] = new(tensor(new[] { -0.9f, -0.3f, 0.2f, 0.7f })) };
        var prior = new SymogPrior(new Dictionary<string, WeightFormat> { ["w.weight"] = new(2, 1) }, new QuantizeParameters());
        prior.Clip(weights);
        Assert.Equal([-0.5f, -0.3f, 0.2f, 0.5f], weights["w.weight"].data<float>().ToArray());
        prior.Round(weights);
        Assert.Equal([-0.5f, -0.5f, 0f, 0.5f], weights["w.weight"].data<float>().ToArray());
        Assert.Equal(0, prior.Residual(weights));
    }

    [Fact]
    public void Every_layer_gets_a_format_unless_it_is_excluded_by_a_name_that_exists()
    {
        var graph = Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10);
        using var module = GraphModule.Create(graph, seed: 1);
        Assert.Equal(
            ["classifier.0.weight", "classifier.3.weight", "features.0.weight", "features.4.weight"],
            StepSizes.Choose(graph, module.Snapshot(), new QuantizeParameters()).Keys.Order());
        Assert.DoesNotContain("features.0.weight", StepSizes.Choose(graph, module.Snapshot(), new QuantizeParameters { Exclude = "features.0" }).Keys);
        var unknown = Assert.Throws<LatheException>(() => StepSizes.Choose(graph, module.Snapshot(), new QuantizeParameters { Exclude = "conv9" }));
        Assert.Contains("conv9", unknown.Message);
        Assert.Contains("features.0", unknown.Message);
    }

    private static double Error(float[] values, int bits, int fraction)
    {
        var step = Math.ScaleB(1, -fraction);
        var greatest = (1 << (bits - 1)) - 1;
        return values.Sum(v => Math.Pow(v - (Math.Clamp(Math.Round(v / step, MidpointRounding.ToEven), -greatest, greatest) * step), 2));
    }
}
