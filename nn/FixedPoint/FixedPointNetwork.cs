using Lathe.Graph;

namespace Lathe.NN.FixedPoint;

/// <summary>
/// A network of whole numbers: a list of steps over tensors of bytes, from the quantized image to the logits. There is no float in it. The
/// engine, the reference and the C export all run exactly this.
/// </summary>
/// <param name="Name">Model name.</param>
/// <param name="Tensors">Every tensor that is stored, by its number.</param>
/// <param name="Input">Number of the image's tensor.</param>
/// <param name="Steps">In order; the last makes the logits.</param>
/// <param name="Classes">Number of logits.</param>
/// <param name="LogitFraction">A logit is a 32-bit number of steps of 2^(−LogitFraction).</param>
public sealed record FixedPointNetwork(
    string Name, IReadOnlyList<ByteTensor> Tensors, int Input, IReadOnlyList<IntegerStep> Steps, int Classes, int LogitFraction);

/// <summary>A tensor of bytes, a pixel's channels side by side: value (c, y, x) is byte (y·W + x)·C + c.</summary>
/// <param name="Name">Of the node that makes it.</param>
/// <param name="Shape">Of one image.</param>
/// <param name="Fraction">A byte q stands for (q − Zero)·2^(−Fraction).</param>
/// <param name="Zero">The byte that stands for 0: 0 where unsigned, 128 where signed.</param>
/// <param name="Least">The least byte that occurs.</param>
/// <param name="Greatest">The greatest byte that occurs.</param>
public sealed record ByteTensor(string Name, TensorShape Shape, int Fraction, byte Zero, byte Least, byte Greatest)
{
    /// <summary>Bytes of one image.</summary>
    public int Length => Shape.Channels * Shape.Height * Shape.Width;

    /// <summary>A whole number of steps as a byte, limited to the tensor's range.</summary>
    public byte Store(long steps) => (byte)Math.Clamp(steps + Zero, Least, Greatest);
}

/// <summary>One step: reads some tensors, makes one.</summary>
/// <param name="Inputs">Numbers of the tensors that it reads.</param>
/// <param name="Output">Number of the tensor that it makes; negative: the logits.</param>
public abstract record IntegerStep(IReadOnlyList<int> Inputs, int Output);

/// <summary>
/// Convolution, or linear layer (kernel 1 on one pixel): a 32-bit sum of products of levels and (byte − zero) for each output, padded with
/// zeros, then mapped channel by channel to the output's steps. Levels are those of N-bit weights, [out, y, x, in / groups].
/// </summary>
public sealed record MultiplyStep(
    IReadOnlyList<int> Inputs, int Output, ConvolutionShape Shape, int Bits, sbyte[] Levels, IReadOnlyList<Requantizer> Maps) : IntegerStep(Inputs, Output);

/// <summary>Extents of a convolution. Top and Left are rows and columns of zeros before the image; what windows read behind it is zero too.</summary>
public sealed record ConvolutionShape(
    int InChannels,
    int OutChannels,
    Extent Kernel,
    Extent Stride,
    int Top,
    int Left,
    Extent Dilation,
    int Groups,
    int Height,
    int Width,
    int OutHeight,
    int OutWidth)
{
    /// <summary>Products for one output.</summary>
    public int Depth => (int)Kernel.Area * (InChannels / Groups);
}

/// <summary>A map of each channel: a batch norm by itself.</summary>
public sealed record ChannelStep(IReadOnlyList<int> Inputs, int Output, IReadOnlyList<Requantizer> Maps) : IntegerStep(Inputs, Output);

/// <summary>(byte − zero), mapped by one map where it is positive and by the channel's own where it is negative: PReLU.</summary>
public sealed record SlopeStep(IReadOnlyList<int> Inputs, int Output, Requantizer Positive, IReadOnlyList<Requantizer> Negative) : IntegerStep(Inputs, Output);

/// <summary>Sum of (byte − zero) over tensors of one scale, then mapped.</summary>
public sealed record SumStep(IReadOnlyList<int> Inputs, int Output, Requantizer Map) : IntegerStep(Inputs, Output);

/// <summary>Product of two tensors' (byte − zero), then mapped. One of them may have a single pixel, which scales every pixel of the other.</summary>
public sealed record ProductStep(IReadOnlyList<int> Inputs, int Output, Requantizer Map) : IntegerStep(Inputs, Output);

/// <summary>
/// Sum of (byte − zero) over windows, then divided by the window's own divisor, [output row, output column]. Rows are the first row and the
/// number of rows of each output row's window, those outside the tensor not counted; columns the same.
/// </summary>
public sealed record MeanStep(
    IReadOnlyList<int> Inputs, int Output, IReadOnlyList<(int First, int Count)> Rows, IReadOnlyList<(int First, int Count)> Columns, Quotient[,] Divisions)
    : IntegerStep(Inputs, Output);

/// <summary>Greatest byte of windows; what lies outside the tensor does not count.</summary>
public sealed record MaximumStep(IReadOnlyList<int> Inputs, int Output, Extent Kernel, Extent Stride, int Top, int Left) : IntegerStep(Inputs, Output);

/// <summary>Each byte replaced by that of a table: activations other than ReLU on a sum, and changes of format. 256 bytes.</summary>
public sealed record TableStep(IReadOnlyList<int> Inputs, int Output, byte[] Table) : IntegerStep(Inputs, Output);

/// <summary>Tensors side by side along the channels, each one's bytes replaced by those of its table.</summary>
public sealed record JoinStep(IReadOnlyList<int> Inputs, int Output, IReadOnlyList<byte[]> Tables) : IntegerStep(Inputs, Output);

/// <summary>Zeros put around channels and pixels: Before channels, Top rows and Left columns before the input's.</summary>
public sealed record PadStep(IReadOnlyList<int> Inputs, int Output, int Before, int Top = 0, int Left = 0) : IntegerStep(Inputs, Output);

/// <summary>Every so many pixels of every so many rows.</summary>
public sealed record SubsampleStep(IReadOnlyList<int> Inputs, int Output, Extent Stride) : IntegerStep(Inputs, Output);

/// <summary>From rows by columns to columns by rows: byte r·columns + c becomes byte c·Rows + r. Rows are pixels where a flattening puts channels first.</summary>
public sealed record FlattenStep(IReadOnlyList<int> Inputs, int Output, int Rows) : IntegerStep(Inputs, Output);

/// <summary>Bytes that are the logits already: (byte − zero), in the logits' own scale.</summary>
public sealed record LogitStep(IReadOnlyList<int> Inputs) : IntegerStep(Inputs, Logits)
{
    /// <summary>What <see cref="IntegerStep.Output"/> is of a step that makes the logits.</summary>
    public const int Logits = -1;
}
