using System.Runtime.CompilerServices;
using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;

namespace Lathe.Pruner.Budget;

/// <summary>
/// Looks at targets before anything trains. Of a network that is yet to be pruned only bounds are known: what lies outside for certain is
/// refused, and what passes may still turn out to be out of reach.
/// </summary>
public sealed class TargetCheck
{
    private static readonly ConditionalWeakTable<NetworkGraph, Measured> Known = [];

    private readonly NetworkForm _input;
    private readonly Measured _network;

    private TargetCheck(NetworkForm input)
    {
        _input = input;
        // What takes time is done once for a network.
        _network = Known.GetValue(NetworkForms.GraphOf(input), graph => new Measured(graph));
    }

    /// <param name="input">The network that is to be pruned.</param>
    public static TargetCheck Of(NetworkForm input) => new(input);

    /// <summary>Targets out of reach; none where the sizes of the input are not known.</summary>
    /// <param name="parameters">With one target or two.</param>
    public IReadOnlyList<ParameterProblem> Problems(PruneParameters parameters) =>
        Reach(parameters) is { } reach ? reach.Problems(Budget(parameters, reach)) : [];

    /// <summary>The network that such a pruning leaves: the layers that it was, in the sizes that the exact finish may give.</summary>
    /// <returns>Without sizes where they are not known, or a target is out of reach.</returns>
    public NetworkForm Leaves(PruneParameters parameters)
    {
        var left = _input with { Sizes = new Dictionary<string, SizeRange>(), IsExact = false };
        if (SizeBudget.Missing(parameters) is not null || Reach(parameters) is not { } reach) return left;
        var budget = Budget(parameters, reach);
        if (reach.Problems(budget).Count > 0) return left;
        var sizes = new FinishedSizes(_network.Costs.Size, GroupWidths.Of(_network.Graph, _network.Groups, parameters.ChannelMultiple)).Of(parameters, budget, Entering());
        left = left with { Sizes = new Dictionary<string, SizeRange> { [NetworkForms.Parameters] = sizes.Parameters, [NetworkForms.Multiplications] = sizes.Multiplications } };
        return left with { Sizes = new Dictionary<string, SizeRange>(left.Sizes) { [NetworkForms.Bytes] = StoredBytes.Of(left, _ => null) } };
    }

    /// <summary>The network that enters, where no more than ranges of its sizes are known; null: all of it is known.</summary>
    private EnteringSizes? Entering() => _input.IsExact ? null
        : new EnteringSizes(_input.Sizes[NetworkForms.Parameters], _input.Sizes[NetworkForms.Multiplications], _network.HasGrouped);

    private ReachableSizes? Reach(PruneParameters parameters)
    {
        if (_input.IsExact) return Of(parameters.ChannelMultiple);
        if (!_input.Sizes.TryGetValue(NetworkForms.Parameters, out var parametersLeft)) return null;
        if (!_input.Sizes.TryGetValue(NetworkForms.Multiplications, out var multiplicationsLeft)) return null;
        var reach = ReachableSizes.Behind(Of(1), parametersLeft, multiplicationsLeft);
        // One channel left in each group of a grouped convolution makes it a depthwise one, which loses single channels then.
        return _network.HasGrouped ? reach.WithoutLeast() : reach;

        ReachableSizes Of(int multiple) =>
            ReachableSizes.Of(_network.Costs.Size, GroupWidths.Of(_network.Graph, _network.Groups, multiple), _network.Costs.Others(parameters), _network.Costs.FreeLayers(parameters).Count);
    }

    private SizeBudget Budget(PruneParameters parameters, ReachableSizes reach) => SizeBudget.From(parameters, _network.Costs, reach, leastBits: true);

    private sealed class Measured
    {
        public Measured(NetworkGraph graph)
        {
            Graph = graph;
            Groups = ChannelGroups.Of(graph);
            Costs = new NetworkCosts(graph, Groups);
            HasGrouped = graph.Nodes.Any(node => node is Conv2d { Groups: > 1 } conv && !ChannelGroups.IsDepthwise(conv));
        }

        public NetworkGraph Graph { get; }

        public ChannelGroups Groups { get; }

        public NetworkCosts Costs { get; }

        public bool HasGrouped { get; }
    }
}
