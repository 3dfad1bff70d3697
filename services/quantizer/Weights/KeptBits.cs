using Lathe.Graph.Checkpoints;
using Lathe.NN.Training;
using static TorchSharp.torch;

namespace Lathe.Quantizer.Weights;

/// <summary>
/// Keeps bits and step sizes that were chosen for a target in the training state. The choice rests on gradients, whose last digits differ from processor to processor, and a training may go
/// on on another machine.
/// </summary>
internal static class KeptBits
{
    private const string Prefix = "format/";

    /// <summary>Adds the formats to the state of hooks, and takes them before anything else of it is taken.</summary>
    public static TrainingHooks AddTo(TrainingHooks hooks, QuantizedWeights weights) => hooks with
    {
        SaveState = () => weights.Formats.Select(f => KeyValuePair.Create(Prefix + f.Key, tensor(new[] { f.Value.Bits, f.Value.Fraction })))
            .Concat(hooks.SaveState?.Invoke() ?? new Dictionary<string, Tensor>()).ToDictionary(),
        LoadState = state =>
        {
            weights.Take(state.Where(s => s.Key.StartsWith(Prefix, StringComparison.Ordinal)).ToDictionary(s => s.Key[Prefix.Length..], s => Format(s.Value)));
            hooks.LoadState?.Invoke(state);
        },
    };

    private static WeightFormat Format(Tensor saved) => saved.data<int>().ToArray() is [var bits, var fraction]
        ? new WeightFormat(bits, fraction)
        : throw new Contracts.LatheException("The saved training state has no fitting bits. Run with --fresh to start over.");
}
