using System.Buffers.Binary;
using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.TfLite;
using Lathe.NN.FixedPoint;

namespace Lathe.Exports.TfLite;

/// <summary>How a runtime rounds a number in the middle between two steps.</summary>
internal enum TieRounding
{
    /// <summary>To the even one, as Lathe does.</summary>
    Even,

    /// <summary>To the upper one in ADD and QUANTIZE, to the even one elsewhere, as LiteRT does on CPUs.</summary>
    LiteRt,

    /// <summary>To the upper one everywhere.</summary>
    Up,
}

/// <summary>
/// A TFLite file of the export as a network of whole numbers again, by the rules of TFLite's specification and from what the file says alone. Lathe's engine
/// runs it, so that thousands of images are no matter.
/// </summary>
internal sealed class TfLiteReading
{
    private const int UsualLogitFraction = 16;
    private const int MostOfByte = 127;

    private readonly TieRounding _ties;
    private readonly FlatTable[] _buffers;
    private readonly FlatTable[] _tensors;
    private readonly List<ByteTensor> _made = [];
    private readonly List<IntegerStep> _steps = [];

    // A tensor of the file: the number of the network's that holds it.
    private readonly Dictionary<int, int> _numbers = [];

    // Tensors that only the next operator looks at: padded for a maximum, floats of bytes, indices of tables.
    private readonly Dictionary<int, int> _padded = [];
    private readonly Dictionary<int, int> _same = [];

    private TfLiteReading(FlatTable model, FlatTable subgraph, TieRounding ties) =>
        (_ties, _buffers, _tensors) = (ties, [.. model.Tables(TfLiteFields.ModelBuffers)], [.. subgraph.Tables(TfLiteFields.SubgraphTensors)]);

    /// <summary>Reads a file.</summary>
    /// <param name="content">Its bytes.</param>
    /// <param name="ties">How to round.</param>
    /// <exception cref="LatheException">It is damaged, or has what the export does not write.</exception>
    public static FixedPointNetwork Read(byte[] content, TieRounding ties)
    {
        var model = FlatTable.Root(content);
        var subgraph = model.Tables(TfLiteFields.ModelSubgraphs).Single();
        var codes = model.Tables(TfLiteFields.ModelCodes).Select(code => (TfLiteOperator)code.Int32(TfLiteFields.CodeBuiltin)).ToArray();
        return new TfLiteReading(model, subgraph, ties).Read(subgraph, codes);
    }

    private FixedPointNetwork Read(FlatTable subgraph, TfLiteOperator[] codes)
    {
        var input = subgraph.Int32s(TfLiteFields.SubgraphInputs).Single();
        var output = subgraph.Int32s(TfLiteFields.SubgraphOutputs).Single();
        Add(input, TfLiteActivation.None);
        var fraction = -1;
        foreach (var node in subgraph.Tables(TfLiteFields.SubgraphOperators))
        {
            var (inputs, made) = (node.Int32s(TfLiteFields.OperatorInputs), node.Int32s(TfLiteFields.OperatorOutputs).Single());
            if (made == output) fraction = Finish(inputs, codes[node.Int32(TfLiteFields.OperatorCode)]);
            else Take(codes[node.Int32(TfLiteFields.OperatorCode)], inputs, made, node.Table(TfLiteFields.OperatorOptions));
        }

        return new FixedPointNetwork(subgraph.Text(TfLiteFields.SubgraphName), _made, _numbers[input], _steps, Shape(output)[^1], fraction);
    }

    private void Take(TfLiteOperator kind, int[] inputs, int made, FlatTable? options)
    {
        var x = inputs[0];
        switch (kind)
        {
            case TfLiteOperator.Conv2D:
                Convolve(inputs, made, options!.Value, isDepthwise: false);
                break;
            case TfLiteOperator.DepthwiseConv2D:
                Convolve(inputs, made, options!.Value, isDepthwise: true);
                break;
            case TfLiteOperator.FullyConnected:
                var shape = Shape(inputs[1]);
                var to = Add(made, (TfLiteActivation)(options?.Byte(0) ?? 0));
                _steps.Add(new MultiplyStep([_numbers[x]], to, new ConvolutionShape(shape[1], shape[0], 1, 1, 0, 0, 1, 1, 1, 1, 1, 1), 8, Levels(inputs[1]), Maps(inputs, made, shape[0])));
                break;
            case TfLiteOperator.Add when _tensors[x].Byte(TfLiteFields.TensorType) == (byte)TfLiteType.Int32:
                _same[made] = x;
                break;
            case TfLiteOperator.Add:
                var sum = Add(made, (TfLiteActivation)(options?.Byte(0) ?? 0));
                if (Scale(x) != Scale(inputs[1])) throw Unknown(kind, made);
                _steps.Add(new SumStep([_numbers[x], _numbers[inputs[1]]], sum, Map(Scale(x) / Scale(made), 0, isUp: _ties != TieRounding.Even)));
                break;
            case TfLiteOperator.Mul:
                var product = Add(made, (TfLiteActivation)(options?.Byte(0) ?? 0));
                _steps.Add(new ProductStep([_numbers[x], _numbers[inputs[1]]], product, Map(Scale(x) * Scale(inputs[1]) / Scale(made), 0)));
                break;
            case TfLiteOperator.MaxPool2D:
                Maximum(x, made, options!.Value);
                break;
            case TfLiteOperator.PadV2:
                if ((sbyte)Bytes(inputs[2])[0] != sbyte.MinValue) throw Unknown(kind, made);
                _padded.Add(made, x);
                _same[made] = inputs[1];
                break;
            case TfLiteOperator.Pad:
                var pads = Numbers(inputs[1]);
                _steps.Add(new PadStep([_numbers[x]], Add(made, TfLiteActivation.None), pads[6], pads[2], pads[4]));
                break;
            case TfLiteOperator.Reshape:
                _steps.Add(new FlattenStep([_numbers[x]], Add(made, TfLiteActivation.None), 1));
                break;
            case TfLiteOperator.Transpose:
                if (Numbers(inputs[1]) is not [0, 2, 1]) throw Unknown(kind, made);
                _steps.Add(new FlattenStep([_numbers[x]], Add(made, TfLiteActivation.None), Shape(x)[1]));
                break;
            case TfLiteOperator.Quantize:
                var (from, rounded) = (_made[_numbers[x]], Add(made, TfLiteActivation.None));
                _steps.Add(new TableStep([_numbers[x]], rounded, Table(from, _made[rounded])));
                break;
            case TfLiteOperator.Cast:
                _same[made] = x;
                break;
            case TfLiteOperator.Gather:
                // The number + 128 as an index.
                _steps.Add(new TableStep([_numbers[Source(inputs[1])]], Add(made, TfLiteActivation.None), [.. Bytes(x).ToArray().Select(value => (byte)(value ^ 0x80))]));
                break;
            case TfLiteOperator.Concatenation:
                var joined = Add(made, TfLiteActivation.None);
                if (inputs.Any(input => Scale(input) != Scale(made) || Zero(input) != Zero(made))) throw Unknown(kind, made);
                _steps.Add(new JoinStep([.. inputs.Select(input => _numbers[input])], joined, [.. inputs.Select(_ => Enumerable.Range(0, 256).Select(q => (byte)q).ToArray())]));
                break;
            case TfLiteOperator.Dequantize:
                _same[made] = x;
                break;
            default:
                throw Unknown(kind, made);
        }
    }

    /// <summary>What makes the logits, from floats that are whole numbers of steps.</summary>
    private int Finish(int[] inputs, TfLiteOperator kind)
    {
        if (kind == TfLiteOperator.Dequantize)
        {
            _steps.Add(new LogitStep([_numbers[inputs[0]]]));
            return _made[_numbers[inputs[0]]].Fraction;
        }

        if (kind != TfLiteOperator.FullyConnected) throw Unknown(kind, inputs[0]);
        var (shape, weights, bias) = (Shape(inputs[1]), Floats(inputs[1]), Floats(inputs[2]));
        var from = _made[_numbers[Source(inputs[0])]];
        var depth = shape[1];
        var levels = new sbyte[weights.Length];
        var slopes = new double[shape[0]];
        for (var row = 0; row < shape[0]; row++) slopes[row] = Whole(weights.AsSpan(row * depth, depth), levels.AsSpan(row * depth, depth));
        var fraction = slopes.All(slope => slope == slopes[0]) && IsPower(slopes[0]) ? from.Fraction - Math.ILogB(slopes[0]) : UsualLogitFraction;
        _steps.Add(new MultiplyStep(
            [_numbers[Source(inputs[0])]],
            LogitStep.Logits,
            new ConvolutionShape(depth, shape[0], 1, 1, 0, 0, 1, 1, 1, 1, 1, 1),
            8,
            levels,
            [.. slopes.Select((slope, c) => Requantizer.Of(Math.ScaleB(slope, fraction - from.Fraction), Math.ScaleB((double)bias[c], fraction)))]));
        return fraction;
    }

    /// <summary>Numbers as the coarsest step of which all are multiples of up to 127.</summary>
    private static double Whole(ReadOnlySpan<float> numbers, Span<sbyte> levels)
    {
        var least = 0.0;
        foreach (var number in numbers)
        {
            if (number != 0 && (least == 0 || Math.Abs(number) < least)) least = Math.Abs(number);
        }

        for (var divisor = 1; divisor <= MostOfByte && least > 0; divisor++)
        {
            var step = least / divisor;
            var isWhole = true;
            for (var i = 0; i < numbers.Length && isWhole; i++)
            {
                var level = Math.Round(numbers[i] / step);
                isWhole = Math.Abs(level) <= MostOfByte && Math.Abs((numbers[i] / step) - level) < 1e-4;
                levels[i] = isWhole ? (sbyte)level : (sbyte)0;
            }

            if (isWhole) return step;
        }

        return least == 0 ? 1 : throw new LatheException("the weights of its last layer are no whole numbers of a step");
    }

    private static bool IsPower(double value) => Math.ScaleB(1, Math.ILogB(value)) == value;

    private void Convolve(int[] inputs, int made, FlatTable options, bool isDepthwise)
    {
        var later = isDepthwise ? 1 : 0;
        var (x, w, y) = (Shape(inputs[0]), Shape(inputs[1]), Shape(made));
        var kernel = new Extent(w[1], w[2]);
        var stride = new Extent(options.Int32(TfLiteFields.ConvStrideHeight, 1), options.Int32(TfLiteFields.ConvStrideWidth, 1));
        var dilation = new Extent(options.Int32(TfLiteFields.ConvDilationHeight + later, 1), options.Int32(TfLiteFields.ConvDilationWidth + later, 1));
        var padding = (TfLitePadding)options.Byte(TfLiteFields.ConvPadding);
        var (top, left) = (Before(padding, x[1], y[1], kernel.Height, stride.Height, dilation.Height), Before(padding, x[2], y[2], kernel.Width, stride.Width, dilation.Width));
        var levels = Levels(inputs[1]);
        if (isDepthwise)
        {
            // [y, x, channels] to [channels, y, x].
            var (turned, positions) = (new sbyte[levels.Length], (int)kernel.Area);
            for (var i = 0; i < levels.Length; i++) turned[(i % y[3] * positions) + (i / y[3])] = levels[i];
            levels = turned;
        }

        var groups = isDepthwise ? x[3] : x[3] / w[3];
        var shape = new ConvolutionShape(x[3], y[3], kernel, stride, top, left, dilation, groups, x[1], x[2], y[1], y[2]);
        var to = Add(made, (TfLiteActivation)options.Byte(TfLiteFields.ConvActivation + later));
        _steps.Add(new MultiplyStep([_numbers[inputs[0]]], to, shape, 8, levels, Maps(inputs, made, y[3])));
    }

    private void Maximum(int input, int made, FlatTable options)
    {
        var (top, left) = (0, 0);
        var from = input;
        if (_padded.TryGetValue(input, out var inner))
        {
            var pads = Numbers(_same[input]);
            (from, top, left) = (inner, pads[2], pads[4]);
        }

        var kernel = new Extent(options.Int32(TfLiteFields.PoolHeight), options.Int32(TfLiteFields.PoolWidth));
        var stride = new Extent(options.Int32(TfLiteFields.PoolStrideHeight, 1), options.Int32(TfLiteFields.PoolStrideWidth, 1));
        var padding = (TfLitePadding)options.Byte(TfLiteFields.PoolPadding);
        var (x, y) = (Shape(input), Shape(made));
        top += Before(padding, x[1], y[1], kernel.Height, stride.Height, 1);
        left += Before(padding, x[2], y[2], kernel.Width, stride.Width, 1);
        _steps.Add(new MaximumStep([_numbers[from]], Add(made, TfLiteActivation.None), kernel, stride, top, left));
    }

    /// <summary>Rows before an image, and whether the output has as many as the padding gives.</summary>
    private static int Before(TfLitePadding padding, int extent, int outputs, int kernel, int stride, int dilation)
    {
        var reach = ((kernel - 1) * dilation) + 1;
        var given = padding == TfLitePadding.Same ? (extent + stride - 1) / stride : ((extent - reach) / stride) + 1;
        if (given != outputs) throw new LatheException($"an operator makes {given} rows or columns, and its tensor has {outputs}");
        return padding == TfLitePadding.Same ? Math.Max(0, ((outputs - 1) * stride) + reach - extent) / 2 : 0;
    }

    private Requantizer[] Maps(int[] inputs, int made, int channels)
    {
        var (scales, bias) = (ScalesOf(inputs[1]), Numbers(inputs[2]));
        if (scales.Length != 1 && scales.Length != channels) throw new LatheException($"a layer of {channels} channels has {scales.Length} scales");
        return
        [
            .. Enumerable.Range(0, channels).Select(c =>
            {
                var slope = (double)Scale(inputs[0]) * scales[c % scales.Length] / Scale(made);
                return Map(slope, bias[c] * slope);
            }),
        ];
    }

    private Requantizer Map(double slope, double intercept) => Map(slope, intercept, isUp: _ties == TieRounding.Up);

    private static Requantizer Map(double slope, double intercept, bool isUp)
    {
        var map = Requantizer.Of(slope, intercept);
        // By the least that there is: enough for what lies in the middle, and for nothing else.
        return isUp ? map with { Offset = map.Offset + 1 } : map;
    }

    private byte[] Table(ByteTensor from, ByteTensor to) =>
    [
        .. Enumerable.Range(0, 256).Select(q =>
        {
            var value = Math.ScaleB(q - from.Zero, to.Fraction - from.Fraction);
            return to.Store((long)(_ties != TieRounding.Even ? Math.Floor(value + 0.5) : Math.Round(value, MidpointRounding.ToEven)));
        }),
    ];

    private int Add(int tensor, TfLiteActivation activation)
    {
        if (_tensors[tensor].Byte(TfLiteFields.TensorType) != (byte)TfLiteType.Int8) throw new LatheException($"its tensor '{Name(tensor)}' is not of type INT8");
        var (shape, zero, fraction) = (Shape(tensor), Zero(tensor) + 128, -Math.ILogB(Scale(tensor)));
        if (MathF.ScaleB(1, -fraction) != Scale(tensor) || zero is not (0 or 128)) throw new LatheException($"its tensor '{Name(tensor)}' has scale {Scale(tensor)} and zero point {zero - 128}");
        var least = activation == TfLiteActivation.None ? 0 : zero;
        var greatest = activation == TfLiteActivation.Relu6 ? Math.Min(255, zero + (int)Math.Round(Math.ScaleB(6, fraction))) : 255;
        var form = shape.Length == 4 ? new TensorShape(shape[3], shape[1], shape[2]) : new TensorShape(shape[1..].Aggregate((product, extent) => product * extent));
        _made.Add(new ByteTensor(Name(tensor), form, fraction, (byte)zero, (byte)least, (byte)greatest));
        _numbers.Add(tensor, _made.Count - 1);
        return _made.Count - 1;
    }

    private int Source(int tensor)
    {
        while (!_numbers.ContainsKey(tensor)) tensor = _same[tensor];
        return tensor;
    }

    private string Name(int tensor) => _tensors[tensor].Text(TfLiteFields.TensorName);

    private int[] Shape(int tensor) => _tensors[tensor].Int32s(TfLiteFields.TensorShape);

    private float[] ScalesOf(int tensor) => _tensors[tensor].Table(TfLiteFields.TensorQuantization)?.Floats(TfLiteFields.QuantizationScale) ?? [];

    private float Scale(int tensor) => ScalesOf(tensor).Single();

    private int Zero(int tensor) => (int)_tensors[tensor].Table(TfLiteFields.TensorQuantization)!.Value.Int64s(TfLiteFields.QuantizationZero).Single();

    private ReadOnlySpan<byte> Bytes(int tensor) => _buffers[_tensors[tensor].Int32(TfLiteFields.TensorBuffer)].Vector(TfLiteFields.BufferData, 1);

    private int[] Numbers(int tensor)
    {
        var bytes = Bytes(tensor);
        var numbers = new int[bytes.Length / sizeof(int)];
        for (var i = 0; i < numbers.Length; i++) numbers[i] = BinaryPrimitives.ReadInt32LittleEndian(bytes[(i * sizeof(int))..]);
        return numbers;
    }

    private float[] Floats(int tensor)
    {
        var bytes = Bytes(tensor);
        var numbers = new float[bytes.Length / sizeof(float)];
        for (var i = 0; i < numbers.Length; i++) numbers[i] = BinaryPrimitives.ReadSingleLittleEndian(bytes[(i * sizeof(float))..]);
        return numbers;
    }

    private sbyte[] Levels(int tensor)
    {
        var bytes = Bytes(tensor);
        var levels = new sbyte[Shape(tensor).Aggregate((product, extent) => product * extent)];
        switch ((TfLiteType)_tensors[tensor].Byte(TfLiteFields.TensorType))
        {
            case TfLiteType.Int8 when bytes.Length == levels.Length:
                for (var i = 0; i < levels.Length; i++) levels[i] = (sbyte)bytes[i];
                break;
            case TfLiteType.Int4 when bytes.Length == (levels.Length + 1) / 2:
                for (var i = 0; i < levels.Length; i++) levels[i] = (sbyte)((sbyte)(bytes[i / 2] << (4 - (4 * (i % 2)))) >> 4);
                break;
            default:
                throw new LatheException($"its weights '{Name(tensor)}' hold {bytes.Length} bytes");
        }

        return levels;
    }

    private LatheException Unknown(TfLiteOperator kind, int made) => new($"operator {kind} of '{Name(made)}' is not one that the export writes");
}
