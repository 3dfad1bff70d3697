using System.Runtime.InteropServices;
using Lathe.Contracts;
using Lathe.Graph;
using Lathe.NN.FixedPoint;

namespace Lathe.Exports.TfLite;

/// <summary>
/// A network of whole numbers as a TFLite file: int8 activations, weights of 8 or 4 bits, 32-bit biases. Its images are [1, H, W, C], as the engine's are.
/// A byte of the engine is the file's number + 128. The last layer computes in floats, exactly, because TFLite has logits of 8 bits otherwise, and
/// with those several classes may have the same.
/// </summary>
internal sealed class TfLiteConversion
{
    /// <summary>Name of the input: int8 [1, H, W, C].</summary>
    public const string Input = "input";

    /// <summary>Name of the output: float32 [1, classes].</summary>
    public const string Logits = "logits";

    private const int MostOf8Bits = 127;
    private const int MostOf4Bits = 7;
    private const int HalfByte = 4;

    private readonly FixedPointNetwork _network;
    private readonly bool _isHalfBytes;
    private readonly TfLiteWriter _writer = new();

    // The file's tensor of each of the network's: as an image, as a row of numbers, and where its numbers still lie pixel by pixel.
    private readonly Dictionary<int, int> _images = [];
    private readonly Dictionary<int, int> _rows = [];
    private readonly Dictionary<int, FlattenStep> _turned = [];
    private int _output = -1;

    private TfLiteConversion(FixedPointNetwork network, bool isHalfBytes) => (_network, _isHalfBytes) = (network, isHalfBytes);

    /// <summary>Converts a network.</summary>
    /// <param name="network">The network.</param>
    /// <param name="isHalfBytes">Weights of up to 4 bits are of type INT4.</param>
    /// <param name="description">One line for people.</param>
    /// <param name="metadata">Texts that describe the network.</param>
    /// <exception cref="LatheException">TFLite has no operator for a step; the message names it.</exception>
    public static TfLiteFile Of(FixedPointNetwork network, bool isHalfBytes, string description, IReadOnlyDictionary<string, string> metadata) =>
        new TfLiteConversion(network, isHalfBytes).Run(description, metadata);

    private double _lost;
    private int _halved;
    private int _layers;

    private TfLiteFile Run(string description, IReadOnlyDictionary<string, string> metadata)
    {
        var input = _network.Tensors[_network.Input];
        var given = _writer.Tensor(Input, TfLiteType.Int8, Shape(input), Scale(input));
        _images.Add(_network.Input, given);
        foreach (var step in _network.Steps) Take(step);
        foreach (var (name, value) in metadata.OrderBy(entry => entry.Key, StringComparer.Ordinal)) _writer.Metadata(name, value);
        var release = _writer.MinimumRuntime;
        return new TfLiteFile(_writer.Finish(_network.Name, description, (Input, given), (Logits, _output)), release, _layers, _halved, _lost);
    }

    private void Take(IntegerStep step)
    {
        switch (step)
        {
            case MultiplyStep { Output: < 0 } multiply: Head(multiply); break;
            case MultiplyStep multiply: Multiply(multiply); break;
            case ChannelStep channels: Channels(channels); break;
            case SumStep { Inputs.Count: 2 } sum:
                _writer.Operator(TfLiteOperator.Add, 2, [Image(sum.Inputs[0]), Image(sum.Inputs[1])], Made(sum), TfLiteOptions.Add, new Field(0, (int)Activation(sum), IsByte: true));
                break;
            case SumStep: throw Refused(step, $"is a sum of {step.Inputs.Count} tensors, and ADD takes two; add two at a time in the network");
            case ProductStep product: Multiply(product); break;
            case MeanStep mean: Mean(mean); break;
            case MaximumStep maximum:
                Maximum(maximum, new TfLiteWindows(maximum.Kernel, maximum.Stride, new Extent(1, 1), maximum.Top, maximum.Left));
                break;
            case SubsampleStep subsample:
                Maximum(subsample, new TfLiteWindows(new Extent(1, 1), subsample.Stride, new Extent(1, 1), 0, 0));
                break;
            case PadStep pad:
                var (small, large) = (Of(pad.Inputs[0]).Shape, Of(pad.Output).Shape);
                Pad(
                    Image(pad.Inputs[0]), Made(pad), Of(pad.Output).Name,
                    [(pad.Top, large.Height - small.Height - pad.Top), (pad.Left, large.Width - small.Width - pad.Left), (pad.Before, large.Channels - small.Channels - pad.Before)]);
                break;
            case FlattenStep flatten: _turned.Add(flatten.Output, flatten); break;
            case TableStep table: Table(table); break;
            case JoinStep join: Join(join); break;
            case LogitStep logit:
                _output = _writer.Tensor(Logits, TfLiteType.Float32, [1, Of(logit.Inputs[0]).Length]);
                _writer.Operator(TfLiteOperator.Dequantize, 2, [Row(logit.Inputs[0])], _output);
                break;
            case SlopeStep: throw Refused(step, "is a PReLU, of which TFLite rounds the slopes to 8 bits; take --format c or onnx-qdq, or a network with ReLU or LeakyReLU");
            default: throw Refused(step, $"is a {step.GetType().Name}, for which the TFLite export has no operator; take --format c or onnx-qdq");
        }
    }

    private void Multiply(MultiplyStep step)
    {
        var (shape, from, to) = (step.Shape, Of(step.Inputs[0]), Of(step.Output));
        // LiteRT rounds otherwise in grouped convolutions of INT4 weights than in all others; those have few weights.
        var isHalved = _isHalfBytes && step.Bits <= HalfByte && shape.Groups == 1;
        var weights = Weights(step, step.Levels, step.Maps, isHalved ? MostOf4Bits : MostOf8Bits);
        _layers++;
        if (isHalved) _halved++;
        var isSet = weights.Scales.Length == 1;
        if (IsPoint(shape) && isSet)
        {
            var levels = Turned(step.Inputs[0], weights.Levels, shape.OutChannels);
            int[] inputs = [Flat(step.Inputs[0]), Constant($"{to.Name}.weight", [shape.OutChannels, shape.InChannels], levels, weights.Scales, 0, isHalved), Bias(step, weights)];
            var output = _writer.Tensor(to.Name, TfLiteType.Int8, [1, to.Length], Scale(to));
            _rows.Add(step.Output, output);
            _writer.Operator(
                TfLiteOperator.FullyConnected, isHalved ? 10 : 4, inputs, output, TfLiteOptions.FullyConnected, new Field(0, (int)Activation(step), IsByte: true));
            return;
        }

        var windows = new TfLiteWindows(shape.Kernel, shape.Stride, shape.Dilation, shape.Top, shape.Left);
        Convolve(step, weights, windows, isHalved, shape.Groups, step.Inputs[0], new TensorShape(shape.InChannels, shape.Height, shape.Width), new TensorShape(shape.OutChannels, shape.OutHeight, shape.OutWidth));
    }

    /// <summary>The layer of the logits, in floats: sums of whole numbers times powers of two, which floats hold exactly up to 2^24.</summary>
    private void Head(MultiplyStep step)
    {
        var (shape, from) = (step.Shape, Of(step.Inputs[0]));
        if (!IsPoint(shape)) throw Refused(step, "is a convolution that makes the logits, which the TFLite export takes from a linear layer alone; take --format c or onnx-qdq");
        var unit = Math.ScaleB(1, from.Fraction - _network.LogitFraction);
        var levels = Turned(step.Inputs[0], step.Levels, shape.OutChannels);
        var weights = new float[levels.Length];
        for (var i = 0; i < weights.Length; i++) weights[i] = (float)(levels[i] * TfLiteWeights.Slope(step.Maps[i / shape.InChannels]) * unit);
        var bias = step.Maps.Select(map => (float)Math.ScaleB(TfLiteWeights.Intercept(map), -_network.LogitFraction)).ToArray();
        var input = _writer.Tensor($"{from.Name}.float", TfLiteType.Float32, [1, from.Length]);
        _writer.Operator(TfLiteOperator.Dequantize, 2, [Flat(step.Inputs[0])], input);
        _output = _writer.Tensor(Logits, TfLiteType.Float32, [1, shape.OutChannels]);
        _writer.Operator(
            TfLiteOperator.FullyConnected,
            1,
            [input, Constant($"{Logits}.weight", [shape.OutChannels, shape.InChannels], weights), Constant($"{Logits}.bias", [shape.OutChannels], bias)],
            _output,
            TfLiteOptions.FullyConnected);
    }

    /// <summary>A map of each channel is a depthwise convolution of one pixel.</summary>
    private void Channels(ChannelStep step)
    {
        var shape = Of(step.Output).Shape;
        var levels = new sbyte[shape.Channels];
        Array.Fill(levels, (sbyte)1);
        Convolve(step, Weights(step, levels, step.Maps, MostOf8Bits), new TfLiteWindows(new(1, 1), new(1, 1), new(1, 1), 0, 0), false, shape.Channels, step.Inputs[0], shape, shape);
    }

    /// <summary>
    /// A mean is a depthwise convolution with equal weights. TFLite's own average keeps its input's scale, which would lose what a mean is finer than its numbers.
    /// </summary>
    private void Mean(MeanStep step)
    {
        var (from, to) = (Of(step.Inputs[0]).Shape, Of(step.Output).Shape);
        var first = step.Divisions[0, 0];
        var windows = TfLiteWindows.Of(step.Rows, step.Columns, new Extent(from.Height, from.Width));
        if (windows is null || step.Divisions.Cast<Quotient>().Any(division => division != first))
            throw Refused(step, "is a mean over windows of several sizes, for which TFLite has no operator; take --format c or onnx-qdq, or let windows that are divided alike cover the image");
        var levels = new sbyte[to.Channels * windows.Kernel.Area];
        Array.Fill(levels, (sbyte)1);
        var map = Requantizer.Of(Math.ScaleB(1, first.Places) / first.Divisor, 0);
        Convolve(step, Weights(step, levels, [.. Enumerable.Repeat(map, to.Channels)], MostOf8Bits), windows, false, to.Channels, step.Inputs[0], from, to);
    }

    private void Convolve(IntegerStep step, TfLiteWeights weights, TfLiteWindows windows, bool isHalved, int groups, int input, TensorShape from, TensorShape to)
    {
        var isDepthwise = groups > 1 && groups == from.Channels;
        var (given, padding) = Around(step, Image(input), windows, from, to, value: null);
        int[] filter = isDepthwise
            ? [1, windows.Kernel.Height, windows.Kernel.Width, to.Channels]
            : [to.Channels, windows.Kernel.Height, windows.Kernel.Width, from.Channels / groups];
        var name = Of(step.Output).Name;
        var levels = isDepthwise ? ChannelsLast(weights.Levels, to.Channels) : weights.Levels;
        int[] inputs = [given, Constant($"{name}.weight", filter, levels, weights.Scales, isDepthwise ? 3 : 0, isHalved), Bias(step, weights)];
        // Those of depthwise convolutions lie one field later.
        var later = isDepthwise ? 1 : 0;
        List<Field> options =
        [
            new(TfLiteFields.ConvPadding, (int)padding, IsByte: true),
            new(TfLiteFields.ConvStrideWidth, windows.Stride.Width),
            new(TfLiteFields.ConvStrideHeight, windows.Stride.Height),
            new(TfLiteFields.ConvActivation + later, (int)Activation(step), IsByte: true),
            new(TfLiteFields.ConvDilationWidth + later, windows.Dilation.Width, Usual: 1),
            new(TfLiteFields.ConvDilationHeight + later, windows.Dilation.Height, Usual: 1),
        ];
        if (isDepthwise) options.Add(new(TfLiteFields.DepthMultiplier, to.Channels / groups));
        var (kind, type) = isDepthwise ? (TfLiteOperator.DepthwiseConv2D, TfLiteOptions.DepthwiseConv2D) : (TfLiteOperator.Conv2D, TfLiteOptions.Conv2D);
        var version = isHalved ? 7 : !isDepthwise && groups > 1 ? 6 : 3;
        _writer.Operator(kind, version, inputs, Made(step), type, CollectionsMarshal.AsSpan(options));
    }

    private void Maximum(IntegerStep step, TfLiteWindows windows)
    {
        var (input, padding) = Around(step, Image(step.Inputs[0]), windows, Of(step.Inputs[0]).Shape, Of(step.Output).Shape, sbyte.MinValue);
        _writer.Operator(
            TfLiteOperator.MaxPool2D,
            2,
            [input],
            Made(step),
            TfLiteOptions.Pool2D,
            new Field(TfLiteFields.PoolPadding, (int)padding, IsByte: true),
            new Field(TfLiteFields.PoolStrideWidth, windows.Stride.Width),
            new Field(TfLiteFields.PoolStrideHeight, windows.Stride.Height),
            new Field(TfLiteFields.PoolWidth, windows.Kernel.Width),
            new Field(TfLiteFields.PoolHeight, windows.Kernel.Height));
    }

    private void Multiply(ProductStep product)
    {
        var scale = TfLiteWeights.Slope(product.Map);
        _writer.Operator(
            TfLiteOperator.Mul, scale >= 1 ? 3 : 2, [Image(product.Inputs[0]), Image(product.Inputs[1])], Made(product), TfLiteOptions.Mul, new Field(0, (int)Activation(product), IsByte: true));
    }

    private void Table(TableStep step)
    {
        if (IsFormat(step.Table, Of(step.Inputs[0]), Of(step.Output))) _writer.Operator(TfLiteOperator.Quantize, 1, [Image(step.Inputs[0])], Made(step));
        else Look(step, step.Table, Image(step.Inputs[0]), Made(step));
    }

    /// <summary>A function of a byte: the byte as an index from 0 to 255, and what lies there in a constant. So it is the engine's to the bit.</summary>
    private void Look(IntegerStep step, byte[] table, int from, int to)
    {
        var (name, shape) = (Of(step.Output).Name, Shape(Of(step.Output)));
        var signed = _writer.Tensor($"{name}.signed", TfLiteType.Int32, shape);
        _writer.Operator(TfLiteOperator.Cast, 1, [from], signed, TfLiteOptions.Cast, new Field(0, (int)TfLiteType.Int8, IsByte: true), new Field(1, (int)TfLiteType.Int32, IsByte: true));
        var index = _writer.Tensor($"{name}.index", TfLiteType.Int32, shape);
        _writer.Operator(TfLiteOperator.Add, 1, [signed, _writer.Constant($"{name}.128", [1], [128])], index, TfLiteOptions.Add, new Field(0, 0, IsByte: true));
        var values = _writer.Constant($"{name}.table", TfLiteType.Int8, [table.Length], Array.ConvertAll(table, value => (byte)(value ^ 0x80)), Scale(Of(step.Output)));
        _writer.Operator(TfLiteOperator.Gather, 2, [values, index], to, TfLiteOptions.Gather, new Field(0, 0));
    }

    private void Join(JoinStep step)
    {
        var to = Of(step.Output);
        var inputs = step.Inputs.Select((input, i) =>
        {
            var from = Of(input);
            if (!IsFormat(step.Tables[i], from, to)) throw Refused(step, $"joins '{from.Name}' through a table; take --format c or onnx-qdq");
            if ((from.Fraction, from.Zero) == (to.Fraction, to.Zero)) return Image(input);
            var same = _writer.Tensor($"{from.Name}.joined", TfLiteType.Int8, Shape(from), Scale(to));
            _writer.Operator(TfLiteOperator.Quantize, 1, [Image(input)], same);
            return same;
        });
        _writer.Operator(TfLiteOperator.Concatenation, 2, [.. inputs], Made(step), TfLiteOptions.Concatenation, new Field(0, 3), new Field(1, 0, IsByte: true));
    }

    /// <summary>Puts rows and columns around an image where no padding of TFLite's is the one that is wanted. They hold a value, or zeros.</summary>
    private (int Tensor, TfLitePadding Padding) Around(IntegerStep step, int image, TfLiteWindows windows, TensorShape from, TensorShape to, sbyte? value)
    {
        if (windows.Padding(from, to) is { } padding) return (image, padding);
        var (bottom, right) = windows.Behind(from, to);
        var padded = new TensorShape(from.Channels, from.Height + windows.Top + bottom, from.Width + windows.Left + right);
        if ((windows with { Top = 0, Left = 0 }).Padding(padded, to) != TfLitePadding.Valid)
            throw Refused(step, "leaves out rows or columns at the end of its image that a window would fill, which TFLite cannot; take --format c or onnx-qdq");
        var tensor = _writer.Tensor($"{Of(step.Output).Name}.padded", TfLiteType.Int8, [1, padded.Height, padded.Width, padded.Channels], Scale(Of(step.Inputs[0])));
        Pad(image, tensor, Of(step.Output).Name, [(windows.Top, bottom), (windows.Left, right), (0, 0)], value is { } filled ? (filled, Scale(Of(step.Inputs[0]))) : null);
        return (tensor, TfLitePadding.Valid);
    }

    private void Pad(int from, int to, string name, (int Before, int Behind)[] axes, (sbyte Value, Scales Scales)? filled = null)
    {
        var pads = _writer.Constant($"{name}.pads", [4, 2], [0, 0, .. axes.SelectMany(axis => new[] { axis.Before, axis.Behind })]);
        if (filled is { } with)
            _writer.Operator(TfLiteOperator.PadV2, 2, [from, pads, _writer.Constant($"{name}.least", TfLiteType.Int8, [1], [(byte)with.Value], with.Scales)], to);
        else
            _writer.Operator(TfLiteOperator.Pad, 2, [from, pads], to);
    }

    private TfLiteWeights Weights(IntegerStep step, sbyte[] levels, IReadOnlyList<Requantizer> maps, int most)
    {
        var weights = TfLiteWeights.Of(levels, maps, Math.ScaleB(1, Of(step.Inputs[0]).Fraction - Of(step.Output).Fraction), most)
            ?? throw Refused(step, "has sums or a bias of more than 32 bits in steps of its weights; take --format c or onnx-qdq");
        _lost = Math.Max(_lost, weights.Lost);
        return weights;
    }

    private int Bias(IntegerStep step, TfLiteWeights weights) => _writer.Constant(
        $"{Of(step.Output).Name}.bias", [weights.Bias.Length], weights.Bias, new Scales(Array.ConvertAll(weights.Scales, scale => MathF.ScaleB(scale, -Of(step.Inputs[0]).Fraction))));

    private int Constant(string name, int[] shape, sbyte[] levels, float[] scales, int dimension, bool isHalved) => isHalved
        ? _writer.Constant(name, TfLiteType.Int4, shape, Halves(levels), new Scales(scales, 0, dimension))
        : _writer.Constant(name, TfLiteType.Int8, shape, MemoryMarshal.AsBytes<sbyte>(levels).ToArray(), new Scales(scales, 0, dimension));

    private int Constant(string name, int[] shape, float[] values) => _writer.Constant(name, TfLiteType.Float32, shape, MemoryMarshal.AsBytes<float>(values).ToArray());

    /// <summary>Two numbers in a byte, the first in its lower half.</summary>
    private static byte[] Halves(sbyte[] levels)
    {
        var bytes = new byte[(levels.Length + 1) / 2];
        for (var i = 0; i < levels.Length; i++) bytes[i / 2] |= (byte)((levels[i] & 0xF) << (4 * (i % 2)));
        return bytes;
    }

    /// <summary>[channels, y, x] to [y, x, channels].</summary>
    private static sbyte[] ChannelsLast(sbyte[] levels, int channels)
    {
        var (turned, positions) = (new sbyte[levels.Length], levels.Length / channels);
        for (var i = 0; i < levels.Length; i++) turned[(i % positions * channels) + (i / positions)] = levels[i];
        return turned;
    }

    /// <summary>A linear layer's weights in the order in which its input's numbers lie in the file, pixel by pixel, which saves a transposition.</summary>
    private sbyte[] Turned(int input, sbyte[] levels, int outputs)
    {
        if (!_turned.TryGetValue(input, out var flatten)) return levels;
        var (turned, depth) = (new sbyte[levels.Length], levels.Length / outputs);
        var columns = depth / flatten.Rows;
        for (var i = 0; i < levels.Length; i++)
        {
            var (row, column) = (i % depth % flatten.Rows, i % depth / flatten.Rows);
            turned[(i / depth * depth) + (row * columns) + column] = levels[i];
        }

        return turned;
    }

    /// <summary>A row of the numbers of a tensor as they lie in the file, which is pixel by pixel where it was flattened.</summary>
    private int Flat(int tensor) => _turned.TryGetValue(tensor, out var flatten) ? Row(flatten.Inputs[0]) : Row(tensor);

    private int Row(int tensor)
    {
        if (_rows.TryGetValue(tensor, out var row)) return row;
        row = Reshape(Image(tensor), Of(tensor), [1, Of(tensor).Length], "row");
        _rows.Add(tensor, row);
        return row;
    }

    private int Image(int tensor)
    {
        if (_images.TryGetValue(tensor, out var image)) return image;
        if (_turned.TryGetValue(tensor, out var flatten))
        {
            var of = Of(tensor);
            var (rows, columns) = (flatten.Rows, of.Length / flatten.Rows);
            var grid = Reshape(Row(flatten.Inputs[0]), of, [1, rows, columns], "grid");
            var turned = _writer.Tensor($"{of.Name}.turned", TfLiteType.Int8, [1, columns, rows], Scale(of));
            _writer.Operator(TfLiteOperator.Transpose, 2, [grid, _writer.Constant($"{of.Name}.axes", [3], [0, 2, 1])], turned);
            image = Reshape(turned, of, Shape(of), "image");
        }
        else
        {
            image = Reshape(_rows[tensor], Of(tensor), Shape(Of(tensor)), "image");
        }

        _images.Add(tensor, image);
        return image;
    }

    private int Reshape(int from, ByteTensor tensor, int[] shape, string what)
    {
        var reshaped = _writer.Tensor($"{tensor.Name}.{what}", TfLiteType.Int8, shape, Scale(tensor));
        var extents = _writer.Constant($"{tensor.Name}.{what}.shape", [shape.Length], shape);
        _writer.Operator(TfLiteOperator.Reshape, 1, [from, extents], reshaped, TfLiteOptions.Reshape, new Field(0, 0, List: shape));
        return reshaped;
    }

    private int Made(IntegerStep step)
    {
        var to = Of(step.Output);
        var tensor = _writer.Tensor(to.Name, TfLiteType.Int8, Shape(to), Scale(to));
        _images.Add(step.Output, tensor);
        return tensor;
    }

    /// <summary>What limits an output to the bytes that occur.</summary>
    private TfLiteActivation Activation(IntegerStep step)
    {
        var to = Of(step.Output);
        if (to is { Least: 0, Greatest: byte.MaxValue }) return to.Zero == 0 ? TfLiteActivation.Relu : TfLiteActivation.None;
        if (to.Least == to.Zero && to.Greatest == byte.MaxValue) return TfLiteActivation.Relu;
        return to.Least == to.Zero && to.Greatest == to.Zero + Math.Round(Math.ScaleB(6, to.Fraction))
            ? TfLiteActivation.Relu6
            : throw Refused(step, $"holds {to.Greatest - to.Least + 1} of the 256 numbers of a byte, a limit that TFLite has only as ReLU and ReLU6; quantize the activations to 8 bits");
    }

    /// <summary>Whether a table only takes a byte from one scale to another.</summary>
    private static bool IsFormat(byte[] table, ByteTensor from, ByteTensor to) =>
        (to.Least, to.Greatest) == (0, byte.MaxValue)
        && table.Select((made, q) => made == to.Store((long)Math.Round(Math.ScaleB(q - from.Zero, to.Fraction - from.Fraction), MidpointRounding.ToEven))).All(isSame => isSame);

    private static bool IsPoint(ConvolutionShape shape) => shape is { Height: 1, Width: 1, Kernel.Area: 1, Groups: 1, OutHeight: 1, OutWidth: 1 };

    private static int[] Shape(ByteTensor tensor) => [1, tensor.Shape.Height, tensor.Shape.Width, tensor.Shape.Channels];

    private static Scales Scale(ByteTensor tensor) => new([MathF.ScaleB(1, -tensor.Fraction)], tensor.Zero - 128);

    private ByteTensor Of(int tensor) => _network.Tensors[tensor];

    private LatheException Refused(IntegerStep step, string why) =>
        new($"TFLite export of network '{_network.Name}': '{(step.Output < 0 ? Logits : Of(step.Output).Name)}' {why}");
}

/// <summary>A TFLite file.</summary>
/// <param name="Content">Its bytes.</param>
/// <param name="MinimumRuntime">The oldest release of TensorFlow Lite that has its operators.</param>
/// <param name="Layers">Layers with weights before the last.</param>
/// <param name="Halved">Those whose weights are of type INT4.</param>
/// <param name="LostOfBias">Largest part of an output step that the rounding of a bias costs.</param>
internal sealed record TfLiteFile(byte[] Content, Version MinimumRuntime, int Layers, int Halved, double LostOfBias);
