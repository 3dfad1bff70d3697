using Lathe.Contracts;
using Lathe.Graph.Onnx.Format;

namespace Lathe.Graph.Onnx;

/// <summary>
/// One pass over an ONNX graph, which makes a network node by node. The pass collects the nodes that cannot be imported and continues after them, so that
/// one error names all of them.
/// </summary>
internal sealed partial class GraphImport
{
    private const int MostFaults = 200;

    private readonly GraphProto _graph;
    private readonly int _version;
    private readonly OnnxConstants _constants;
    private readonly Dictionary<string, OnnxValue> _values = [];
    private readonly Dictionary<string, int> _readers = [];
    private readonly List<Node> _nodes = [];
    private readonly Dictionary<string, int> _places = [];
    private readonly Dictionary<string, TensorShape> _shapes = [];
    private readonly Dictionary<string, int> _namesGiven = [];
    private readonly Dictionary<string, float[]> _parameters = [];
    private readonly Dictionary<TensorProto, string> _owners = new(ReferenceEqualityComparer.Instance);
    private readonly List<string> _faults = [];
    private readonly List<string> _notes = [];
    private readonly Dictionary<string, Func<NodeProto, OnnxValue>> _operations;
    private long? _batch;
    private readonly int _reading;
    private bool _isLast;
    private string? _end;

    /// <param name="graph">The graph.</param>
    /// <param name="version">Version of the operator set.</param>
    /// <param name="constants">Decodes its constants.</param>
    /// <param name="reading">Which of the input's possible orders of axes to take, the likeliest being 0.</param>
    public GraphImport(GraphProto graph, int version, OnnxConstants constants, int reading = 0)
    {
        (_graph, _version, _constants, _reading) = (graph, version, constants, reading);
        _operations = Operations();
    }

    public IEnumerable<string> Known => _operations.Keys;

    /// <summary>How many orders of axes the input may have; known after the first run.</summary>
    public int Readings { get; private set; } = 1;

    /// <summary>The network of the whole graph.</summary>
    /// <exception cref="LatheException">It cannot be imported.</exception>
    public ImportedNetwork Run(string name)
    {
        foreach (var tensor in _graph.Initializer)
            Define(tensor.Name, new ConstantValue(tensor));
        var input = ReadInput();
        if (_graph.Output.Count != 1)
            throw new LatheException($"it has {_graph.Output.Count} outputs; expected one, the logits");
        foreach (var read in _graph.Node.SelectMany(n => n.Input).Append(_graph.Output[0].Name))
            _readers[read] = _readers.GetValueOrDefault(read) + 1;
        foreach (var node in _graph.Node)
            Import(node);
        if (_faults.Count > 0)
            throw new LatheException(Faults());
        return Finish(name, input);
    }

    private string Faults()
    {
        var more = _faults.Count > MostFaults ? $"; and {_faults.Count - MostFaults} more" : "";
        return $"it has {_faults.Count} operator{(_faults.Count == 1 ? "" : "s")} that a network here cannot have: {string.Join("; ", _faults.Take(MostFaults))}{more}";
    }

    private TensorShape ReadInput()
    {
        var constants = _graph.Initializer.Select(t => t.Name).ToHashSet();
        var inputs = _graph.Input.Where(i => !constants.Contains(i.Name)).ToList();
        if (inputs is not [var input])
            throw new LatheException($"it has {inputs.Count} inputs ({string.Join(", ", inputs.Take(8).Select(i => OnnxText.Short(i.Name)))}); expected one, the images");
        var type = input.Type?.TensorType;
        if ((TensorProto.Types.DataType)(type?.ElemType ?? 0) is not (TensorProto.Types.DataType.Float or TensorProto.Types.DataType.Float16 or TensorProto.Types.DataType.Double))
            throw new LatheException($"its input '{OnnxText.Short(input.Name)}' has elements of type {type?.ElemType ?? 0}; expected FLOAT, FLOAT16 or DOUBLE");
        var extents = type!.Shape?.Dim.Select(Extent).ToList() ?? [];
        if (extents is not [var batch, .. var rest] || rest.Count is < 1 or > 3 || rest.Contains(null))
            throw new LatheException($"its input '{OnnxText.Short(input.Name)}' is [{string.Join(", ", extents.Take(8).Select(e => e?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "?"))}]; "
                + "expected images of a fixed size, [N, C, H, W]; or sequences, [N, C, W], or features, [N, F]. Export it with that size (of the input's axes only the first may be dynamic)");
        _batch = batch;
        int[] sizes = [.. rest.Select(extent => Small(extent!.Value))];
        var readings = Read(input.Name, sizes);
        Readings = readings.Count;
        var value = readings[Math.Min(_reading, readings.Count - 1)];
        _isLast = value.ChannelsLast;
        var shape = value.Shape;
        if ((Int128)shape.Channels * shape.Height * shape.Width > ShapeInference.MaxValues)
            throw new LatheException($"its images are {shape}, more than {ShapeInference.MaxValues} values");
        _shapes.Add(NetworkGraph.InputName, shape);
        Define(input.Name, value);
        return shape;

        static long? Extent(TensorShapeProto.Types.Dimension dimension) =>
            dimension.ValueCase == TensorShapeProto.Types.Dimension.ValueOneofCase.DimValue && dimension.DimValue > 0 ? dimension.DimValue : null;

        static int Small(long extent) => extent <= ShapeInference.MaxValues
            ? (int)extent
            : throw new LatheException($"its input has an extent of {extent}; the most is {ShapeInference.MaxValues}");
    }

    /// <summary>What the input's extents may mean, the likeliest first. Keras has images as [N, H, W, C] and brings them into the usual order.</summary>
    private List<FeatureValue> Read(string name, int[] sizes)
    {
        var readers = _graph.Node.Where(node => node.Input.Contains(name)).ToList();
        var isTransposed = readers.Count > 0 && readers.TrueForAll(node => node.OpType == "Transpose");
        // Of one channel, a reshape does what a transposition does.
        var isReshaped = readers.Count > 0 && readers.TrueForAll(node => node.OpType is "Reshape" or "Unsqueeze" or "Squeeze");
        var isRead = readers.Exists(node => node.OpType is "Conv" or "MaxPool" or "AveragePool" or "BatchNormalization");
        if (sizes is [var features]) return [Value(new TensorShape(features, IsFlat: true))];
        if (sizes is [var a, var b, var c])
        {
            var (usual, last) = (Value(new TensorShape(a, b, c)), Value(new TensorShape(c, a, b), isLast: true));
            return isTransposed || (c is 1 or 3 && a > 4 && !isRead) ? [last, usual] : [usual, last];
        }

        var (high, wide) = (sizes[0], sizes[1]);
        var image = Value(new TensorShape(1, high, wide), Dropped.Channel);
        var sequence = Value(new TensorShape(high, 1, wide), Dropped.Height);
        var sequenceLast = Value(new TensorShape(wide, 1, high), Dropped.Height, isLast: true);
        return isReshaped ? [image, sequenceLast, sequence] : isTransposed ? [sequenceLast, sequence, image] : [sequence, sequenceLast, image];

        static FeatureValue Value(TensorShape shape, Dropped dropped = Dropped.None, bool isLast = false) => new(NetworkGraph.InputName, shape, isLast, Dropped: dropped);
    }

    private void Import(NodeProto node)
    {
        OnnxValue made = UnknownValue.Instance;
        try
        {
            if (node.Domain is not ("" or "ai.onnx") || !_operations.TryGetValue(node.OpType, out var operation))
                throw new LatheException("no such operator here");
            var inputs = node.Input.Where(i => i.Length > 0).Select(i => Find(i)).ToList();
            if (!inputs.Contains(UnknownValue.Instance)) made = operation(node);
        }
        catch (LatheException fault)
        {
            _faults.Add($"{OnnxText.Describe(node)} ({fault.Message.TrimEnd('.')})");
        }

        if (node.Output.Count == 0 || node.Output[0].Length == 0)
            throw new LatheException($"{OnnxText.Describe(node)} makes nothing");
        Define(node.Output[0], made);
        // Masks of dropout, indices of pooling: a node that reads one is reported.
        foreach (var other in node.Output.Skip(1).Where(o => o.Length > 0 && _readers.ContainsKey(o)))
        {
            if (made != UnknownValue.Instance)
                _faults.Add($"{OnnxText.Describe(node)} (its further output '{OnnxText.Short(other)}' is read)");
            Define(other, UnknownValue.Instance);
        }
    }

    private void Define(string name, OnnxValue value)
    {
        if (!_values.TryAdd(name, value))
            throw new LatheException($"'{OnnxText.Short(name)}' is made twice");
    }

    private OnnxValue Find(string name) => _values.TryGetValue(name, out var value)
        ? value
        : throw new LatheException($"it reads '{OnnxText.Short(name)}', which no node before it makes; nodes must be in order, without cycles");

    /// <summary>The output, and the nodes that lead there.</summary>
    private ImportedNetwork Finish(string name, TensorShape input)
    {
        var value = Find(_graph.Output[0].Name);
        if (value is PartialValue { Part: Part.Softmax } softmax)
        {
            _notes.Add($"{softmax.By} at the end is left out: logits are what is trained and compared");
            _end = softmax.By[..softmax.By.IndexOf(' ', StringComparison.Ordinal)];
            value = softmax.Of;
        }

        if (value is PartialValue whole) value = Completed(_graph.Output[0].Name, whole);
        if (value is not FeatureValue logits)
            throw new LatheException($"its output '{OnnxText.Short(_graph.Output[0].Name)}' is not made from the images");
        if (logits is { Shape: { IsFlat: false, Height: 1, Width: 1 } }) logits = Flat(logits, "flatten");
        if (logits.Tensor == NetworkGraph.InputName || !logits.Shape.IsFlat || logits.Unrolled is not null)
            throw new LatheException($"its output is [{string.Join(", ", logits.Axes.Select(a => a?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "N"))}]; expected logits, [N, classes]");

        var (nodes, output) = Ended(Needed(_nodes, logits.Tensor), logits.Tensor);
        (nodes, output) = Settled(nodes, output);
        var graph = new NetworkGraph(name.Length > 0 ? name : "imported", input, nodes, output);
        GraphValidation.Check(graph);
        var parameters = ParameterShapes.Of(graph);
        if (parameters.Count == 0) throw new LatheException("it has no weights");
        return new ImportedNetwork(graph, parameters.ToDictionary(p => p.Name, p => _parameters[p.Name]), _notes) { IsChannelsLast = _isLast, End = _end };
    }

    /// <summary>The nodes that lead to a tensor.</summary>
    private static List<Node> Needed(IReadOnlyList<Node> nodes, string output)
    {
        var needed = new HashSet<string> { output };
        for (var i = nodes.Count - 1; i >= 0; i--)
        {
            if (needed.Contains(nodes[i].Name)) needed.UnionWith(nodes[i].Inputs);
        }

        return [.. nodes.Where(node => needed.Contains(node.Name))];
    }

    /// <summary>Without a sigmoid at the end, which keeps the order of the logits as softmax does.</summary>
    private (List<Node> Nodes, string Output) Ended(List<Node> nodes, string output)
    {
        var end = output;
        while (nodes.Find(node => node.Name == end) is Lathe.Graph.Flatten or Lathe.Graph.Dropout) end = nodes.Find(node => node.Name == end)!.Inputs[0];
        var last = nodes.Find(node => node.Name == end);
        if (last is not Activation { Kind: ActivationKind.Sigmoid or ActivationKind.HardSigmoid } sigmoid
            || nodes.Sum(node => node.Inputs.Count(input => input == end)) > (end == output ? 0 : 1))
        {
            if (last is Activation kept)
                _notes.Add($"{kept.Kind} '{kept.Name}' at the end is kept: the logits that are trained and compared have its range");
            return (nodes, output);
        }

        _notes.Add($"{sigmoid.Kind} '{sigmoid.Name}' at the end is left out: logits are what is trained and compared");
        _end = _end is null ? sigmoid.Kind.ToString() : $"{sigmoid.Kind} and {_end}";
        var before = sigmoid.Inputs[0];
        return (Needed(Reading(nodes, end, before), end == output ? before : output), end == output ? before : output);
    }

    /// <summary>The same nodes, reading one tensor in the place of another.</summary>
    private static List<Node> Reading(IEnumerable<Node> nodes, string tensor, string other) =>
        [.. nodes.Select(node => node.Inputs.Contains(tensor) ? node with { Inputs = [.. node.Inputs.Select(input => input == tensor ? other : input)] } : node)];

    /// <summary>Appends a node to the network.</summary>
    /// <param name="node">The node.</param>
    /// <param name="like">Whose order of axes its tensor has; null: the usual.</param>
    private FeatureValue Append(Node node, FeatureValue? like = null)
    {
        var shape = node is ScaleShift ? _shapes[node.Inputs[0]] : ShapeInference.Infer(Checked(node), [.. node.Inputs.Select(i => _shapes[i])]);
        if ((Int128)shape.Channels * shape.Height * shape.Width > ShapeInference.MaxValues)
            throw new LatheException($"it makes {shape}, more than {ShapeInference.MaxValues} values");
        _shapes.Add(node.Name, shape);
        _places.Add(node.Name, _nodes.Count);
        _nodes.Add(node);
        return (like ?? new FeatureValue("", default)) with { Tensor = node.Name, Shape = shape };

        static Node Checked(Node node)
        {
            NodeFields.Check(node);
            return node;
        }
    }

    /// <summary>A name for a node that no other has.</summary>
    private string NewName(NodeProto node, string? weight = null) => NewName(OnnxText.NodeName(node, weight));

    private string NewName(string wanted)
    {
        var name = wanted;
        while (_shapes.ContainsKey(name) || name == NetworkGraph.InputName)
        {
            var number = _namesGiven[wanted] = _namesGiven.GetValueOrDefault(wanted, 1) + 1;
            name = $"{wanted}_{number}";
        }

        return name;
    }

    private OnnxValue? Input(NodeProto node, int index) =>
        index < node.Input.Count && node.Input[index].Length > 0 ? Find(node.Input[index]) : null;

    /// <summary>An input that is a tensor of the network.</summary>
    private FeatureValue Feature(NodeProto node, int index) => Input(node, index) switch
    {
        FeatureValue feature => feature,
        PartialValue partial => Completed(node.Input[index], partial),
        null => throw new LatheException($"it has {node.Input.Count} inputs; expected more than {index}"),
        _ => throw new LatheException($"its input '{OnnxText.Short(node.Input[index])}' is a constant; expected what is made from the images"),
    };

    /// <summary>The first steps of an operation that nothing continues, as nodes of their own.</summary>
    private FeatureValue Completed(string output, PartialValue partial) => partial.Part switch
    {
        Part.HardSigmoid => HardSigmoid(output, partial),
        Part.PlusThree => Shifted(output, partial),
        Part.Bordered => Border(output, partial),
        Part.PositivePlusThree or Part.ClippedPlusThree or Part.SixHardSwishes or Part.PooledRows => Whole(output, partial),
        _ => throw Unfinished(partial),
    };

    private static LatheException Unfinished(PartialValue partial) => new($"it reads {partial.By}, which must be followed by {partial.Expected}");

    /// <summary>The same, with the channels in the second place and no pending reordering.</summary>
    private FeatureValue Plain(NodeProto node, int index) => InOrder(node, index) is var feature && !feature.ChannelsLast
        ? feature
        : throw new LatheException("it works on tensors whose channels come last; expected [N, C, H, W]");

    /// <summary>The same, without a pending reordering of features.</summary>
    private FeatureValue InOrder(NodeProto node, int index, bool mayBeLast = false)
    {
        var feature = Feature(node, index);
        if (feature.Unrolled is not null) throw new LatheException("it works on flattened tensors whose channels came last; expected a linear layer first");
        return mayBeLast || !feature.ChannelsLast || feature.Shape.IsFlat ? feature : throw new LatheException("it works on tensors whose channels come last; expected [N, C, H, W]");
    }

    /// <summary>An input that is a constant of floating type.</summary>
    private TensorProto Constant(NodeProto node, int index) => Input(node, index) is ConstantValue constant
        ? constant.Tensor
        : throw new LatheException(index < node.Input.Count
            ? $"its input '{OnnxText.Short(node.Input[index])}' is no constant; expected one"
            : $"it has {node.Input.Count} inputs; expected more than {index}");

    /// <summary>A flat view of an image tensor.</summary>
    private FeatureValue Flat(FeatureValue from, string name)
    {
        if (from.Shape.IsFlat) return from;
        var flat = Append(new Flatten(NewName(name), [from.Tensor]));
        return from.ChannelsLast && from.Shape is not { Height: 1, Width: 1 } ? flat with { Unrolled = from.Shape } : flat;
    }
}
