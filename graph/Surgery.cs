using Lathe.Contracts;

namespace Lathe.Graph;

/// <summary>What a cut leaves of a tensor.</summary>
/// <param name="Parameter">The whole tensor.</param>
/// <param name="Rows">Positions on its first axis that stay.</param>
/// <param name="Columns">Positions on its second axis that stay; null: all of them.</param>
public sealed record KeptPart(ParameterShape Parameter, IReadOnlyList<int> Rows, IReadOnlyList<int>? Columns);

/// <summary>
/// Cuts closed channels out of a network: out of every node that makes, normalizes or reads them. Where they were exactly zero the
/// smaller network computes the same function.
/// </summary>
public static class Surgery
{
    /// <summary>The smaller graph.</summary>
    /// <param name="graph">The network.</param>
    /// <param name="groups">Its channel groups.</param>
    /// <param name="live">For each gate whether it stays.</param>
    /// <exception cref="LatheException">A whole group, or a gate that must stay, would be removed.</exception>
    public static NetworkGraph Shrink(NetworkGraph graph, ChannelGroups groups, ReadOnlySpan<bool> live)
    {
        Check(groups, live);
        var kept = new Dictionary<string, int[]>();
        foreach (var (name, gates) in groups.GatesOf) kept[name] = Positions(gates, live);
        var small = graph with { Nodes = [.. graph.Nodes.Select(node => Shrink(node, kept))] };
        GraphValidation.Check(small);
        return small;
    }

    /// <summary>What a cut leaves of each of the network's tensors, in the order of <see cref="ParameterShapes"/>.</summary>
    /// <param name="graph">The network.</param>
    /// <param name="groups">Its channel groups.</param>
    /// <param name="live">For each gate whether it stays.</param>
    public static IReadOnlyList<KeptPart> Parts(NetworkGraph graph, ChannelGroups groups, ReadOnlySpan<bool> live)
    {
        var parts = new List<KeptPart>();
        foreach (var node in graph.Nodes)
        {
            var rows = Positions(groups.GatesOf[node.Name], live);
            if (node is PRelu { Channels: 1 }) rows = [0];
            foreach (var parameter in ParameterShapes.Of(node))
                parts.Add(new KeptPart(parameter, rows, parameter.Kind == ParameterKind.Weight ? Columns(node, groups, live) : null));
        }

        return parts;
    }

    private static void Check(ChannelGroups groups, ReadOnlySpan<bool> live)
    {
        if (live.Length != groups.Gates.Count)
            throw new ArgumentException($"{live.Length} gates given; the network has {groups.Gates.Count}", nameof(live));
        foreach (var group in groups.Groups)
        {
            var open = 0;
            foreach (var gate in group.Gates)
            {
                if (live[gate]) open++;
            }

            var what = $"channel group {group.Index} ({string.Join(", ", group.Producers)})";
            if (open == 0)
                throw new LatheException($"all {group.Gates.Count} channels of {what} would be removed; at least one must stay");
            if (!group.Prunable && open < group.Gates.Count)
                throw new LatheException($"{what} is not prunable, but {group.Gates.Count - open} of its channels would be removed");
        }
    }

    private static int[] Positions(int[] gates, ReadOnlySpan<bool> live)
    {
        var positions = new List<int>(gates.Length);
        for (var c = 0; c < gates.Length; c++)
        {
            if (gates[c] < 0 || live[gates[c]]) positions.Add(c);
        }

        return [.. positions];
    }

    private static Node Shrink(Node node, Dictionary<string, int[]> kept) => node switch
    {
        Conv2d c when ChannelGroups.IsDepthwise(c) =>
            c with { InChannels = kept[c.Name].Length, OutChannels = kept[c.Name].Length, Groups = kept[c.Name].Length },
        Conv2d c => c with { InChannels = kept[c.Inputs[0]].Length, OutChannels = kept[c.Name].Length },
        Linear l => l with { InFeatures = kept[l.Inputs[0]].Length, OutFeatures = kept[l.Name].Length },
        BatchNorm b => b with { Channels = kept[b.Name].Length },
        PRelu { Channels: > 1 } p => p with { Channels = kept[p.Name].Length },
        Pad p => Shrink(p, kept),
        _ => node,
    };

    /// <summary>A zero channel stays with the channels that it is tied to. A channel that is neither before nor of the input is after it.</summary>
    private static Pad Shrink(Pad pad, Dictionary<string, int[]> kept)
    {
        var before = kept[pad.Name].Count(c => c < pad.Before);
        return pad with { Before = before, After = kept[pad.Name].Length - before - kept[pad.Inputs[0]].Length };
    }

    /// <summary>Which columns of a weight stay; null for a depthwise weight, whose one column is its own channel.</summary>
    private static int[]? Columns(Node node, ChannelGroups groups, ReadOnlySpan<bool> live)
    {
        if (node is not Conv2d conv) return Positions(groups.GatesOf[node.Inputs[0]], live);
        if (ChannelGroups.IsDepthwise(conv)) return null;
        // Gates are tied across the groups of a convolution, so the first group speaks for all.
        return Positions(groups.GatesOf[conv.Inputs[0]][..(conv.InChannels / conv.Groups)], live);
    }
}
