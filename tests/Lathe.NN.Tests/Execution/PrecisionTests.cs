using Lathe.NN.Execution;
using Lathe.NN.Models;
using Lathe.NN.Runtime;
using Lathe.NN.Training;
using static TorchSharp.torch;

namespace Lathe.NN.Tests.Execution;

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
