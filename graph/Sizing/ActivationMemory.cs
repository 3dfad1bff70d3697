namespace Lathe.Graph.Sizing;

/// <summary>
/// Memory for the activations of one image. Tensors live from the node that makes them to the one that reads them last, as in
/// execution, and a node's inputs and its output live side by side. The image counts, what kernels use within a node
/// does not. Dropout hands on its input's memory, and so does a flattening that moves nothing.
/// </summary>
public static class ActivationMemory
{
    /// <summary>Most values that live at the same time.</summary>
    /// <exception cref="Contracts.LatheException">The graph is invalid.</exception>
    public static long PeakValues(NetworkGraph graph)
    {
        var shapes = ShapeInference.Infer(graph);
        return Moments(graph).Select(moment => moment.Sum(Values)).DefaultIfEmpty(0).Max();

        long Values(string tensor)
        {
            var shape = tensor == NetworkGraph.InputName ? graph.Input : shapes[tensor];
            return (long)shape.Channels * shape.Height * shape.Width;
        }
    }

    /// <summary>For each node the names of the tensors that have memory of their own while it runs, the image's among them.</summary>
    internal static IEnumerable<IReadOnlyCollection<string>> Moments(NetworkGraph graph)
    {
        var shapes = ShapeInference.Infer(graph);
        var lastReaders = TensorLifetimes.LastReaders(graph);
        var owners = new Dictionary<string, string> { [NetworkGraph.InputName] = NetworkGraph.InputName };
        var ends = new Dictionary<string, int> { [NetworkGraph.InputName] = TensorLifetimes.LastReader(graph, NetworkGraph.InputName) };
        for (var i = 0; i < graph.Nodes.Count; i++)
        {
            var node = graph.Nodes[i];
            var owner = owners[node.Name] = HandsOn(node, Shape) ? owners[node.Inputs[0]] : node.Name;
            ends[owner] = Math.Max(ends.GetValueOrDefault(owner), lastReaders[i]);
        }

        var freed = ends.ToLookup(end => end.Value, end => end.Key);
        var live = new List<string> { NetworkGraph.InputName };
        for (var i = 0; i < graph.Nodes.Count; i++)
        {
            if (owners[graph.Nodes[i].Name] == graph.Nodes[i].Name) live.Add(graph.Nodes[i].Name);
            yield return [.. live];
            live.RemoveAll(freed[i].Contains);
        }

        TensorShape Shape(string tensor) => tensor == NetworkGraph.InputName ? graph.Input : shapes[tensor];
    }

    /// <summary>The same in bytes of float32, which networks are evaluated in.</summary>
    public static long PeakBytes(NetworkGraph graph) => PeakValues(graph) * sizeof(float);

    /// <summary>Pixels lie with their channels side by side, so only a tensor of one pixel, or one channel, is flat already.</summary>
    private static bool HandsOn(Node node, Func<string, TensorShape> shape) =>
        node is Dropout
        || (node is Flatten && shape(node.Inputs[0]) is ({ Channels: 1 } or { Height: 1, Width: 1 }))
        || (node is Unflatten && shape(node.Name) is ({ Channels: 1 } or { Height: 1, Width: 1 }));
}
