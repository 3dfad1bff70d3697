using System.Collections.Concurrent;
using Lathe.Graph;
using Lathe.Graph.Sizing;

namespace Lathe.Pruner.Budget;

/// <summary>All costs of a network that may have a target.</summary>
/// <param name="graph">The network.</param>
/// <param name="groups">Its channel groups.</param>
public sealed class NetworkCosts(NetworkGraph graph, ChannelGroups groups)
{
    private readonly ConcurrentDictionary<int, ICost> _stored = [];
    private readonly ConcurrentDictionary<int, ICost> _peaks = [];

    /// <summary>Parameters and multiplications.</summary>
    public SizeModel Size { get; } = SizeModel.Of(graph, groups);

    /// <summary>Layers whose bits are chosen together with channels, in the graph's order; none where bits are given.</summary>
    public IReadOnlyList<string> FreeLayers(PruneParameters parameters) => parameters is { Bytes: not null, Bits.IsFree: true } ? StoredCost.Layers(graph) : [];

    /// <summary>
    /// The costs beside parameters and multiplications for which there are targets, by name. Where bits are free, bytes are a function of the widths and, after those, of the bits of each of
    /// <see cref="FreeLayers"/>.
    /// </summary>
    /// <param name="parameters">The targets; bits of weights and activations.</param>
    /// <param name="leastBits">True: where bits are free, count with the fewest instead, as a function of the widths alone.</param>
    public IReadOnlyList<(string Name, ICost Cost)> Others(PruneParameters parameters, bool leastBits = false)
    {
        var costs = new List<(string, ICost)>();
        if (parameters.Bytes is not null) costs.Add((CostNames.Bytes, Stored(parameters.Bits, leastBits)));
        if (parameters.RamBytes is not null) costs.Add((CostNames.RamBytes, _peaks.GetOrAdd(parameters.Activations.Bytes, bytes => PeakCost.Of(graph, groups, bytes))));
        return costs;
    }

    private ICost Stored(PlannedBits bits, bool leastBits)
    {
        if (bits.IsFree && !leastBits) return _stored.GetOrAdd(-1, _ => StoredCost.WithFreeBits(graph, groups));
        var count = bits.IsFree ? PlannedBits.Least : bits.Value;
        return _stored.GetOrAdd(count ?? 0, _ => StoredCost.Of(graph, groups, _ => count));
    }
}
