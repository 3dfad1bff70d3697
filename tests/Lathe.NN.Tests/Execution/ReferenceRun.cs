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
        Conv2d c => F.conv2d(Bordered(x[0], c.Padding, 0), own("weight")!, own("bias"), Pair(c.Stride), [0, 0], Pair(c.Dilation), c.Groups),
        Linear => F.linear(x[0], own("weight")!, own("bias")),
        BatchNorm b => F.batch_norm(x[0], own("running_mean"), own("running_var"), own("weight"), own("bias"), false, b.Momentum, b.Epsilon),
        Activation { Kind: ActivationKind.Relu } => F.relu(x[0]),
        Activation { Kind: ActivationKind.Relu6 } => F.relu6(x[0]),
        Activation { Kind: ActivationKind.HardSwish } => F.hardswish(x[0]),
        Activation { Kind: ActivationKind.Silu } => F.silu(x[0]),
        Activation { Kind: ActivationKind.HardSigmoid } => x[0].Times(1 / 6.0).Plus(0.5).clamp(0, 1),
        Activation => x[0].sigmoid(),
        MaxPool2d p => F.max_pool2d(Bordered(x[0], p.Padding, double.NegativeInfinity), Pair(p.Kernel), Pair(p.Stride)),
        // The mean over all pixels, by the share of them that counts.
        AvgPool2d p => Means(x[0], p) / Means(Bordered(ones_like(x[0]), p.Padding, 1), p with { Padding = default }),
        LeakyRelu r => x[0].clamp(min: 0).Plus(x[0].clamp(max: 0).Times(r.Slope)),
        PRelu r => x[0].clamp(min: 0).Plus(x[0].clamp(max: 0) * own("weight")!.reshape([1, r.Channels, .. Enumerable.Repeat(1L, (int)x[0].dim() - 2)])),
        GroupNorm g => Normalized(x[0], g) * own("weight")!.reshape([1, g.Channels, .. Enumerable.Repeat(1L, (int)x[0].dim() - 2)])
            + own("bias")!.reshape([1, g.Channels, .. Enumerable.Repeat(1L, (int)x[0].dim() - 2)]),
        GlobalAvgPool => x[0].mean([2, 3], keepdim: true),
        AdaptiveAvgPool2d p => cat(
            [.. Windows(p.Height, x[0].shape[2]).Select(rows => cat(
                [.. Windows(p.Width, x[0].shape[3]).Select(columns => x[0].slice(2, rows.From, rows.To, 1)
                    .slice(3, columns.From, columns.To, 1).mean([2, 3], keepdim: true))], 3))], 2),
        Add => x.Aggregate((a, b) => a.Plus(b)),
        Mul => x[0] * x[1],
        Pad p => Bordered(cat([Zeros(x[0], p.Before), x[0], Zeros(x[0], p.After)], 1), p.Border, 0),
        Concat => cat(x, 1),
        Flatten => x[0].flatten(1),
        Unflatten u => x[0].reshape(x[0].shape[0], -1, u.Height, u.Width),
        Dropout => x[0],
        _ => throw new NotSupportedException(node.ToString()),
    };

    private static Tensor Normalized(Tensor x, GroupNorm norm)
    {
        var groups = x.reshape(x.shape[0], norm.Groups, -1);
        var mean = groups.mean([2], keepdim: true);
        var centred = groups - mean;
        return (centred / (centred * centred).mean([2], keepdim: true).Plus(norm.Epsilon).sqrt()).reshape(x.shape);
    }

    private static Tensor Means(Tensor x, AvgPool2d pool) => F.avg_pool2d(Bordered(x, pool.Padding + pool.Beyond, 0), Pair(pool.Kernel), Pair(pool.Stride));

    private static long[] Pair(Extent extent) => [extent.Height, extent.Width];

    private static Tensor Bordered(Tensor x, Border border, double value)
    {
        var high = cat([Full(x, 2, border.Top, value), x, Full(x, 2, border.Bottom, value)], 2);
        return cat([Full(high, 3, border.Left, value), high, Full(high, 3, border.Right, value)], 3);
    }

    private static Tensor Full(Tensor like, int dimension, long extent, double value)
    {
        var shape = like.shape.ToArray();
        shape[dimension] = extent;
        return full(shape, value);
    }

    private static IEnumerable<(long From, long To)> Windows(int count, long extent) =>
        Enumerable.Range(0, count).Select(i => (i * extent / count, (((i + 1) * extent) + count - 1) / count));

    private static Tensor Zeros(Tensor like, int channels) => zeros(like.shape[0], channels, like.shape[2], like.shape[3]);
}
