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
        var (live, peak) = (Values(NetworkGraph.InputName), 0L);
        for (var i = 0; i < graph.Nodes.Count; i++)
        {
            if (owners[graph.Nodes[i].Name] == graph.Nodes[i].Name) live += Values(graph.Nodes[i].Name);
            peak = Math.Max(peak, live);
            live -= freed[i].Sum(Values);
        }

        return peak;

        TensorShape Shape(string tensor) => tensor == NetworkGraph.InputName ? graph.Input : shapes[tensor];

        long Values(string tensor) => (long)Shape(tensor).Channels * Shape(tensor).Height * Shape(tensor).Width;
    }

    /// <summary>The same in bytes of float32, which networks are evaluated in.</summary>
    public static long PeakBytes(NetworkGraph graph) => PeakValues(graph) * sizeof(float);

    /// <summary>Pixels lie with their channels side by side, so only a tensor of one pixel, or one channel, is flat already.</summary>
    private static bool HandsOn(Node node, Func<string, TensorShape> shape) =>
        node is Dropout
        || (node is Flatten && shape(node.Inputs[0]) is ({ Channels: 1 } or { Height: 1, Width: 1 }))
        || (node is Unflatten && shape(node.Name) is ({ Channels: 1 } or { Height: 1, Width: 1 }));
}
