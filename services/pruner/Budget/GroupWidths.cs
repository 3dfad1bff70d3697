using Lathe.Graph;

namespace Lathe.Pruner.Budget;

/// <summary>
/// The widths that one channel group may have: multiples of <c>channelMultiple</c>, and its full width. At least one step is always open.
/// </summary>
/// <param name="Full">Channels of the group in the input network.</param>
/// <param name="Multiple">Step between widths.</param>
/// <param name="Prunable">False: only the full width.</param>
/// <param name="Layers">Convolutions and linear layers that write the group's channels, and those that read them; one that does both counts twice.</param>
public readonly record struct GroupWidths(int Full, int Multiple, bool Prunable, int Layers = 1)
{
    /// <summary>The widths of every group of a network, by group.</summary>
    /// <param name="graph">The network.</param>
    /// <param name="groups">Its channel groups.</param>
    /// <param name="multiple">Step between widths.</param>
    public static IReadOnlyList<GroupWidths> Of(NetworkGraph graph, ChannelGroups groups, int multiple)
    {
        var groupOf = new int[groups.Gates.Count];
        foreach (var group in groups.Groups)
        {
            foreach (var gate in group.Gates) groupOf[gate] = group.Index;
        }

        var layers = new int[groups.Groups.Count];
        foreach (var node in graph.Nodes.Where(node => node is Conv2d or Linear))
        {
            foreach (var tensor in (string[])[node.Name, node.Inputs[0]])
            {
                foreach (var group in groups.GatesOf[tensor].Where(gate => gate >= 0).Select(gate => groupOf[gate]).Distinct()) layers[group]++;
            }
        }

        return [.. groups.Groups.Select(g => new GroupWidths(g.Gates.Count, multiple, g.Prunable, Math.Max(1, layers[g.Index])))];
    }

    /// <summary>The narrowest width allowed.</summary>
    public int Least => Prunable ? Math.Min(Multiple, Full) : Full;

    /// <summary>The next width below, or null at the narrowest.</summary>
    public int? Below(int width) => width <= Least ? null : Math.Max(Least, (width - 1) / Multiple * Multiple);

    /// <summary>The next width above, or null at full width.</summary>
    public int? Above(int width) => width >= Full ? null : Math.Min(Full, (width / Multiple + 1) * Multiple);

    /// <summary>The narrowest allowed width that holds this many channels.</summary>
    public int Covering(int width) =>
        !Prunable ? Full : Math.Clamp((width + Multiple - 1) / Multiple * Multiple, Least, Full);
}
