using Lathe.Graph;
using Lathe.NN.Runtime;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Lathe.NN.Tests.Execution;

/// <summary>Runs a graph in evaluation mode, node by node and as plainly as can be: what faster executors are compared with.</summary>
internal static class ReferenceRun
{
    public static Dictionary<string, Tensor> RandomTensors(NetworkGraph graph, int seed)
    {
        var generator = new Generator((ulong)seed);
        return ParameterShapes.Of(graph).ToDictionary(p => p.Name, p => p.Kind switch
        {
            ParameterKind.RunningVariance => rand([.. p.Shape], generator: generator).Plus(0.5),
            ParameterKind.Weight => randn([.. p.Shape], generator: generator).Times(Math.Sqrt(2.0 * p.Shape[0] / p.Values)),
            _ => randn([.. p.Shape], generator: generator),
        });
    }

    public static Tensor Logits(NetworkGraph graph, IReadOnlyDictionary<string, Tensor> tensors, Tensor images)
    {
        var made = new Dictionary<string, Tensor> { [NetworkGraph.InputName] = images };
        foreach (var node in graph.Nodes)
            made[node.Name] = Run(node, [.. node.Inputs.Select(i => made[i])], name => tensors.GetValueOrDefault($"{node.Name}.{name}"));
        return made[graph.Output];
    }

    private static Tensor Run(Node node, Tensor[] x, Func<string, Tensor?> own) => node switch
    {
        Conv2d c => F.conv2d(
            x[0], own("weight")!, own("bias"), [c.Stride, c.Stride], [c.Padding, c.Padding], [c.Dilation, c.Dilation], c.Groups),
        Linear => F.linear(x[0], own("weight")!, own("bias")),
        BatchNorm b => F.batch_norm(x[0], own("running_mean"), own("running_var"), own("weight"), own("bias"), false, b.Momentum, b.Epsilon),
        Activation { Kind: ActivationKind.Relu } => F.relu(x[0]),
        Activation { Kind: ActivationKind.Relu6 } => F.relu6(x[0]),
        Activation { Kind: ActivationKind.HardSwish } => F.hardswish(x[0]),
        Activation { Kind: ActivationKind.Silu } => F.silu(x[0]),
        Activation { Kind: ActivationKind.HardSigmoid } => x[0].Times(1 / 6.0).Plus(0.5).clamp(0, 1),
        Activation => x[0].sigmoid(),
        MaxPool2d p => F.max_pool2d(x[0], p.Kernel, p.Stride, p.Padding),
        AvgPool2d p => F.avg_pool2d(x[0], p.Kernel, p.Stride, p.Padding),
        GlobalAvgPool => x[0].mean([2, 3], keepdim: true),
        AdaptiveAvgPool2d p => cat(
            [.. Windows(p.Height, x[0].shape[2]).Select(rows => cat(
                [.. Windows(p.Width, x[0].shape[3]).Select(columns => x[0].slice(2, rows.From, rows.To, 1)
                    .slice(3, columns.From, columns.To, 1).mean([2, 3], keepdim: true))], 3))], 2),
        Add => x.Aggregate((a, b) => a.Plus(b)),
        Mul => x[0] * x[1],
        Pad p => cat([Zeros(x[0], p.Before), x[0], Zeros(x[0], p.After)], 1),
        Concat => cat(x, 1),
        Flatten => x[0].flatten(1),
        Dropout => x[0],
        _ => throw new NotSupportedException(node.ToString()),
    };

    private static IEnumerable<(long From, long To)> Windows(int count, long extent) =>
        Enumerable.Range(0, count).Select(i => (i * extent / count, (((i + 1) * extent) + count - 1) / count));

    private static Tensor Zeros(Tensor like, int channels) => zeros(like.shape[0], channels, like.shape[2], like.shape[3]);
}
