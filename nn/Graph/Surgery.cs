using Lathe.Contracts;
using TorchSharp;
using static TorchSharp.torch;

namespace Lathe.NN.Graphs;

/// <summary>
/// Cuts closed channels out of a network: out of every tensor that makes, normalizes or reads them. Where they were exactly zero the
/// smaller network computes the same function.
/// </summary>
public static class Surgery
{
    /// <summary>The smaller graph alone.</summary>
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

    /// <summary>The smaller graph and its tensors, float32 on the CPU, newly made; nothing given is changed.</summary>
    /// <param name="graph">The network.</param>
    /// <param name="tensors">Its tensors by name.</param>
    /// <param name="groups">Its channel groups.</param>
    /// <param name="live">For each gate whether it stays.</param>
    /// <exception cref="LatheException">A whole group, or a gate that must stay, would be removed.</exception>
    public static (NetworkGraph Graph, IReadOnlyDictionary<string, Tensor> Tensors) Cut(
        NetworkGraph graph, IReadOnlyDictionary<string, Tensor> tensors, ChannelGroups groups, ReadOnlySpan<bool> live)
    {
        var small = Shrink(graph, groups, live);
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var kept = Keep(graph, ParameterShapes.Of(graph).ToDictionary(p => p.Name, p => tensors[p.Name]), groups, live);
        return (small, kept.ToDictionary(p => p.Key, p => p.Value.MoveToOuterDisposeScope()));
    }

    /// <summary>
    /// Cuts tensors that are shaped like the network's, for example an optimizer's state. The results are new float32 tensors on the CPU; the
    /// given tensors are not changed.
    /// </summary>
    /// <param name="graph">The network.</param>
    /// <param name="tensors">By the names of the network's; not all of them need be there, and others are left out.</param>
    /// <param name="groups">Its channel groups.</param>
    /// <param name="live">For each gate whether it stays.</param>
    public static IReadOnlyDictionary<string, Tensor> Keep(
        NetworkGraph graph, IReadOnlyDictionary<string, Tensor> tensors, ChannelGroups groups, ReadOnlySpan<bool> live)
    {
        var result = new Dictionary<string, Tensor>();
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        foreach (var node in graph.Nodes)
        {
            var rows = Positions(groups.GatesOf[node.Name], live);
            foreach (var parameter in ParameterShapes.Of(node))
            {
                if (!tensors.TryGetValue(parameter.Name, out var whole)) continue;
                var tensor = Select(whole.detach().cpu().to(ScalarType.Float32), 0, rows);
                if (parameter.Kind == ParameterKind.Weight && Columns(node, groups, live) is { } columns)
                    tensor = Select(tensor, 1, columns);
                // A selection of everything is the caller's own memory still.
                result.Add(parameter.Name, tensor.clone().MoveToOuterDisposeScope());
            }
        }

        return result;
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

    private static Tensor Select(Tensor tensor, long dimension, int[] positions) => tensor.shape[dimension] == positions.Length
        ? tensor
        : tensor.index_select(dimension, torch.tensor(Array.ConvertAll(positions, p => (long)p)));
}
