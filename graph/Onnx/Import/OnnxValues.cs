using Lathe.Graph.Onnx.Format;

namespace Lathe.Graph.Onnx;

/// <summary>Meaning of a name of an ONNX graph while it is read.</summary>
internal abstract record OnnxValue;

/// <summary>Made by a node that cannot be imported, which is reported once.</summary>
internal sealed record UnknownValue : OnnxValue
{
    public static UnknownValue Instance { get; } = new();
}

/// <summary>A constant of any type, not decoded yet.</summary>
internal sealed record ConstantValue(TensorProto Tensor) : OnnxValue;

/// <summary>A few whole numbers that shapes are computed from.</summary>
/// <param name="Numbers">Row by row; null is the number of images in the batch, which is free.</param>
/// <param name="Shape">Extents; none for a single number.</param>
internal sealed record IntegerValue(long?[] Numbers, int[] Shape) : OnnxValue;

/// <summary>The tensor of one of the network's nodes, or the image.</summary>
/// <param name="Tensor">The node's name.</param>
/// <param name="Shape">Its shape in the network.</param>
/// <param name="ChannelsLast">In the ONNX graph its axes are [N, H, W, C].</param>
/// <param name="Dropped">Which axis of extent 1 the ONNX graph's tensor does not have.</param>
/// <param name="Unrolled">
/// For a flat tensor whose features the ONNX graph has in the order [H, W, C]: the shape it had. The next linear layer's columns are
/// brought into the network's order.
/// </param>
internal sealed record FeatureValue(string Tensor, TensorShape Shape, bool ChannelsLast = false, TensorShape? Unrolled = null, Dropped Dropped = Dropped.None) : OnnxValue
{
    /// <summary>Extents in the ONNX graph's order; null is the batch.</summary>
    public long?[] Axes => Shape.IsFlat ? [null, Shape.Channels] : (Dropped, ChannelsLast) switch
    {
        (Dropped.Height, false) => [null, Shape.Channels, Shape.Width],
        (Dropped.Height, true) => [null, Shape.Width, Shape.Channels],
        (Dropped.Channel, _) => [null, Shape.Height, Shape.Width],
        (_, true) => [null, Shape.Height, Shape.Width, Shape.Channels],
        _ => [null, Shape.Channels, Shape.Height, Shape.Width],
    };

    /// <summary>Where the ONNX graph has the channels.</summary>
    public int ChannelAxis => Shape.IsFlat || !ChannelsLast ? 1 : Axes.Length - 1;

    /// <summary>Where it has height and width, or width alone.</summary>
    public long[] PixelAxes => [.. Enumerable.Range(1, Axes.Length - 1).Where(axis => axis != ChannelAxis).Select(axis => (long)axis)];
}

/// <summary>An axis of extent 1.</summary>
internal enum Dropped
{
    None,

    /// <summary>Of a sequence, [N, C, W].</summary>
    Height,

    /// <summary>Of an image of one channel, [N, H, W].</summary>
    Channel,
}

/// <summary>A part of an operation of the network.</summary>
internal enum Part
{
    /// <summary>x + 3, of a hard swish.</summary>
    PlusThree,

    /// <summary>min(max(x + 3, 0), 6), of a hard swish.</summary>
    ClippedPlusThree,

    /// <summary>min(max(x / 6 + 1/2, 0), 1): an activation, or of a hard swish.</summary>
    HardSigmoid,

    /// <summary>6 · hard swish.</summary>
    SixHardSwishes,

    /// <summary>max(x + 3, 0), of a hard swish.</summary>
    PositivePlusThree,

    /// <summary>Zeros around height and width, of a convolution or average pooling.</summary>
    Bordered,

    /// <summary>[C, 1, 1] repeated over height and width, of a product.</summary>
    Expanded,

    /// <summary>Channels in groups, [N, groups, -1], of group normalization.</summary>
    Grouped,

    /// <summary>Those normalized.</summary>
    NormalizedGroups,

    /// <summary>Means over rows, of adaptive average pooling.</summary>
    PooledRows,

    /// <summary>Shares of the classes, of the end of a network.</summary>
    Softmax,
}

/// <summary>The first steps of an operation that takes several ONNX nodes.</summary>
/// <param name="Part">Which.</param>
/// <param name="Of">Its input.</param>
/// <param name="By">Operator and name of the node, for messages.</param>
/// <param name="Amount">Rows or groups.</param>
/// <param name="Border">Pixels of border.</param>
/// <param name="Name">Its name if it were a separate node.</param>
/// <param name="Epsilon">Of a normalization.</param>
/// <param name="Scale">Of a normalization, for each group.</param>
/// <param name="Shift">Likewise.</param>
/// <param name="Extents">That it is repeated to.</param>
internal sealed record PartialValue(Part Part, FeatureValue Of, string By, int Amount = 0, string Name = "", Border Border = default, double Epsilon = 0, float[]? Scale = null, float[]? Shift = null, long?[]? Extents = null) : OnnxValue
{
    /// <summary>The node that would have to follow it.</summary>
    public string Expected => Part switch
    {
        Part.Expanded => "a product with what it was expanded for",
        Part.Grouped => "InstanceNormalization, as in group normalization",
        Part.NormalizedGroups => "a reshape to the images before it, as in group normalization",
        Part.PooledRows => "the same for the columns, as in adaptive average pooling",
        Part.Softmax => "nothing: shares of the classes can only be a network's end",
        _ => "the rest of a hard swish, x * min(max(x + 3, 0), 6) / 6",
    };
}
