using Lathe.Graph;

namespace Lathe.Pruner.Gates;

/// <summary>Which tensors decide about a graph's gates, and which must be zeroed to close them.</summary>
/// <param name="BatchNorms">Batch norms whose γ decides, and whose γ and β a closed gate zeroes.</param>
/// <param name="OwnGates">Prunable groups without any batch norm: a gate vector of their own, by group index.</param>
/// <param name="MaskedProducers">
/// Convolutions and linear layers of groups that batch norms alone do not close: a closed gate zeroes their rows too.
/// </param>
public sealed record GateSources(
    IReadOnlyList<GatedTensor> BatchNorms, IReadOnlyList<int> OwnGates, IReadOnlyList<GatedTensor> MaskedProducers)
{
    public static GateSources Of(NetworkGraph graph, ChannelGroups groups)
    {
        var place = GatePlaces(groups);
        var open = groups.Groups.Where(g => g.Prunable && !g.ClosesByBatchNorm).ToList();
        var masked = open.SelectMany(g => g.Producers).ToHashSet(StringComparer.Ordinal);
        return new GateSources(
            Gated(graph.Nodes.OfType<BatchNorm>(), groups, place),
            [.. open.Where(g => g.BatchNorms.Count == 0).Select(g => g.Index)],
            Gated(graph.Nodes.Where(node => masked.Contains(node.Name)), groups, place));
    }

    private static IReadOnlyList<GatedTensor> Gated(IEnumerable<Node> nodes, ChannelGroups groups, (int Group, int Index)[] place) =>
    [
        .. nodes
            .Select(node => new GatedTensor(
                node.Name, [.. groups.GatesOf[node.Name].Select(gate => gate >= 0 ? place[gate] : GatedTensor.Ungated)]))
            .Where(tensor => tensor.Places.Any(p => p != GatedTensor.Ungated)),
    ];

    /// <summary>Group and place within the group of each prunable gate.</summary>
    private static (int Group, int Index)[] GatePlaces(ChannelGroups groups)
    {
        var places = new (int Group, int Index)[groups.Gates.Count];
        Array.Fill(places, GatedTensor.Ungated);
        foreach (var group in groups.Groups.Where(g => g.Prunable))
        {
            for (var i = 0; i < group.Gates.Count; i++) places[group.Gates[i]] = (group.Index, i);
        }

        return places;
    }
}

/// <summary>A node whose output channels belong to gates.</summary>
/// <param name="Node">Node name.</param>
/// <param name="Places">For each output channel its group and its place there, or <see cref="Ungated"/>.</param>
public sealed record GatedTensor(string Node, IReadOnlyList<(int Group, int Index)> Places)
{
    /// <summary>Place of a channel that is never closed.</summary>
    public static (int Group, int Index) Ungated { get; } = (-1, -1);
}
