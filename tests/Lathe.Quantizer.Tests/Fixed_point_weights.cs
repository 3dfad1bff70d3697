using System.Text.Json;
using CsCheck;
using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.Graph.Models;
using Lathe.Hosting;
using Lathe.NN.Execution;
using Lathe.NN.FixedPoint;
using Lathe.NN.Runtime;
using Lathe.NN.Training;
using Lathe.Quantizer.Methods;
using Lathe.Quantizer.Weights;
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
            var quantized = WeightGrid.Quantize(tensor(values), bits, fraction).data<float>().ToArray();
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
            var once = WeightGrid.Quantize(tensor(values), bits, fraction);
            return WeightGrid.Quantize(once, bits, fraction).equal(once).all().item<bool>();
        }, iter: 200);

    [Fact]
    public void The_step_size_has_the_least_squared_error() =>
        Gen.Select(Weights, Gen.Int[2, 8]).Sample((values, bits) =>
        {
            using var scope = NewDisposeScope();
            var chosen = WeightGrid.ChooseFraction(tensor(values), bits);
            var least = Error(values, bits, chosen);
            for (var f = WeightGrid.LeastFraction; f <= WeightGrid.GreatestFraction; f++) Assert.True(least <= Error(values, bits, f));
        }, iter: 100);

    [Fact]
    public void Of_steps_that_fit_equally_well_the_finest_is_taken() =>
        Gen.Select(Gen.Int[-1, 1].Array[1, 64].Where(modes => modes.Any(k => k != 0)), Gen.Int[2, 8], Gen.Int[-6, 16]).Sample((modes, bits, fraction) =>
        {
            using var scope = NewDisposeScope();
            var weight = tensor(modes.Select(k => k * (float)WeightGrid.StepSize(fraction)).ToArray()).reshape(-1, 1);
            var format = WeightGrid.Nearest("w", weight, bits);
            Assert.Equal(0, WeightGrid.SquaredError(weight, bits, format.Fraction));
            // A power of two of the old step that is still a mode.
            Assert.Equal(fraction + bits - 2, format.Fraction);
        }, iter: 200);

    [Theory]
    [InlineData(0f)]
    [InlineData(-1e-20f)]
    public void A_weight_of_nothing_gets_the_step_of_weights_that_start_at_random(float value)
    {
        using var scope = NewDisposeScope();
        foreach (var bits in (int[])[2, 3, 4])
        {
            var start = WeightGrid.Nearest("w", randn(64, 32, 3, 3, generator: new Generator(1, CPU)).TimesInPlace(Math.Sqrt(2.0 / 288)), bits);
            Assert.Equal(start, WeightGrid.Nearest("w", full([64, 32, 3, 3], (Scalar)value), bits));
        }
    }

    [Fact]
    public void Weights_beyond_the_coarsest_step_are_refused()
    {
        using var scope = NewDisposeScope();
        Assert.Equal(new WeightFormat(2, -8), WeightGrid.Nearest("w", tensor(new[] { 256f, -256f, 0f }).reshape(3, 1), 2));
        var error = Assert.Throws<LatheException>(() => WeightGrid.Nearest("conv.weight", tensor(new[] { 1e8f, -3f }).reshape(2, 1), 2));
        Assert.StartsWith("conv.weight has weights of up to 1E+8; with the coarsest step, 2^8, 2-bit weights reach 256. ", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Ties_round_to_even()
    {
        using var scope = NewDisposeScope();
        var modes = WeightGrid.Modes(tensor(new[] { 0.5f, 1.5f, 2.5f, -0.5f, -1.5f }), bits: 4, fraction: 0).data<float>().ToArray();
        Assert.Equal([0f, 2f, 2f, 0f, -2f], modes);
    }

    [Fact]
    public void Over_the_last_fifth_the_task_lets_go_of_the_weights()
    {
        Assert.Equal([1, 1, 0.5, 0], ((double[])[0, 0.8, 0.9, 1]).Select(Pull.ShareOfTask), (a, b) => Math.Abs(a - b) < 1e-9);
        foreach (var method in (QuantizeMethod[])[QuantizeMethod.Symog, QuantizeMethod.Sgm])
        {
            // A weight at its mode is not pulled: what is left is the task's.
            Assert.Equal([0.5f, -2f], Gradient(method, progress: 0.5));
            Assert.Equal([0.25f, -1f], Gradient(method, progress: 0.9));
            Assert.Equal([0f, 0f], Gradient(method, progress: 1));
        }

        static float[] Gradient(QuantizeMethod method, double progress)
        {
            using var scope = NewDisposeScope();
            // The only modes that SGM sees here are the weights' own: σ is a hundredth of a step.
            var parameters = new QuantizeParameters { Method = method, SigmaStart = 0.01, SigmaEnd = 0.01 };
            var weight = new Parameter(tensor(new[] { 0.25f, 0f }));
            weight.grad = tensor(new[] { 0.5f, -2f });
            var weights = new QuantizedWeights(new Dictionary<string, Parameter> { ["w"] = weight }, new Dictionary<string, WeightFormat> { ["w"] = new(2, 2) });
            if (method == QuantizeMethod.Symog) Symog.AddGradient(weights, parameters, progress, learningRate: 0.01);
            else Sgm.AddGradient(weights, parameters, new Dictionary<string, float[]> { ["w"] = [0.3f, 0.4f, 0.3f] }, progress, learningRate: 0.01);
            return weight.grad!.data<float>().ToArray();
        }
    }

    [Fact]
    public void What_the_task_has_let_go_of_settles_at_its_mode_beside_the_optimizer()
    {
        foreach (var method in (QuantizeMethod[])[QuantizeMethod.Symog, QuantizeMethod.Sgm])
        {
            // Distances of -0.05 and -0.1 from the modes 0.25 and 0; η·λ is 0.2.
            Assert.Equal([0.2f, -0.1f], After(method, progress: 0.5));
            Assert.Equal([0.25f - (0.9f * 0.05f), 0.9f * -0.1f], After(method, progress: 0.9), Near);
            Assert.Equal([0.25f - (0.8f * 0.05f), 0.8f * -0.1f], After(method, progress: 1), Near);
        }

        static bool Near(float a, float b) => Math.Abs(a - b) < 1e-6;

        static float[] After(QuantizeMethod method, double progress)
        {
            using var scope = NewDisposeScope();
            var parameters = new QuantizeParameters { Method = method, PullStart = 20, PullEnd = 20 };
            var weight = new Parameter(tensor(new[] { 0.2f, -0.1f }));
            var weights = new QuantizedWeights(new Dictionary<string, Parameter> { ["w"] = weight }, new Dictionary<string, WeightFormat> { ["w"] = new(2, 2) });
            var hooks = method == QuantizeMethod.Symog
                ? Symog.Hooks(weights, parameters)
                : Sgm.Hooks(weights, parameters, new Dictionary<string, float[]> { ["w"] = [0.3f, 0.4f, 0.3f] });
            hooks.AfterStep!(new StepContext(null!, Epoch: 0, Step: 0, StepsPerEpoch: 1, GlobalStep: 0, progress, LearningRate: 0.01));
            return weight.data<float>().ToArray();
        }
    }

    [Fact]
    public void The_pull_rises_exponentially()
    {
        Assert.Equal(1e-3, Pull.At(1e-3, 100, 0), 1e-12);
        Assert.Equal(Math.Sqrt(1e-3 * 100), Pull.At(1e-3, 100, 0.5), 1e-9);
        Assert.Equal(100, Pull.At(1e-3, 100, 1), 1e-9);
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
        Symog.AddGradient(
            new QuantizedWeights(weights, weights.Keys.ToDictionary(name => name, _ => new WeightFormat(2, 1))),
            new QuantizeParameters { PullStart = 2, PullEnd = 8, Normalization = normalization },
            progress: 0.5,
            learningRate: 0.001);
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
        var quantized = new QuantizedWeights(weights, new Dictionary<string, WeightFormat> { ["w.weight"] = new(2, 1) });
        Symog.AddGradient(quantized, new QuantizeParameters { PullStart = 1e6, PullEnd = 1e6 }, progress: 1, learningRate: 0.1);
        Assert.Equal(0.5f * 0.1f, 0.1f * weights["w.weight"].grad!.item<float>(), 1e-6f);
    }

    [Fact]
    public void Clipping_holds_weights_within_the_outer_modes_and_rounding_makes_them_modes()
    {
        using var scope = NewDisposeScope();
        var weights = new Dictionary<string, Parameter> { ["w.weight"] = new(tensor(new[] { -0.9f, -0.3f, 0.2f, 0.7f })) };
        var quantized = new QuantizedWeights(weights, new Dictionary<string, WeightFormat> { ["w.weight"] = new(2, 1) });
        quantized.Clip();
        Assert.Equal([-0.5f, -0.3f, 0.2f, 0.5f], weights["w.weight"].data<float>().ToArray());
        quantized.Round();
        Assert.Equal([-0.5f, -0.5f, 0f, 0.5f], weights["w.weight"].data<float>().ToArray());
        Assert.Equal(0, quantized.Residual());
    }

    [Fact]
    public void Every_layer_gets_a_format_unless_it_is_excluded_by_a_name_that_exists()
    {
        var graph = Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10);
        Assert.Equal(
            ["classifier.0", "classifier.3", "features.0", "features.4"],
            StepSizes.BitsByLayer(graph, new QuantizeParameters()).Keys.Order());
        Assert.DoesNotContain("features.0", StepSizes.BitsByLayer(graph, new QuantizeParameters { Exclude = "features.0" }).Keys);
        var unknown = Assert.Single(StepSizes.Problems(graph, new QuantizeParameters { Exclude = "conv9" }));
        Assert.Contains("conv9", unknown.Message);
        Assert.Contains("features.0", unknown.Message);
    }

    [Fact]
    public void The_most_exact_pattern_that_fits_a_layer_says_its_bits()
    {
        var bits = JsonSerializer.Deserialize<LayerBits>("""{ "default": 2, "features.*": 4, "features.0": 8, "*": 3 }""", LatheJson.Options)!;
        Assert.Equal((8, 4, 3), (bits.Of("features.0"), bits.Of("features.4"), bits.Of("classifier.0")));
        Assert.Equal("""{"default":2,"*":3,"features.*":4,"features.0":8}""", JsonSerializer.Serialize(bits, LatheJson.Options));
        Assert.Equal("5", JsonSerializer.Serialize<LayerBits>(5, LatheJson.Options));
    }

    [Theory]
    [InlineData("""{"bits": 2}""", null)]
    [InlineData("""{"bits": {"default": 2, "features.0": 8}}""", null)]
    [InlineData("""{"bits": 9}""", "bits is 9, expected a whole number at least 2 and at most 8, or an object as {\"default\":2,\"features.0\":8}")]
    [InlineData("""{"bits": {"default": 2, "features.0": 1}}""", "bits.features.0")]
    public void Bits_are_checked_by_the_schema(string parameters, string? fault)
    {
        QuantizeParameters Read() => ParametersSchema.Read<QuantizeParameters>("quantize", JsonDocument.Parse(parameters).RootElement);
        if (fault is null) Assert.Equal(2, Read().Bits.Default);
        else Assert.Contains(fault, Assert.Throws<LatheException>(Read).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Step_sizes_are_chosen_anew_while_the_pull_is_weak()
    {
        using var scope = NewDisposeScope();
        using var module = GraphModule.Create(Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10), seed: 1);
        var parameters = new QuantizeParameters { RefineStepSizes = true };
        QuantizedWeights Fresh() => new(module.Parameters, StepSizes.Choose(module.Snapshot(), StepSizes.BitsByLayer(module.Graph, parameters)));
        var (weights, other, first) = (Fresh(), Fresh(), Fresh().Formats);
        var hooks = QuantizationMethods.Hooks(weights, module.Snapshot(), parameters)!;
        using (no_grad())
        {
            foreach (var name in first.Keys) module.Parameters[name].TimesInPlace(4);
        }

        hooks.AfterEpoch!(new StepContext(module, 5, 0, 1, 5, Progress: 1, LearningRate: 0.01));
        Assert.Equal(first, weights.Formats);
        hooks.AfterEpoch!(new StepContext(module, 0, 0, 1, 0, Progress: 0.1, LearningRate: 0.03));
        Assert.All(first, f => Assert.Equal(f.Value.Fraction - 2, weights.Formats[f.Key].Fraction));

        QuantizationMethods.Hooks(other, module.Snapshot(), parameters)!.LoadState!(hooks.SaveState!());
        Assert.Equal(weights.Formats, other.Formats);
    }

    /// <summary>Against the derivative of the mixture's negative logarithm times σ², by differences, with all modes.</summary>
    [Theory]
    [InlineData(2, 0.5)]
    [InlineData(3, 0.5)]
    [InlineData(4, 0.2)]
    public void The_mixture_pulls_by_its_gradient(int bits, double sigma)
    {
        const int Fraction = 2;
        using var scope = NewDisposeScope();
        var greatest = WeightGrid.GreatestMode(bits);
        var shares = Enumerable.Range(-greatest, (2 * greatest) + 1).Select(k => 1f / (1 + Math.Abs(k))).ToArray();
        shares = [.. shares.Select(s => s / shares.Sum())];
        float[] weights = [-0.3f, -0.06f, 0f, 0.11f, 0.17f, 0.24f, 0.6f];
        var pulled = tensor(weights).sub(Sgm.Expected(tensor(weights), bits, Fraction, sigma, shares)).data<float>().ToArray();
        double Loss(double w) => -Math.Log(shares.Select((pi, i) => pi * Math.Exp(-Math.Pow((w * 4) - (i - greatest), 2) / (2 * sigma * sigma))).Sum());
        for (var i = 0; i < weights.Length; i++)
        {
            var slope = (Loss(weights[i] + 1e-5) - Loss(weights[i] - 1e-5)) / 2e-5;
            Assert.Equal(slope * sigma * sigma / 16, pulled[i], 4e-3);
        }
    }

    [Fact]
    public void Hard_responsibilities_pull_as_SYMOG_does()
    {
        using var scope = NewDisposeScope();
        var weights = tensor(new[] { -0.9f, -0.3f, 0.05f, 0.2f, 0.7f });
        var shares = new[] { 0.3f, 0.4f, 0.3f };
        Assert.True(Sgm.Expected(weights, 2, 1, 0.02, shares).allclose(WeightGrid.Quantize(weights, 2, 1)));
    }

    [Fact]
    public void Mode_shares_are_symmetric_and_never_none()
    {
        using var scope = NewDisposeScope();
        var tensors = new Dictionary<string, Tensor> { ["w.weight"] = tensor(new[] { 0.5f, 0.5f, -0.5f, 0.1f }) };
        var quantized = new QuantizedWeights(
            tensors.ToDictionary(t => t.Key, t => new Parameter(t.Value.clone())), new Dictionary<string, WeightFormat> { ["w.weight"] = new(2, 1) });
        // (1.5 + 1)/7, (1 + 1)/7, (1.5 + 1)/7
        Assert.Equal([2.5f / 7, 2f / 7, 2.5f / 7], Sgm.Shares(tensors, quantized)["w.weight"]);
    }

    [Fact]
    public void A_relaxed_weight_goes_from_itself_to_its_mode_and_its_gradient_passes_as_it_is()
    {
        using var scope = NewDisposeScope();
        var weight = new Parameter(tensor(new[] { 0.1f, 0.4f, -0.9f }));
        var quantized = new QuantizedWeights(
            new Dictionary<string, Parameter> { ["w.weight"] = weight }, new Dictionary<string, WeightFormat> { ["w.weight"] = new(2, 1) });
        Assert.Equal([0.1f, 0.4f, -0.9f], Proximal.Towards(quantized, "w.weight", weight, 0).data<float>().ToArray());
        Assert.Equal([0f, 0.5f, -0.5f], Proximal.Towards(quantized, "w.weight", weight, 1).data<float>().ToArray());
        Assert.Same(weight, Proximal.Towards(quantized, "other.weight", weight, 1));
        (Proximal.Towards(quantized, "w.weight", weight, 0.5) * tensor(new[] { 1f, 2f, 3f })).sum().backward();
        Assert.Equal([1f, 2f, 3f], weight.grad!.data<float>().ToArray());
        Assert.Equal((0.05 / 1.05, 1, 1), (Proximal.RelaxationAt(0), Proximal.RelaxationAt(0.8), Proximal.RelaxationAt(1)));
    }

    private static double Error(float[] values, int bits, int fraction)
    {
        var step = Math.ScaleB(1, -fraction);
        var greatest = (1 << (bits - 1)) - 1;
        return values.Sum(v => Math.Pow(v - (Math.Clamp(Math.Round(v / step, MidpointRounding.ToEven), -greatest, greatest) * step), 2));
    }
}
