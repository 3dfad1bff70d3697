using BenchmarkDotNet.Attributes;
using Lathe.NN.Runtime;
using static TorchSharp.torch;

namespace Lathe.Benchmarks;

/// <summary>
/// Forward and backward pass of the rounding of activations to 8 bits, 128 maps of 16 channels of 32x32, on one thread: where they lie, and with what
/// they are rounded by added as a constant, in float32.
/// </summary>
public class ActivationRounding
{
    private const double Step = 1.0 / 32;

    private Tensor _maps = null!;
    private Tensor _gradient = null!;

    [Params(Precision.Float32, Precision.Bfloat16)]
    public Precision Precision { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        TorchRuntime.Configure(1);
        _maps = randn(128, 32, 32, 16).to(Precision == Precision.Float32 ? ScalarType.Float32 : ScalarType.BFloat16).permute(0, 3, 1, 2).requires_grad_(true);
        _gradient = _maps.detach().clone();
    }

    [Benchmark(Baseline = true)]
    public void ByAConstant() => Pass(x =>
    {
        var clipped = x.to(ScalarType.Float32).Clamped(0, 255 * Step);
        var constant = clipped.detach();
        return clipped.Plus(constant.Times(1 / Step).round_().TimesInPlace(Step).sub_(constant)).to(x.dtype);
    });

    [Benchmark]
    public void InPlace() => Pass(x =>
    {
        var rounded = x.Clamped(0, 255 * Step);
        rounded.detach().TimesInPlace(1 / Step).round_().TimesInPlace(Step);
        return rounded;
    });

    private void Pass(Func<Tensor, Tensor> forward)
    {
        using var scope = NewDisposeScope();
        _maps.grad = null;
        forward(_maps).backward([_gradient]);
    }
}
