using System.Buffers.Binary;
using Google.Protobuf;
using Lathe.Contracts;
using Lathe.Graph.Onnx;
using Lathe.Graph.Onnx.Format;

namespace Lathe.Graph.TfLite;

/// <summary>
/// A float network of TensorFlow Lite as an ONNX graph, which the ONNX import then reads. TFLite has images as [N, H, W, C]; here they are [N, C, H, W] between a
/// transposition at the input and others before what flattens.
/// </summary>
internal sealed class TfLiteGraph
{
    /// <summary>Operator set of the graph that is made.</summary>
    public const int OperatorSet = 17;

    private const int MostNodes = 100_000;

    private enum Operator
    {
        Add = 0,
        AveragePool = 1,
        Concatenation = 2,
        Conv = 3,
        DepthwiseConv = 4,
        Dequantize = 6,
        FullyConnected = 9,
        Logistic = 14,
        MaxPool = 17,
        Mul = 18,
        Relu = 19,
        Relu6 = 21,
        Reshape = 22,
        Softmax = 25,
        Pad = 34,
        Mean = 40,
        Sub = 41,
        Div = 42,
        Squeeze = 43,
        PRelu = 54,
        ExpandDims = 70,
        LeakyRelu = 98,
        HardSwish = 117,
    }

    private readonly IReadOnlyList<FlatTable> _buffers;
    private readonly IReadOnlyList<FlatTable> _tensors;
    private readonly GraphProto _graph = new();
    private readonly Dictionary<int, string> _values = [];
    private readonly Dictionary<int, int> _same = [];

    private TfLiteGraph(IReadOnlyList<FlatTable> buffers, IReadOnlyList<FlatTable> tensors) => (_buffers, _tensors) = (buffers, tensors);

    /// <summary>Whether bytes are a TFLite file.</summary>
    public static bool IsOne(ReadOnlySpan<byte> bytes) => bytes.Length > 8 && bytes[4..8].SequenceEqual("TFL3"u8);

    /// <summary>Reads a file.</summary>
    /// <exception cref="LatheException">Damaged, of whole numbers, or with operators that are not read: all of them are named.</exception>
    public static GraphProto Read(byte[] bytes)
    {
        var model = FlatTable.Root(bytes);
        if (model.Tables(2) is not [var subgraph]) throw new LatheException($"it has {model.Tables(2).Count} subgraphs; expected one");
        var operators = subgraph.Tables(3);
        if (operators.Count is 0 or > MostNodes) throw new LatheException($"it has {operators.Count} operators; expected between 1 and {MostNodes}");
        if (subgraph.Int32s(1) is not [var input] || subgraph.Int32s(2) is not [var output]) throw new LatheException("it has several inputs or outputs; expected one of each");
        return new TfLiteGraph(model.Tables(4), subgraph.Tables(0)).Read(model.Tables(1), operators, input, output);
    }

    private GraphProto Read(IReadOnlyList<FlatTable> codes, IReadOnlyList<FlatTable> operators, int input, int output)
    {
        var shape = Shape(input);
        if (_tensors[input].Byte(1) != 0)
            throw new LatheException($"its input '{Name(input)}' holds whole numbers: the network is quantized already. Take the float model that it was made from");
        var extents = new TensorShapeProto();
        foreach (var (i, extent) in shape.Index())
            extents.Dim.Add(i == 0 ? new TensorShapeProto.Types.Dimension { DimParam = "N" } : new TensorShapeProto.Types.Dimension { DimValue = extent });
        _graph.Input.Add(new ValueInfoProto
        {
            Name = "input",
            Type = new TypeProto { TensorType = new TypeProto.Types.Tensor { ElemType = (int)TensorProto.Types.DataType.Float, Shape = extents } },
        });
        _values[input] = shape.Length == 4 ? Append("Transpose", "input.transposed", ["input"], OnnxMessages.Attribute("perm", 0, 3, 1, 2)) : "input";
        var faults = new List<string>();
        foreach (var node in operators)
        {
            var code = codes[Checked(node.Int32(0), codes.Count)];
            var kind = (Operator)Math.Max(code.Byte(0), code.Int32(3));
            try
            {
                Convert(node, kind);
            }
            catch (LatheException fault)
            {
                var made = node.Int32s(2) is [var first, ..] && first >= 0 && first < _tensors.Count ? Name(first) : "";
                faults.Add($"{(Enum.IsDefined(kind) ? kind.ToString() : $"operator {(int)kind}")} '{made}' ({fault.Message.TrimEnd('.')})");
                foreach (var other in node.Int32s(2)) _values.TryAdd(other, "input");
            }
        }

        if (faults.Count > 0) throw new LatheException($"it has {faults.Count} operators that a network here cannot have: {string.Join("; ", faults.Take(50))}");
        _graph.Output.Add(new ValueInfoProto { Name = Value(output) });
        return _graph;
    }

    private void Convert(FlatTable node, Operator kind)
    {
        var (inputs, outputs) = (node.Int32s(1), node.Int32s(2));
        if (inputs.Length == 0 || outputs.Length != 1) throw new LatheException($"it has {inputs.Length} inputs and {outputs.Length} outputs");
        var least = kind is Operator.Conv or Operator.DepthwiseConv or Operator.FullyConnected or Operator.Mean or Operator.Pad or Operator.Add or Operator.Mul or Operator.Sub or Operator.Div or Operator.PRelu ? 2 : 1;
        if (inputs.Length < least) throw new LatheException($"it has {inputs.Length} inputs; expected {least} or more");
        var (x, y) = (inputs[0], outputs[0]);
        var options = node.Table(4);
        var name = Name(y);
        switch (kind)
        {
            case Operator.Conv:
                var filters = Weights(inputs[1], 0, 3, 1, 2);
                Set(y, options?.Byte(3) ?? 0, Conv(name, x, Bias(inputs), filters, options, Math.Max(1, Shape(x).LastOrDefault(1) / filters.Shape[1]), dilations: 4));
                break;
            case Operator.DepthwiseConv:
                // [1, height, width, channels] to [channels, 1, height, width].
                Set(y, options?.Byte(4) ?? 0, Conv(name, x, Bias(inputs), Weights(inputs[1], 3, 0, 1, 2), options, Shape(x).LastOrDefault(1), dilations: 5));
                break;
            case Operator.AveragePool or Operator.MaxPool:
                Set(y, options?.Byte(5) ?? 0, Append(
                    kind == Operator.MaxPool ? "MaxPool" : "AveragePool", name, [Value(x)],
                    OnnxMessages.Attribute("kernel_shape", options?.Int32(4) ?? 0, options?.Int32(3) ?? 0), Strides(options), Padding(options)));
                break;
            case Operator.FullyConnected:
                var weight = Shape(inputs[1]);
                if (weight.Length != 2) throw new LatheException("its weight has not two extents");
                List<string> parts = [Flat(x, weight[1]), Constant($"{name}.weight", Floats(inputs[1]), weight)];
                if (Bias(inputs) is { } bias) parts.Add(Constant($"{name}.bias", bias, [bias.Length]));
                Set(y, options?.Byte(0) ?? 0, Append("Gemm", name, parts, OnnxMessages.Attribute("transB", 1)));
                break;
            case Operator.Add or Operator.Mul or Operator.Sub or Operator.Div:
                Set(y, options?.Byte(0) ?? 0, Append(kind.ToString(), name, [.. inputs.Select(i => IsConstant(i) ? ForChannels(i, Shape(y)) : Value(i))]));
                break;
            case Operator.Concatenation:
                var rank = Shape(y).Length;
                if ((options?.Int32(0) ?? 0) is var axis && axis != rank - 1 && axis != -1) throw new LatheException($"it joins along axis {axis}; expected the channels");
                Set(y, options?.Byte(1) ?? 0, Append("Concat", name, [.. inputs.Select(Value)], OnnxMessages.Attribute("axis", rank == 4 ? 1 : rank - 1)));
                break;
            case Operator.Mean:
                if (Shape(x).Length == 3 && Whole(inputs[1]) is [1 or -2])
                {
                    Set(y, 0, Append("ReduceMean", name, [Value(x)], OnnxMessages.Attribute("axes", [1L]), OnnxMessages.Attribute("keepdims", options?.Byte(0) ?? 0)));
                    break;
                }

                if (Shape(x).Length != 4 || !Whole(inputs[1]).Select(a => a < 0 ? a + Shape(x).Length : a).Order().SequenceEqual([1, 2])) throw new LatheException("it takes the mean over other axes than height and width");
                Set(y, 0, Append("ReduceMean", name, [Value(x)], OnnxMessages.Attribute("axes", 2, 3), OnnxMessages.Attribute("keepdims", options?.Byte(0) ?? 0)));
                break;
            case Operator.Pad:
                var pads = Whole(inputs[1]);
                if (pads.Length != 8) throw new LatheException("it pads another number of axes than 4");
                var border = $"{name}.pads";
                _graph.Initializer.Add(OnnxMessages.Tensor(border, [pads[0], pads[6], pads[2], pads[4], pads[1], pads[7], pads[3], pads[5]], 8));
                Set(y, 0, Append("Pad", name, [Value(x), border]));
                break;
            case Operator.LeakyRelu:
                Set(y, 0, Append("LeakyRelu", name, [Value(x)], OnnxMessages.Attribute("alpha", BitConverter.Int32BitsToSingle(options?.Int32(0) ?? 0))));
                break;
            case Operator.PRelu: Set(y, 0, Append("PRelu", name, [Value(x), ForChannels(inputs[1], Shape(y))])); break;
            case Operator.Reshape or Operator.Squeeze or Operator.ExpandDims:
                _values[y] = Reshape(name, x, Shape(y));
                break;
            case Operator.Relu: Set(y, 1, Value(x)); break;
            case Operator.Relu6: Set(y, 3, Value(x)); break;
            case Operator.Logistic: Set(y, 0, Append("Sigmoid", name, [Value(x)])); break;
            case Operator.HardSwish: Set(y, 0, Append("HardSwish", name, [Value(x)])); break;
            case Operator.Softmax: Set(y, 0, Append("Softmax", name, [Value(x)], OnnxMessages.Attribute("axis", 1))); break;
            case Operator.Dequantize when IsConstant(x): _same[y] = x; break;
            default: throw new LatheException(kind == Operator.Dequantize ? "it makes floats of whole numbers inside the network; take the float model" : "no such operator here");
        }
    }

    private string Conv(string name, int x, float[]? bias, (float[] Values, int[] Shape) weights, FlatTable? options, int groups, int dilations)
    {
        List<string> inputs = [Value(x), Constant($"{name}.weight", weights.Values, weights.Shape)];
        if (bias is not null) inputs.Add(Constant($"{name}.bias", bias, [bias.Length]));
        return Append(
            "Conv", name, inputs, Strides(options), Padding(options), OnnxMessages.Attribute("group", groups),
            OnnxMessages.Attribute("dilations", options?.Int32(dilations + 1, 1) ?? 1, options?.Int32(dilations, 1) ?? 1));
    }

    private static AttributeProto Strides(FlatTable? options) => OnnxMessages.Attribute("strides", options?.Int32(2) ?? 1, options?.Int32(1) ?? 1);

    private static AttributeProto Padding(FlatTable? options) => new()
    {
        Name = "auto_pad",
        Type = AttributeProto.Types.AttributeType.String,
        S = ByteString.CopyFromUtf8((options?.Byte(0) ?? 0) == 0 ? OnnxAttributes.SameFromFirst : "VALID"),
    };

    /// <summary>The tensor with the activation that is part of its operator.</summary>
    private void Set(int tensor, int activation, string value)
    {
        _values[tensor] = activation switch
        {
            0 => value,
            1 => Append("Relu", $"{Name(tensor)}.relu", [value]),
            3 => Append("Clip", $"{Name(tensor)}.relu6", [value, Constant($"{Name(tensor)}.0", [0], []), Constant($"{Name(tensor)}.6", [6], [])]),
            _ => throw new LatheException($"it has the activation {activation}; expected none, ReLU or ReLU6"),
        };
    }

    /// <summary>An input as [N, features].</summary>
    private string Flat(int tensor, int features) => Shape(tensor).Length == 2 ? Value(tensor) : Reshape($"{Name(tensor)}.flat", tensor, [1, features]);

    private string Reshape(string name, int from, int[] to)
    {
        var value = Value(from);
        if (Shape(from).Length == 4) value = Append("Transpose", $"{name}.last", [value], OnnxMessages.Attribute("perm", 0, 2, 3, 1));
        var shape = $"{name}.shape";
        _graph.Initializer.Add(OnnxMessages.Tensor(shape, [-1, .. to.Skip(1).Select(extent => (long)extent)], to.Length));
        value = Append("Reshape", name, [value, shape]);
        return to.Length == 4 ? Append("Transpose", $"{name}.first", [value], OnnxMessages.Attribute("perm", 0, 3, 1, 2)) : value;
    }

    private string Append(string operation, string name, IReadOnlyList<string> inputs, params IReadOnlyList<AttributeProto> attributes)
    {
        var node = new NodeProto { OpType = operation, Name = name };
        node.Input.Add(inputs);
        node.Output.Add($"v{_graph.Node.Count}");
        node.Attribute.Add(attributes);
        _graph.Node.Add(node);
        return node.Output[0];
    }

    private string Constant(string name, float[] values, int[] shape)
    {
        var unique = $"{name}:{_graph.Initializer.Count}";
        _graph.Initializer.Add(OnnxMessages.Tensor(unique, values, Array.ConvertAll(shape, extent => (long)extent)));
        return unique;
    }

    /// <summary>A constant of one number, or one for each channel of images.</summary>
    private string ForChannels(int tensor, int[] like)
    {
        var (values, shape) = (Floats(tensor), Shape(tensor));
        if (values.Length > 1 && (shape[^1] != values.Length || shape.Length > like.Length || like[^1] != values.Length))
            throw new LatheException($"it works with a constant [{string.Join(", ", shape)}]; expected a number for each of {like.LastOrDefault(1)} channels, or one number");
        return Constant(Name(tensor), values, values.Length == 1 ? [] : like.Length == 4 ? [values.Length, 1, 1] : [values.Length]);
    }

    private float[]? Bias(int[] inputs) => inputs.Length > 2 && inputs[2] >= 0 ? Floats(inputs[2]) : null;

    /// <summary>A weight of four extents with its axes in another order.</summary>
    private (float[] Values, int[] Shape) Weights(int tensor, params int[] order)
    {
        var (values, shape) = (Floats(tensor), Shape(tensor));
        if (shape.Length != 4) throw new LatheException("its weight has not four extents");
        int[] turned = [.. order.Select(axis => shape[axis])];
        int[] steps = [shape[1] * shape[2] * shape[3], shape[2] * shape[3], shape[3], 1];
        var result = new float[values.Length];
        for (var i = 0; i < result.Length; i++)
        {
            var (rest, from) = (i, 0);
            for (var axis = 3; axis >= 0; axis--)
            {
                from += rest % turned[axis] * steps[order[axis]];
                rest /= turned[axis];
            }

            result[i] = values[from];
        }

        return (result, turned);
    }

    private int Source(int tensor) => _same.GetValueOrDefault(Checked(tensor, _tensors.Count), tensor);

    private bool IsConstant(int tensor) => Data(Source(tensor)).Length > 0;

    private ReadOnlySpan<byte> Data(int tensor) => _buffers[Checked(_tensors[tensor].Int32(2), _buffers.Count)].Vector(0, 1);

    /// <summary>A constant's values; whole numbers times their scales.</summary>
    private float[] Floats(int tensor)
    {
        tensor = Source(tensor);
        var data = Data(tensor);
        var shape = Shape(tensor);
        var count = shape.Aggregate((Int128)1, (product, extent) => Int128.Min(product * extent, long.MaxValue));
        var type = _tensors[tensor].Byte(1);
        var size = type switch { 0 or 2 => 4, 1 => 2, 9 => 1, _ => throw new LatheException($"its constant '{Name(tensor)}' is of type {type}; expected floats, or whole numbers with scales") };
        if (data.Length == 0 || count * size != data.Length) throw new LatheException($"its constant '{Name(tensor)}' holds {data.Length} bytes; [{string.Join(", ", shape)}] takes {count * size}");
        var values = new float[(int)count];
        for (var i = 0; i < values.Length; i++)
        {
            var bytes = data.Slice(i * size, size);
            values[i] = type switch
            {
                0 => BinaryPrimitives.ReadSingleLittleEndian(bytes),
                1 => (float)BinaryPrimitives.ReadHalfLittleEndian(bytes),
                2 => BinaryPrimitives.ReadInt32LittleEndian(bytes),
                _ => (sbyte)bytes[0],
            };
        }

        if (type is 0 or 1) return values;
        var format = _tensors[tensor].Table(4);
        float[] scales = format?.Floats(2) ?? [];
        long[] zeros = format?.Int64s(3) ?? [];
        var axis = format?.Int32(6) ?? 0;
        if (scales.Length == 0 || (scales.Length > 1 && (axis < 0 || axis >= shape.Length || shape[axis] != scales.Length)) || (zeros.Length != 0 && zeros.Length != scales.Length))
            throw new LatheException($"its constant '{Name(tensor)}' has {scales.Length} scales; expected one, or one for each channel");
        var step = scales.Length == 1 ? 1 : shape.Skip(axis + 1).Aggregate(1, (product, extent) => product * extent);
        for (var i = 0; i < values.Length; i++)
        {
            var channel = scales.Length == 1 ? 0 : i / step % scales.Length;
            values[i] = (values[i] - (zeros.Length == 0 ? 0 : zeros[channel])) * scales[channel];
        }

        return values;
    }

    private long[] Whole(int tensor)
    {
        var data = Data(Checked(tensor, _tensors.Count));
        if (_tensors[tensor].Byte(1) != 2 || data.Length is 0 or > 256) throw new LatheException($"its constant '{Name(tensor)}' is no short list of whole numbers");
        var numbers = new long[data.Length / 4];
        for (var i = 0; i < numbers.Length; i++) numbers[i] = BinaryPrimitives.ReadInt32LittleEndian(data.Slice(4 * i, 4));
        return numbers;
    }

    private string Value(int tensor) => _values.TryGetValue(Checked(tensor, _tensors.Count), out var value)
        ? value
        : throw new LatheException($"it reads '{Name(tensor)}', which nothing before it makes from the images");

    private int[] Shape(int tensor)
    {
        var shape = _tensors[Checked(tensor, _tensors.Count)].Int32s(0);
        return shape.Length <= 8 && Array.TrueForAll(shape, extent => extent >= 1) ? shape : throw new LatheException($"'{Name(tensor)}' has a shape that is not fixed");
    }

    private string Name(int tensor) => OnnxText.Short(_tensors[Checked(tensor, _tensors.Count)].Text(3));

    private static int Checked(int index, int count) => index >= 0 && index < count ? index : throw new LatheException("it is no sound TFLite file: a number names nothing in it. Get or export it again");
}
