using Lathe.Graph;

namespace Lathe.NN.FixedPoint;

/// <summary>Which <see cref="Quantize"/> a tensor comes from, and which one it comes to.</summary>
/// <param name="graph">The network.</param>
internal sealed class RoundedTensors(NetworkGraph graph)
{
    private readonly Dictionary<string, Node> _nodes = graph.Nodes.ToDictionary(node => node.Name);
    private readonly ILookup<string, Node> _readers =
        graph.Nodes.SelectMany(node => node.Inputs.Select(input => (input, node))).ToLookup(pair => pair.input, pair => pair.node);

    /// <summary>The node that makes a tensor; null for the image.</summary>
    public Node? Node(string tensor) => _nodes.GetValueOrDefault(tensor);

    /// <summary>What reads a node's tensor.</summary>
    public IEnumerable<Node> Readers(Node node) => _readers[node.Name];

    /// <summary>What rounded a tensor, itself or before nodes that keep its values; null where nothing did.</summary>
    public Quantize? Before(string tensor)
    {
        while (_nodes.TryGetValue(tensor, out var node))
        {
            if (node is Quantize quantize) return quantize;
            if (!ActivationPoints.Keeps(node)) return null;
            tensor = node.Inputs[0];
        }

        return null;
    }

    /// <summary>The node that rounds a tensor, directly or after a limit; null if other nodes read the tensor too.</summary>
    public Quantize? After(Node node)
    {
        while (node.Name != graph.Output && _readers[node.Name].ToList() is [var reader])
        {
            if (reader is Quantize quantize) return quantize;
            if (reader is not Activation { Kind: ActivationKind.Relu or ActivationKind.Relu6 }) return null;
            node = reader;
        }

        return null;
    }
}
