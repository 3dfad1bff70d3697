using System.Text.Json;
using Lathe.Contracts;
using Lathe.Graph.Onnx;
using Lathe.Graph.Onnx.Format;

namespace Lathe.Graph.Keras;

/// <summary>
/// A sequential or functional model of Keras as an ONNX graph, which the ONNX import then reads. Keras has images as [N, H, W, C] and sequences as [N, W, C]; here their
/// channels come second, between a transposition at the input and others before what flattens.
/// </summary>
internal sealed partial class KerasGraph
{
    /// <summary>Operator set of the graph that is made.</summary>
    public const int OperatorSet = 17;

    private const int MostNesting = 8;

    private readonly KerasFile _file;
    private readonly GraphProto _graph = new();
    private readonly List<string> _faults = [];
    private int _layers;

    private KerasGraph(KerasFile file) => _file = file;

    /// <summary>A tensor of the graph.</summary>
    /// <param name="Name">In the graph.</param>
    /// <param name="Rank">Of its axes, the images' among them.</param>
    private readonly record struct Value(string Name, int Rank);

    /// <summary>Reads a file.</summary>
    /// <exception cref="LatheException">Damaged, or with layers that are not read: all of them are named.</exception>
    public static GraphProto Read(byte[] bytes) => KerasFile.Read(bytes, file => new KerasGraph(file).Run());

    private GraphProto Run()
    {
        var outputs = Model(_file.Model, "", null, 0);
        if (_faults.Count > 0) throw new LatheException($"it has {_faults.Count} layer{(_faults.Count == 1 ? "" : "s")} that a network here cannot have: {string.Join("; ", _faults.Take(50))}");
        _graph.Output.Add(new ValueInfoProto { Name = outputs.Name });
        return _graph;
    }

    /// <summary>The layers of a model, or of one that is a layer of another.</summary>
    private Value Model(JsonElement model, string group, Value? input, int depth)
    {
        if (depth > MostNesting) throw new LatheException("it has models within models without end");
        var kind = Text(model, "class_name");
        if (kind is not ("Sequential" or "Functional" or "Model"))
            throw new LatheException($"it is a {OnnxText.Short(kind)}; expected a Sequential or Functional model, whose layers the file describes");
        var config = model.GetProperty("config");
        // The first versions of a sequential model's description are the list of layers itself.
        var layers = (config.ValueKind == JsonValueKind.Array ? config : config.GetProperty("layers")).EnumerateArray().ToList();
        var values = new Dictionary<string, Value>();
        Value? last = input;
        foreach (var layer in layers)
        {
            var settings = layer.GetProperty("config");
            var name = Text(settings, "name");
            var type = Text(layer, "class_name");
            if (type == "InputLayer")
            {
                last = input ?? Input(settings);
                values[name] = last.Value;
                continue;
            }

            if (last is null && kind == "Sequential") last = Input(settings);
            var calls = kind == "Sequential" ? [] : Calls(layer);
            if (calls.Count > 1)
            {
                _faults.Add($"{type} '{OnnxText.Short(name)}' (it is used {calls.Count} times: layers here have weights of their own. Use a copy for each)");
                calls = calls[..1];
            }

            List<Value> read = kind == "Sequential" ? [last!.Value] : [];
            foreach (var from in calls.SelectMany(call => call))
                read.Add(values.TryGetValue(from, out var value) ? value : throw new LatheException($"{type} '{OnnxText.Short(name)}' reads '{OnnxText.Short(from)}', which no layer before it makes"));
            if (read.Count == 0) throw new LatheException($"{type} '{OnnxText.Short(name)}' reads nothing");
            if (++_layers > 100_000) throw new LatheException("it has more than 100,000 layers");
            try
            {
                last = type is "Functional" or "Sequential" or "Model"
                    ? Model(layer, group.Length > 0 ? group : name, read[0], depth + 1)
                    : Layer(new Reading(this, settings, type, name, group.Length > 0 ? group : name), read);
            }
            catch (LatheException fault)
            {
                _faults.Add($"{OnnxText.Short(type)} '{OnnxText.Short(name)}' ({fault.Message.TrimEnd('.')})");
                last = read[0];
            }

            values[name] = last.Value;
        }

        if (last is null) throw new LatheException("it has no layers");
        if (kind == "Sequential") return last.Value;
        var outputs = new List<string>();
        Names(config.GetProperty("output_layers"), outputs);
        return outputs is [var output] && values.TryGetValue(output, out var made) ? made : throw new LatheException($"it has {outputs.Count} outputs; expected one, the logits");
    }

    private Value Input(JsonElement settings)
    {
        if (_graph.Input.Count > 0) throw new LatheException("it has several inputs; expected one, the images");
        if (!(settings.TryGetProperty("batch_input_shape", out var shape) || settings.TryGetProperty("batch_shape", out shape)) || shape.ValueKind != JsonValueKind.Array)
            throw new LatheException("its input has no shape; build the model with an Input of a fixed size and save it again");
        var extents = new TensorShapeProto();
        foreach (var (i, extent) in shape.EnumerateArray().Index())
        {
            extents.Dim.Add(i > 0 && extent.ValueKind == JsonValueKind.Number
                ? new TensorShapeProto.Types.Dimension { DimValue = extent.GetInt64() }
                : new TensorShapeProto.Types.Dimension { DimParam = i == 0 ? "N" : $"free{i}" });
        }

        _graph.Input.Add(new ValueInfoProto
        {
            Name = "input",
            Type = new TypeProto { TensorType = new TypeProto.Types.Tensor { ElemType = (int)TensorProto.Types.DataType.Float, Shape = extents } },
        });
        return First(new Value("input", extents.Dim.Count), "input");
    }

    /// <summary>Names of the layers that each use of a layer reads, as Keras 2 and 3 write them.</summary>
    private static List<List<string>> Calls(JsonElement layer)
    {
        var calls = new List<List<string>>();
        foreach (var call in layer.GetProperty("inbound_nodes").EnumerateArray())
        {
            var names = new List<string>();
            Names(call, names);
            calls.Add(names);
        }

        return calls;
    }

    /// <summary>Names of all tensors in a description: ["layer", node, tensor] wherever it stands.</summary>
    private static void Names(JsonElement element, List<string> names)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Array when element.GetArrayLength() >= 3 && element[0].ValueKind == JsonValueKind.String && element[1].ValueKind == JsonValueKind.Number:
                names.Add(element[0].GetString()!);
                break;
            case JsonValueKind.Array:
                foreach (var item in element.EnumerateArray()) Names(item, names);
                break;
            case JsonValueKind.Object:
                foreach (var property in element.EnumerateObject()) Names(property.Value, names);
                break;
        }
    }

    /// <summary>With the channels second.</summary>
    private Value First(Value x, string name) => x.Rank switch
    {
        4 => x with { Name = Append("Transpose", $"{name}/first", [x.Name], OnnxMessages.Attribute("perm", 0, 3, 1, 2)) },
        3 => x with { Name = Append("Transpose", $"{name}/first", [x.Name], OnnxMessages.Attribute("perm", 0, 2, 1)) },
        _ => x,
    };

    /// <summary>With the channels last.</summary>
    private string Last(Value x, string name) => x.Rank switch
    {
        4 => Append("Transpose", $"{name}/last", [x.Name], OnnxMessages.Attribute("perm", 0, 2, 3, 1)),
        3 => Append("Transpose", $"{name}/last", [x.Name], OnnxMessages.Attribute("perm", 0, 2, 1)),
        _ => x.Name,
    };

    private string Append(string operation, string name, IReadOnlyList<string> inputs, params IReadOnlyList<AttributeProto> attributes)
    {
        var node = new NodeProto { OpType = operation, Name = name };
        node.Input.Add(inputs);
        node.Output.Add($"v{_graph.Node.Count}");
        node.Attribute.Add(attributes);
        _graph.Node.Add(node);
        return node.Output[0];
    }

    private string Constant(string name, float[] values, params long[] shape)
    {
        _graph.Initializer.Add(OnnxMessages.Tensor(name = Unique(name), values, shape));
        return name;
    }

    private string Whole(string name, params long[] values)
    {
        _graph.Initializer.Add(OnnxMessages.Tensor(name = Unique(name), values, values.Length));
        return name;
    }

    /// <summary>Layers of two models may have one name; the weight's name makes that of the network's layer.</summary>
    private string Unique(string name) => _given.Add(name) ? name : $"{name}:{_graph.Initializer.Count}";

    private readonly HashSet<string> _given = [];

    private static string Text(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";
}
