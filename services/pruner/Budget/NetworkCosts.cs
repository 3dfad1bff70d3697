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

    /// <summary>The costs beside parameters and multiplications for which there are targets, by name.</summary>
    /// <param name="parameters">The targets; bits of weights and activations.</param>
    public IReadOnlyList<(string Name, ICost Cost)> Others(PruneParameters parameters)
    {
        var costs = new List<(string, ICost)>();
        if (parameters.Bytes is not null) costs.Add((CostNames.Bytes, _stored.GetOrAdd(parameters.Bits ?? 0, bits => StoredCost.Of(graph, groups, _ => bits == 0 ? null : bits))));
        if (parameters.RamBytes is not null) costs.Add((CostNames.RamBytes, _peaks.GetOrAdd(parameters.Activations.Bytes, bytes => PeakCost.Of(graph, groups, bytes))));
        return costs;
    }
}
