using Lathe.Graph;
using Lathe.Graph.Models;
using Lathe.NN.Execution;
using Lathe.NN.Runtime;
using Lathe.NN.Training;
using static TorchSharp.torch;

namespace Lathe.NN.Tests.Execution;

[Trait("oneDNN", "on and off")]
public class PrecisionTests
{
    public PrecisionTests() => TorchRuntime.Configure(1);

    [Fact]
    public void Auto_takes_bfloat16_where_the_processor_is_made_for_it()
    {
        Assert.Equal(Precision.Bfloat16, PrecisionChoice.Auto.On(hasFastBFloat16: true));
        Assert.Equal(Precision.Float32, PrecisionChoice.Auto.On(hasFastBFloat16: false));
        Assert.Equal(Precision.Float32, PrecisionChoice.Float32.On(hasFastBFloat16: true));
        Assert.Equal(Precision.Bfloat16, PrecisionChoice.Bfloat16.On(hasFastBFloat16: false));
        if (File.Exists("/proc/cpuinfo") && File.ReadAllText("/proc/cpuinfo") is var flags && flags.Contains("flags", StringComparison.Ordinal))
            Assert.Equal(flags.Contains("avx512_bf16", StringComparison.Ordinal) || (flags.Contains("amx_bf16", StringComparison.Ordinal) && flags.Contains("avx512f", StringComparison.Ordinal)), Precisions.HasFastBFloat16);
    }

    [Theory]
    [InlineData("lenet5")]
    [InlineData("resnet20")]
    [InlineData("mobilenetv2@0.25")]
    [InlineData("densenet76-12")]
    public void Layers_in_bfloat16_come_close_to_float32_and_leave_weights_and_statistics_in_float32(string model)
    {
        var entry = Zoo.Entry(model);
        using var scope = NewDisposeScope();
        using var module = GraphModule.Create(Zoo.Build(model, new(entry.Input.Channels, 64, 64), 10), 1);
        random.manual_seed(1);
        var images = randn(16, entry.Input.Channels, 64, 64);
        foreach (var training in (bool[])[true, false])
        {
            using var noGradient = no_grad();
            var exact = module.Forward(images, training);
            var near = module.Forward(images, training, precision: Precision.Bfloat16);
            Assert.Equal(ScalarType.Float32, near.dtype);
            var difference = ((near - exact).norm() / exact.norm()).item<float>();
            // 8 bits of mantissa, through tens of layers. Equal logits would mean that float32 was used.
            Assert.InRange(difference, 1e-5f, 0.3f);
        }

        Assert.All(module.Parameters.Values, parameter => Assert.Equal(ScalarType.Float32, parameter.dtype));
        Assert.All(module.Buffers.Values, buffer => Assert.Equal(ScalarType.Float32, buffer.dtype));
    }

    /// <summary>Rounding happens where the values lie, in whatever they are held in, and is exact in both; what is in range has a gradient.</summary>
    [Theory]
    [InlineData(Precision.Float32, true)]
    [InlineData(Precision.Float32, false)]
    [InlineData(Precision.Bfloat16, true)]
    [InlineData(Precision.Bfloat16, false)]
    public void Activations_are_rounded_to_whole_steps_in_either(Precision precision, bool signed)
    {
        const double Step = 1.0 / 16;
        var graph = new NetworkGraph(
            "rounding", new TensorShape(1, 12, 12),
            [
                new Conv2d("conv", [NetworkGraph.InputName], 1, 4, 3),
                new Quantize("rounded", ["conv"], 4, signed),
                new Flatten("flat", ["rounded"]),
                new Linear("logits", ["flat"], 400, 10),
            ],
            "logits");
        using var scope = NewDisposeScope();
        using var module = GraphModule.Create(graph, 1);
        random.manual_seed(1);
        var images = randn(8, 1, 12, 12).Times(12);
        var (sums, rounded) = (zeros(0), zeros(0));
        module.Forward(images, training: true, precision: precision, tap: (name, value) =>
        {
            if (name == "conv") sums = value.alias();
            if (name == "rounded") rounded = value.alias();
        });
        Assert.Equal(precision == Precision.Float32 ? ScalarType.Float32 : ScalarType.BFloat16, rounded.dtype);
        var (low, high) = signed ? (-128, 127) : (0, 255);
        var steps = sums.detach().to(ScalarType.Float64).DividedBy(Step);
        Assert.Equal(steps.round().Clamped(low, high).data<double>().ToArray(), rounded.detach().to(ScalarType.Float64).DividedBy(Step).data<double>().ToArray());
        var gradient = autograd.grad([rounded.sum()], [sums])[0];
        Assert.Equal(steps.ge(low).logical_and(steps.le(high)).to(ScalarType.Float64).data<double>().ToArray(), gradient.to(ScalarType.Float64).data<double>().ToArray());
        Assert.True(steps.gt(high).any().item<bool>() && steps.lt(low).any().item<bool>(), "nothing was out of range");
    }

    [Fact]
    public void Training_in_bfloat16_learns_and_repeats_to_the_bit()
    {
        var recipe = new TrainingRecipe(8, 16, 0.05, Precision: Precision.Bfloat16);
        var digests = new List<string>();
        for (var run = 0; run < 2; run++)
        {
            using var module = GraphModule.Create(Samples.Network(), 1);
            var history = TrainingLoop.Run(module, Samples.Images(), recipe, 1, null, null, null, CancellationToken.None);
            Assert.True(history.Epochs[^1].Loss < history.Epochs[0].Loss / 2);
            using var scope = NewDisposeScope();
            digests.Add(Samples.Digest(module.Snapshot().ToDictionary()));
            Assert.True(Evaluation.Run(module, Samples.Images(90, seed: 6), 32).Top1 > 0.95);
        }

        Assert.Equal(digests[0], digests[1]);
    }
}
