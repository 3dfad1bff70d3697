using Lathe.Graph;

namespace Lathe.Pruner.Gates;

/// <summary>Which tensors decide about a graph's gates, and which must be zeroed to close them.</summary>
/// <remarks>
/// A channel can be closed in two places. Surgery needs zeros in the parameters: scale and shift of batch norms, rows of layers. Training closes it as late
/// as it can, in <paramref name="Outputs"/>: behind the activation, and behind the sum of a residual block. A ReLU that sees the zeros of a closed channel
/// has slope 0 there, so a channel that is closed before it would get no gradient and could never come back.
/// </remarks>
/// <param name="BatchNorms">Batch norms whose γ decides, and whose γ and β a closed gate zeroes.</param>
/// <param name="OwnGates">Prunable groups without any batch norm: a gate vector of their own, by group index.</param>
/// <param name="MaskedProducers">
/// Convolutions and linear layers of groups that batch norms alone do not close: a closed gate zeroes their rows too.
/// </param>
/// <param name="Outputs">Nodes whose output a closed gate zeroes in training.</param>
public sealed record GateSources(
    IReadOnlyList<GatedTensor> BatchNorms, IReadOnlyList<int> OwnGates, IReadOnlyList<GatedTensor> MaskedProducers, IReadOnlyList<GatedTensor> Outputs)
{
    /// <summary>Finds them.</summary>
    /// <param name="graph">A valid graph.</param>
    /// <param name="groups">Its channel groups.</param>
    public static GateSources Of(NetworkGraph graph, ChannelGroups groups)
    {
        var place = GatePlaces(groups);
        var open = groups.Groups.Where(g => g.Prunable && !g.ClosesByBatchNorm).ToList();
        var masked = open.SelectMany(g => g.Producers).ToHashSet(StringComparer.Ordinal);
        var norms = Gated(graph.Nodes.OfType<BatchNorm>(), groups, place);
        var producers = Gated(graph.Nodes.Where(node => masked.Contains(node.Name)), groups, place);
        var outputs = norms.Concat(producers).Select(tensor => LastBefore(graph, tensor.Node)).ToHashSet(StringComparer.Ordinal);
        return new GateSources(
            norms,
            [.. open.Where(g => g.BatchNorms.Count == 0).Select(g => g.Index)],
            producers,
            Gated(graph.Nodes.Where(node => outputs.Contains(node.Name)), groups, place));
    }

    /// <summary>
    /// The activation behind a node, if nothing else reads what lies between them: then a zero behind the activation is all that the rest of the network
    /// sees of the channel. Otherwise the node itself. Tensors between the two have the same gate in each channel.
    /// </summary>
    private static string LastBefore(NetworkGraph graph, string start)
    {
        var tensor = start;
        while (tensor != graph.Output && graph.Nodes.Where(node => node.Inputs.Contains(tensor)).Take(2).ToArray() is [var reader])
        {
            switch (reader)
            {
                // What these make of a zero is no zero; such a channel is closed by the layer that reads it through a product.
                case Activation { Kind: ActivationKind.Sigmoid or ActivationKind.HardSigmoid }:
                    return start;
                case Activation or LeakyRelu or PRelu:
                    return reader.Name;
                // The batch norm behind a layer is gated with it.
                case Add or BatchNorm or Quantize or Dropout or MaxPool2d or AvgPool2d or GlobalAvgPool or AdaptiveAvgPool2d:
                    tensor = reader.Name;
                    continue;
                default:
                    return start;
            }
        }

        return start;
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
