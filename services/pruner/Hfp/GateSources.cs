using Lathe.NN.Graphs;

namespace Lathe.Pruner.Hfp;

/// <summary>Which tensors decide about a graph's gates, and which must be zeroed to close them.</summary>
/// <param name="BatchNorms">Batch norms whose γ decides, and whose γ and β a closed gate zeroes.</param>
/// <param name="OwnGates">Groups without any batch norm: a gate vector of their own, by group index.</param>
/// <param name="MaskedProducers">
/// Convolutions and linear layers that reach a reader without a batch norm in between: a closed gate zeroes their rows too.
/// </param>
public sealed record GateSources(
    IReadOnlyList<GatedTensor> BatchNorms, IReadOnlyList<int> OwnGates, IReadOnlyList<GatedTensor> MaskedProducers)
{
    public static GateSources Of(NetworkGraph graph, ChannelGroups groups)
    {
        var place = GatePlaces(groups);
        var byName = graph.Nodes.ToDictionary(node => node.Name);
        var readers = graph.Nodes.SelectMany(node => node.Inputs.Select(input => (input, node))).ToLookup(r => r.input, r => r.node);

        GatedTensor? Gated(string node)
        {
            var places = groups.GatesOf[node].Select(gate => gate >= 0 ? place[gate] : (Group: -1, Index: -1)).ToArray();
            return places.Any(p => p.Group >= 0) ? new GatedTensor(node, places) : null;
        }

        var norms = graph.Nodes.OfType<BatchNorm>().Select(node => Gated(node.Name)).OfType<GatedTensor>().ToList();
        var withNorm = norms.SelectMany(norm => norm.Places).Select(p => p.Group).ToHashSet();
        var own = groups.Groups.Where(g => g.Prunable && !withNorm.Contains(g.Index)).Select(g => g.Index).ToList();
        var producers = graph.Nodes
            .Where(node => node is Conv2d or Linear)
            .Where(node => !readers[node.Name].Any() || readers[node.Name].Any(reader => reader is not BatchNorm))
            .Select(node => Gated(node.Name)).OfType<GatedTensor>().ToList();
        return new GateSources(norms, own, producers);
    }

    /// <summary>Group and place within the group of each gate; group -1 for gates that are not prunable.</summary>
    private static (int Group, int Index)[] GatePlaces(ChannelGroups groups)
    {
        var gates = groups.Groups.SelectMany(g => g.Gates).DefaultIfEmpty(-1).Max() + 1;
        var places = new (int Group, int Index)[gates];
        Array.Fill(places, (-1, -1));
        foreach (var group in groups.Groups.Where(g => g.Prunable))
        {
            for (var i = 0; i < group.Gates.Count; i++) places[group.Gates[i]] = (group.Index, i);
        }

        return places;
    }
}

/// <summary>A node whose channels belong to gates.</summary>
/// <param name="Node">Node name.</param>
/// <param name="Places">For each output channel its group and its place there; group -1: never closed.</param>
public sealed record GatedTensor(string Node, IReadOnlyList<(int Group, int Index)> Places);
