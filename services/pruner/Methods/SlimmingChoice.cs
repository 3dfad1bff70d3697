using Lathe.NN.Training;
using Lathe.Pruner.Gates;
using Parameter = TorchSharp.Modules.Parameter;

namespace Lathe.Pruner.Methods;

/// <summary>
/// Network slimming, for comparison: the L1 norm of the batch norms' scales is added to the loss, alike for every channel, and then
/// those under one threshold for the whole network go. After Liu et al., "Learning Efficient Convolutional Networks through Network
/// Slimming" (ICCV 2017, arXiv 1708.06519). Tied channels share the norm of their scales. Detail ours: channels without a batch norm have
/// scales of their own, with the same penalty, or one threshold would not reach them.
/// </summary>
internal sealed class SlimmingChoice(ChannelGates gates, WidthRule rule, PruneParameters parameters) : IChannelChoice
{
    public double ChosenAfter => parameters.PruningShare;

    public void AfterBackward(StepContext step)
    {
        var alike = new double[gates.Magnitudes.Count];
        Array.Fill(alike, parameters.SlimmingWeight);
        gates.AddGradient(step.Module.Parameters, alike);
    }

    public ChannelRanking Rank(IReadOnlyDictionary<string, Parameter> weights)
    {
        gates.Update(weights);
        return new ChannelRanking(gates.Magnitudes, rule.GlobalThreshold(gates.Magnitudes));
    }
}
