using Lathe.Contracts;

namespace Lathe.Graph;

/// <summary>Checks that a graph is a valid network.</summary>
public static class GraphValidation
{
    private const int MaxNodes = 100_000;
    private const int MaxNameLength = 200;

    /// <summary>
    /// Checks names, order, inputs, shapes and channel counts; that no node's tensor goes unread; and that the output is flat logits.
    /// </summary>
    /// <returns>Shapes by tensor name, as <see cref="ShapeInference.Infer(NetworkGraph)"/>.</returns>
    /// <exception cref="LatheException">The first thing wrong; the message names the node and the input.</exception>
    public static IReadOnlyDictionary<string, TensorShape> Check(NetworkGraph graph)
    {
        if (graph.Nodes.Count is 0 or > MaxNodes)
            throw new LatheException($"network '{graph.Name}' has {graph.Nodes.Count} nodes; it must have between 1 and {MaxNodes}");
        foreach (var node in graph.Nodes)
            CheckNames(node);
        var shapes = ShapeInference.Infer(graph);
        CheckOutput(graph, shapes);
        CheckUse(graph);
        return shapes;
    }

    private static void CheckNames(Node? node)
    {
        if (node is null)
            throw new LatheException("the network's list of nodes holds a null");
        if (!IsName(node.Name))
            throw new LatheException($"'{node.Name}' is no name for a node: 1 to {MaxNameLength} characters, no spaces or control characters");
        if (node.Name == NetworkGraph.InputName)
            throw new LatheException($"a node is named '{NetworkGraph.InputName}', which is the image's name; choose another");
        foreach (var input in node.Inputs)
        {
            if (input is null)
                throw new LatheException($"node '{node.Name}' has a null among its inputs");
        }
    }

    private static bool IsName(string? name) =>
        name is { Length: > 0 and <= MaxNameLength } && !name.Any(c => char.IsWhiteSpace(c) || char.IsControl(c) || char.IsSurrogate(c));

    private static void CheckOutput(NetworkGraph graph, IReadOnlyDictionary<string, TensorShape> shapes)
    {
        if (graph.Output == NetworkGraph.InputName || !shapes.TryGetValue(graph.Output, out var shape))
            throw new LatheException($"the network's output is '{graph.Output}', but no node has that name");
        if (!shape.IsFlat)
            throw new LatheException($"the network's output '{graph.Output}' is {shape}; it must be flat logits, one for each class");
    }

    private static void CheckUse(NetworkGraph graph)
    {
        var read = graph.Nodes.SelectMany(node => node.Inputs).ToHashSet();
        foreach (var node in graph.Nodes)
        {
            if (node.Name != graph.Output && !read.Contains(node.Name))
                throw new LatheException($"node '{node.Name}' is dead: no node reads it and it is not the network's output, '{graph.Output}'");
        }
    }
}
