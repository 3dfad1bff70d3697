using Lathe.NN.Training;
using Lathe.Quantizer.Methods;
using static TorchSharp.torch;

namespace Lathe.Quantizer.Weights;

/// <summary>
/// Chooses step sizes anew after each epoch for as long as the pull is weak, for the weights move away from those that the first choice
/// was made for. Once the pull holds weights at their modes a change would be no refinement any more.
/// </summary>
public static class StepSizeRefinement
{
    // η·λ up to which the pull counts as weak: one step removes no more than this share of a weight's distance to its mode.
    private const double Weak = 1e-3;
    private const string Prefix = "fraction/";

    /// <summary>Adds the refinement to a method's hooks.</summary>
    public static TrainingHooks AddTo(TrainingHooks hooks, QuantizedWeights weights, QuantizeParameters parameters) => hooks with
    {
        AfterEpoch = hooks.AfterEpoch + (step => Refine(weights, parameters, step)),
        SaveState = () => Fractions(weights).Concat(hooks.SaveState?.Invoke() ?? new Dictionary<string, Tensor>()).ToDictionary(),
        LoadState = state =>
        {
            weights.Take(state.Where(s => s.Key.StartsWith(Prefix, StringComparison.Ordinal)).ToDictionary(s => s.Key[Prefix.Length..], s => (int)s.Value.item<long>()));
            hooks.LoadState?.Invoke(state);
        },
    };

    private static void Refine(QuantizedWeights weights, QuantizeParameters parameters, StepContext step)
    {
        foreach (var (name, weight, _) in weights.All.ToList())
        {
            var pull = Pull.Of(parameters, weights, weight.numel(), step.Progress, step.LearningRate);
            if (pull * step.LearningRate < Weak) weights.Refine(name);
        }
    }

    private static IEnumerable<KeyValuePair<string, Tensor>> Fractions(QuantizedWeights weights) =>
        weights.Formats.Select(f => KeyValuePair.Create(Prefix + f.Key, tensor((long)f.Value.Fraction)));
}
