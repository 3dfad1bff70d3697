using Lathe.NN.Training;
using Lathe.Pruner.Budget;
using Lathe.Pruner.Gates;
using Parameter = TorchSharp.Modules.Parameter;

namespace Lathe.Pruner.Methods;

/// <summary>
/// HFP: the size loss pulls the scales of channels that cost much towards the threshold, and gates over it stay open; of those the exact finish
/// closes what the loss feels least for what it costs. After Enderich, Timm, Burgard, "Holistic Filter Pruning for Efficient Deep Neural
/// Networks" (WACV 2021, arXiv 2009.08169); schedule, sensitivity and exact finish are ours.
/// </summary>
internal sealed class HolisticChoice(ChannelGates gates, SizeLoss loss, IReadOnlyList<GroupWidths> widths, PruneParameters parameters) : IChannelChoice
{
    private readonly double _meanPull = SharePull.Mean(loss, widths, gates.SourcesOf);

    public double ChosenAfter => parameters.PruningShare;

    public void AfterBackward(StepContext step) => gates.Sensitivity.Observe(step.Module.Parameters);

    public void AfterStep(StepContext step, double done)
    {
        var steps = parameters.PruningShare * parameters.Epochs * step.StepsPerEpoch;
        var reach = HfpSchedule.Reach(parameters.LearningRate, parameters.FinalLearningRate, parameters.PruningShare, steps);
        var live = gates.LiveCounts();
        var weight = HfpSchedule.SizeWeight(HfpSchedule.Travel(parameters.SizeWeight, steps), _meanPull, reach, done);
        if (loss.At(live, weight * step.LearningRate, done) is { } gradient) gates.Shrink(step.Module.Parameters, SharePull.Of(gradient, live, widths));
    }

    public ChannelRanking Rank(IReadOnlyDictionary<string, Parameter> weights)
    {
        gates.Update(weights);
        double[] open = [.. gates.Magnitudes.Select((m, g) => (double)widths[g].Covering(m.Count(value => value > parameters.Threshold)))];
        return gates.Sensitivity.Mean is { } mean
            ? new ChannelRanking(mean, open, [.. mean.Select(group => group.Sum())], gates.Live)
            : new ChannelRanking(gates.Magnitudes, open);
    }
}
