namespace Lathe.Graph;

/// <summary>Role of a stored tensor in its node.</summary>
public enum ParameterKind
{
    /// <summary>Weight of a convolution or linear layer.</summary>
    Weight,

    /// <summary>Bias of a convolution or linear layer.</summary>
    Bias,

    /// <summary>Batch or group norm's γ, named <c>weight</c>.</summary>
    Scale,

    /// <summary>Batch or group norm's β, named <c>bias</c>.</summary>
    Shift,

    /// <summary>Batch norm's running mean; not trained.</summary>
    RunningMean,

    /// <summary>Batch norm's running variance; not trained.</summary>
    RunningVariance,

    /// <summary>Slopes of a <see cref="PRelu"/>, named <c>weight</c>.</summary>
    Slope,
}

/// <summary>One tensor that a graph needs.</summary>
/// <param name="Name">As in PyTorch, for example <c>conv1.weight</c>.</param>
/// <param name="Node">Name of the node it belongs to.</param>
/// <param name="Kind">Its role in the node.</param>
/// <param name="Shape">Extents.</param>
public sealed record ParameterShape(string Name, string Node, ParameterKind Kind, IReadOnlyList<long> Shape)
{
    /// <summary>Trained by gradient descent; false for running statistics.</summary>
    public bool Trainable => Kind is not (ParameterKind.RunningMean or ParameterKind.RunningVariance);

    /// <summary>Number of values.</summary>
    public long Values => Shape.Aggregate(1L, (product, extent) => product * extent);
}

/// <summary>Every tensor of a graph.</summary>
public static class ParameterShapes
{
    /// <summary>Tensors in the order of the nodes; within a node weight, bias, running mean, running variance.</summary>
    public static IReadOnlyList<ParameterShape> Of(NetworkGraph graph) => [.. graph.Nodes.SelectMany(Of)];

    /// <summary>Tensors of one node; none for a node without parameters.</summary>
    public static IEnumerable<ParameterShape> Of(Node node)
    {
        switch (node)
        {
            case Conv2d c:
                yield return Make("weight", ParameterKind.Weight, c.OutChannels, c.InChannels / c.Groups, c.Kernel.Height, c.Kernel.Width);
                if (c.Bias) yield return Make("bias", ParameterKind.Bias, c.OutChannels);
                break;
            case Linear l:
                yield return Make("weight", ParameterKind.Weight, l.OutFeatures, l.InFeatures);
                if (l.Bias) yield return Make("bias", ParameterKind.Bias, l.OutFeatures);
                break;
            case GroupNorm g:
                yield return Make("weight", ParameterKind.Scale, g.Channels);
                yield return Make("bias", ParameterKind.Shift, g.Channels);
                break;
            case PRelu r:
                yield return Make("weight", ParameterKind.Slope, r.Channels);
                break;
            case BatchNorm b:
                yield return Make("weight", ParameterKind.Scale, b.Channels);
                yield return Make("bias", ParameterKind.Shift, b.Channels);
                yield return Make("running_mean", ParameterKind.RunningMean, b.Channels);
                yield return Make("running_var", ParameterKind.RunningVariance, b.Channels);
                break;
        }

        ParameterShape Make(string suffix, ParameterKind kind, params long[] shape) => new($"{node.Name}.{suffix}", node.Name, kind, shape);
    }
}
