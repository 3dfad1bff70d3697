using Lathe.NN.Training;
using Parameter = TorchSharp.Modules.Parameter;

namespace Lathe.Pruner.Methods;

/// <summary>How a method chooses the channels that stay: what it adds to training until then, and how much each channel matters to it.</summary>
internal interface IChannelChoice
{
    /// <summary>Share of the epochs after which channels are chosen; 0: before the first step.</summary>
    double ChosenAfter { get; }

    /// <summary>After the backward pass of a step before the choice: looks at gradients or adds to them.</summary>
    /// <param name="step">The step.</param>
    void AfterBackward(StepContext step);

    /// <summary>After the optimizer's part of a step before the choice: moves weights outside it.</summary>
    /// <param name="step">The step.</param>
    /// <param name="done">Share of the way to the choice that was done before this step, 0 to 1.</param>
    void AfterStep(StepContext step, double done)
    {
    }

    /// <summary>What matters, when it comes to choosing.</summary>
    /// <param name="weights">The network's parameters.</param>
    ChannelRanking Rank(IReadOnlyDictionary<string, Parameter> weights);
}

/// <summary>Channels in the order in which they matter, and how many of each group the method would leave open.</summary>
/// <param name="Magnitudes">By group and gate; at least 0.</param>
/// <param name="Open">Width of each group. Where it is over the budget, the exact finish closes what matters least for what it costs.</param>
/// <param name="Weights">How much each group's magnitudes count beside those of the others; null: by the layers that write or read the group.</param>
/// <param name="First">True for each channel that comes before all others of its group; null: none does.</param>
internal sealed record ChannelRanking(IReadOnlyList<double[]> Magnitudes, double[] Open, double[]? Weights = null, IReadOnlyList<bool[]>? First = null);
