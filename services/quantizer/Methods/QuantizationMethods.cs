using Lathe.NN.Training;
using Lathe.Quantizer.Weights;
using static TorchSharp.torch;

namespace Lathe.Quantizer.Methods;

/// <summary>The ways by which weights become modes.</summary>
public static class QuantizationMethods
{
    /// <summary>True for methods that compute with rounded weights by the end of training: the final rounding changes nothing that they compute.</summary>
    public static bool ComputesRounded(QuantizeMethod method) => method is QuantizeMethod.Ste or QuantizeMethod.Proximal;

    /// <summary>What a method adds to training; null: it does not train, and rounds the weights as they are.</summary>
    /// <param name="weights">The weights.</param>
    /// <param name="input">The input network's tensors by name.</param>
    /// <param name="parameters">Which method, and how.</param>
    public static TrainingHooks? Hooks(QuantizedWeights weights, IReadOnlyDictionary<string, Tensor> input, QuantizeParameters parameters)
    {
        var hooks = parameters.Method switch
        {
            QuantizeMethod.Symog => Symog.Hooks(weights, parameters),
            QuantizeMethod.Sgm => Sgm.Hooks(weights, parameters, Sgm.Shares(input, weights)),
            QuantizeMethod.Ste => StraightThrough.Hooks(weights, parameters),
            QuantizeMethod.Proximal => new Proximal(weights, parameters).Hooks(),
            _ => null,
        };
        return hooks is not null && parameters.RefineStepSizes ? StepSizeRefinement.AddTo(hooks, weights, parameters) : hooks;
    }
}
