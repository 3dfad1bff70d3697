using Lathe.Graph;
using Lathe.NN.Runtime;
using Lathe.NN.Training;
using Lathe.Pruner.Gates;
using Parameter = TorchSharp.Modules.Parameter;

namespace Lathe.Pruner.Methods;

/// <summary>
/// Choices that need no training before them, for comparison; the whole schedule is left for fine-tuning, which favours them. They train
/// the network's own parameters and nothing beside them.
/// </summary>
/// <param name="magnitudes">Makes the magnitudes from the parameters.</param>
/// <param name="open">Makes the widths from the magnitudes.</param>
internal sealed class WeightChoice(
    Func<IReadOnlyDictionary<string, Parameter>, IReadOnlyList<double[]>> magnitudes, Func<IReadOnlyList<double[]>, double[]> open) : IChannelChoice
{
    public double ChosenAfter => 0;

    /// <summary>
    /// L1 norm of the filters, least first over the whole network: mean |w| of a channel's filter over the mean |w| of its layer, so that
    /// layers compare; over several layers that make one channel, their mean. After Li et al., "Pruning Filters for Efficient ConvNets"
    /// (ICLR 2017, arXiv 1608.08710), which prunes each layer by a rate set by hand.
    /// </summary>
    public static WeightChoice L1(ChannelGroups groups, WidthRule rule) => new(weights => FilterNorms.Of(groups, weights), rule.GlobalThreshold);

    /// <summary>The same share of every group, and in it the filters with the largest L1 norm.</summary>
    public static WeightChoice Uniform(ChannelGroups groups, WidthRule rule) => new(weights => FilterNorms.Of(groups, weights), _ => rule.SameShare());

    /// <summary>Any channels, by the seed.</summary>
    public static WeightChoice Random(ChannelGroups groups, WidthRule rule, long seed) => new(
        _ => [.. groups.Groups.Select(g => Enumerable.Range(0, g.Gates.Count).Select(i => CounterRandom.For(seed, "prune", g.Index).Uniform(i)).ToArray())],
        rule.GlobalThreshold);

    public void AfterBackward(StepContext step) => throw new InvalidOperationException("channels are chosen before the first step");

    public ChannelRanking Rank(IReadOnlyDictionary<string, Parameter> weights)
    {
        var ranked = magnitudes(weights);
        return new ChannelRanking(ranked, open(ranked));
    }
}
