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
/// <param name="Unrolled">
/// For a flat tensor whose features the ONNX graph has in the order [H, W, C]: the shape it had. The next linear layer's columns are
/// brought into the network's order.
/// </param>
internal sealed record FeatureValue(string Tensor, TensorShape Shape, bool ChannelsLast = false, TensorShape? Unrolled = null) : OnnxValue
{
    /// <summary>Extents in the ONNX graph's order; null is the batch.</summary>
    public long?[] Axes => Shape.IsFlat ? [null, Shape.Channels]
        : ChannelsLast ? [null, Shape.Height, Shape.Width, Shape.Channels]
        : [null, Shape.Channels, Shape.Height, Shape.Width];
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

    /// <summary>Zeros around height and width, of a convolution or average pooling.</summary>
    Bordered,

    /// <summary>Every s-th row, of every s-th pixel.</summary>
    EveryRow,

    /// <summary>Means over rows, of adaptive average pooling.</summary>
    PooledRows,

    /// <summary>Shares of the classes, of the end of a network.</summary>
    Softmax,
}

/// <summary>The first steps of an operation that takes several ONNX nodes.</summary>
/// <param name="Part">Which.</param>
/// <param name="Of">Its input.</param>
/// <param name="By">Operator and name of the node, for messages.</param>
/// <param name="Amount">Pixels of border, stride, or rows.</param>
/// <param name="Name">Its name if it were a separate node.</param>
internal sealed record PartialValue(Part Part, FeatureValue Of, string By, int Amount = 0, string Name = "") : OnnxValue
{
    /// <summary>The node that would have to follow it.</summary>
    public string Expected => Part switch
    {
        Part.Bordered => "a convolution or an average pooling",
        Part.EveryRow => "the same of the columns",
        Part.PooledRows => "the same for the columns, as in adaptive average pooling",
        Part.Softmax => "nothing: shares of the classes can only be a network's end",
        _ => "the rest of a hard swish, x * min(max(x + 3, 0), 6) / 6",
    };
}
