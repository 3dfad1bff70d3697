using Lathe.Contracts;

namespace Lathe.Graph;

/// <summary>How long tensors live where a graph's nodes run in their order.</summary>
public static class TensorLifetimes
{
    /// <summary>For each node, the index of the node that reads its tensor last; the number of nodes for the network's output.</summary>
    public static int[] LastReaders(NetworkGraph graph)
    {
        var indices = new Dictionary<string, int>();
        var last = new int[graph.Nodes.Count];
        for (var i = 0; i < last.Length; i++)
        {
            var node = graph.Nodes[i];
            foreach (var input in node.Inputs.Where(input => input != NetworkGraph.InputName))
            {
                if (!indices.TryGetValue(input, out var source))
                    throw new LatheException($"Layer '{node.Name}' of network '{graph.Name}' reads '{input}', and no layer before it has that name.");
                last[source] = i;
            }

            last[i] = i;
            if (node.Name == NetworkGraph.InputName || !indices.TryAdd(node.Name, i))
                throw new LatheException($"Network '{graph.Name}' has two tensors named '{node.Name}'. Names must be unique.");
        }

        if (!indices.TryGetValue(graph.Output, out var output))
            throw new LatheException($"The output of network '{graph.Name}' is '{graph.Output}', and no layer has that name.");
        last[output] = last.Length;
        return last;
    }

    /// <summary>Index of the node that reads a tensor last; -1 where none does.</summary>
    public static int LastReader(NetworkGraph graph, string tensor)
    {
        var last = graph.Nodes.Count - 1;
        while (last >= 0 && !graph.Nodes[last].Inputs.Contains(tensor))
            last--;
        return last;
    }
}
