using Lathe.NN.Graphs;
using Lathe.NN.Sizing;

namespace Lathe.Pruner.Budget;

/// <summary>Refuses targets that no choice of channels meets, before anything trains. What takes time is done once for a network.</summary>
public sealed class TargetCheck
{
    private readonly NetworkGraph _graph;
    private readonly ChannelGroups _groups;
    private readonly SizeModel _size;
    private readonly bool _hasGrouped;

    /// <param name="graph">The network that the first pruning gets.</param>
    public TargetCheck(NetworkGraph graph)
    {
        _graph = graph;
        _groups = ChannelGroups.Of(graph);
        _size = SizeModel.Of(graph, _groups);
        _hasGrouped = graph.Nodes.Any(node => node is Conv2d { Groups: > 1 } conv && !ChannelGroups.IsDepthwise(conv));
    }

    /// <summary>Looks at the targets of the last of several prunings, and takes those of the others to be met.</summary>
    /// <param name="prunings">
    /// One behind the other, at least one. Of a pruned network only bounds are known beforehand: behind another pruning what lies outside
    /// for certain is refused, and what passes may still turn out to be out of reach.
    /// </param>
    /// <exception cref="Contracts.LatheException">A target is missing or out of reach; the message has the reachable range.</exception>
    public void Run(IReadOnlyList<PruneParameters> prunings)
    {
        // A layer that an earlier pruning made narrower than a later one's multiple stays as it is, so the smallest multiple bounds them all.
        var reach = ReachableSizes.Of(_size, GroupWidths.Of(_graph, _groups, prunings.Min(p => p.ChannelMultiple)));
        foreach (var earlier in prunings.SkipLast(1)) reach = reach.Behind(Budget(earlier));
        // One channel left in each group of a grouped convolution makes it a depthwise one, which loses single channels then.
        if (prunings.Count > 1 && _hasGrouped) reach = reach with { LeastParameters = 0, LeastMultiplications = 0 };
        reach.Check(Budget(prunings[^1]));

        SizeBudget Budget(PruneParameters parameters) => SizeBudget.From(parameters, reach.DenseParameters, reach.DenseMultiplications);
    }
}
