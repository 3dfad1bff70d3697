using BenchmarkDotNet.Attributes;
using Lathe.NN.Runtime;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Lathe.Benchmarks;

/// <summary>
/// Forward and backward pass of batch norm over 128 maps of 28x28 whose channels lie side by side, on one thread: as libtorch does it, and by
/// way of planes. Widths are those that pruning leaves.
/// </summary>
public class NarrowBatchNorm
{
    private Tensor _maps = null!;
    private Tensor _scale = null!;
    private Tensor _shift = null!;

    [Params(5, 9, 14, 16, 21, 32)]
    public int Channels { get; set; }

    [Params(Precision.Float32, Precision.Bfloat16)]
    public Precision Precision { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        TorchRuntime.Configure(1);
        _maps = randn(128, 28, 28, Channels).to(Precision == Precision.Float32 ? ScalarType.Float32 : ScalarType.BFloat16).permute(0, 3, 1, 2).requires_grad_(true);
        _scale = ones(Channels, requires_grad: true);
        _shift = zeros(Channels, requires_grad: true);
    }

    [Benchmark(Baseline = true)]
    public void Directly() => Pass(Normalize);

    [Benchmark]
    public void ThroughPlanes() => Pass(x => Normalize(x.contiguous()).permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2));

    private Tensor Normalize(Tensor x) => F.batch_norm(x, zeros(Channels), ones(Channels), _scale, _shift, true, 0.1, 1e-5);

    private void Pass(Func<Tensor, Tensor> forward)
    {
        using var scope = NewDisposeScope();
        _maps.grad = _scale.grad = _shift.grad = null;
        forward(_maps).sum().backward();
    }
}
