using BenchmarkDotNet.Attributes;
using Lathe.Graph;
using Lathe.Graph.Models;
using Lathe.NN.Execution;
using Lathe.NN.Runtime;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Lathe.Benchmarks;

/// <summary>
/// Forward and backward pass of LeNet-5 (16-32-128 with batch norm) over 128 images of 1x28x28, on one thread: written by hand with the
/// two orders that images may have in memory, and as Lathe runs it from its graph.
/// </summary>
public class TrainingStep
{
    private const int Images = 128;
    private GraphModule _module = null!;
    private Tensor _images = null!;
    private Tensor _labels = null!;

    [GlobalSetup]
    public void Setup()
    {
        TorchRuntime.Configure(1);
        _module = GraphModule.Create(Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10), seed: 1);
        _images = randn(Images, 1, 28, 28);
        _labels = randint(10, Images);
    }

    [GlobalCleanup]
    public void Cleanup() => _module.Dispose();

    /// <summary>[N, C, H, W] in memory as it is written.</summary>
    [Benchmark(Baseline = true)]
    public void PlanesApart() => Step(() => ByHand(_images));

    /// <summary>The same values with each pixel's channels side by side.</summary>
    [Benchmark]
    public void ChannelsTogether() => Step(() => ByHand(_images.permute(0, 2, 3, 1).contiguous().as_strided([Images, 1, 28, 28], [784, 1, 28, 1])));

    [Benchmark]
    public void FromGraph() => Step(() => _module.Forward(_images, training: true));

    private void Step(Func<Tensor> forward)
    {
        using var scope = NewDisposeScope();
        foreach (var parameter in _module.Parameters.Values)
            parameter.grad = null;
        F.cross_entropy(forward(), _labels).backward();
    }

    private Tensor ByHand(Tensor x)
    {
        x = Block(x, "features.0", "features.1");
        x = Block(x, "features.4", "features.5");
        var nodes = _module.Graph.Nodes;
        x = F.linear(x.flatten(1), Value($"{nodes[^4].Name}.weight"));
        x = F.relu(Norm(x, nodes[^3].Name));
        return F.linear(x, Value($"{nodes[^1].Name}.weight"), Value($"{nodes[^1].Name}.bias"));
    }

    private Tensor Block(Tensor x, string conv, string norm) =>
        F.max_pool2d(F.relu(Norm(F.conv2d(x, Value($"{conv}.weight"), padding: [2, 2]), norm)), [2, 2], [2, 2]);

    private Tensor Norm(Tensor x, string norm) => F.batch_norm(
        x, _module.Buffers[$"{norm}.running_mean"], _module.Buffers[$"{norm}.running_var"], Value($"{norm}.weight"), Value($"{norm}.bias"), true, 0.1, 1e-5);

    private Tensor Value(string name) => _module.Parameters[name];
}
