using Lathe.Graph;
using Lathe.Graph.Onnx.Format;

namespace Lathe.NN.Onnx;

/// <summary>Builds a graph of ONNX nodes: gives each value a unique name, and knows the value of each node's tensor.</summary>
internal sealed class OnnxGraphWriter
{
    private readonly Dictionary<string, string> _values = [];
    private readonly HashSet<string> _names = [OnnxExport.Input, OnnxExport.Logits];
    private readonly string _output;

    /// <param name="network">The network to write.</param>
    /// <param name="shapes">Shapes of its tensors.</param>
    public OnnxGraphWriter(NetworkGraph network, IReadOnlyDictionary<string, TensorShape> shapes)
    {
        Shapes = shapes;
        IsRounded = network.Nodes.Any(node => node is Quantize);
        Graph = new GraphProto { Name = network.Name };
        _values.Add(NetworkGraph.InputName, OnnxExport.Input);
        _output = Maker(network);
        // Parameters keep their names, independent of the names of nodes.
        foreach (var parameter in ParameterShapes.Of(network))
            _names.Add(parameter.Name);
    }

    /// <summary>The message so far.</summary>
    public GraphProto Graph { get; }

    /// <summary>True where activations are rounded: what comes before may have to be exact.</summary>
    public bool IsRounded { get; }

    /// <summary>Shapes of the network's tensors.</summary>
    public IReadOnlyDictionary<string, TensorShape> Shapes { get; }

    /// <summary>ONNX's name of a tensor that was written before.</summary>
    public string Value(string tensor) => _values[tensor];

    /// <summary>A name that nothing has yet.</summary>
    public string NewName(string wanted)
    {
        var name = wanted;
        for (var i = 1; !_names.Add(name); i++)
            name = $"{wanted}_{i}";
        return name;
    }

    /// <summary>Appends a node on the way to a tensor.</summary>
    /// <returns>Name of its output.</returns>
    public string Append(string operation, string name, IReadOnlyList<string> inputs, params IReadOnlyList<AttributeProto> attributes) =>
        Add(operation, name, NewName(name), inputs, attributes);

    /// <summary>Appends the node that makes a network node's tensor.</summary>
    public void Make(Node node, string operation, IReadOnlyList<string> inputs, params IReadOnlyList<AttributeProto> attributes)
    {
        var value = node.Name == _output ? OnnxExport.Logits : NewName(node.Name);
        _values.Add(node.Name, Add(operation, node.Name, value, inputs, attributes));
    }

    /// <summary>A node's tensor is its input's.</summary>
    public void Alias(Node node) => _values.Add(node.Name, Value(node.Inputs[0]));

    /// <summary>Appends a constant.</summary>
    /// <returns>Its name.</returns>
    public string Constant(TensorProto tensor)
    {
        Graph.Initializer.Add(tensor);
        return tensor.Name;
    }

    private string Add(string operation, string name, string value, IReadOnlyList<string> inputs, IReadOnlyList<AttributeProto> attributes)
    {
        var node = new NodeProto { OpType = operation, Name = name };
        node.Input.Add(inputs);
        node.Output.Add(value);
        node.Attribute.Add(attributes);
        Graph.Node.Add(node);
        return value;
    }

    /// <summary>The node whose ONNX value is the logits. Nodes after it that are left out have no value of their own.</summary>
    private static string Maker(NetworkGraph network)
    {
        var nodes = network.Nodes.ToDictionary(node => node.Name);
        var output = network.Output;
        while (nodes.TryGetValue(output, out var node) && node is Dropout)
            output = node.Inputs[0];
        return output;
    }
}
