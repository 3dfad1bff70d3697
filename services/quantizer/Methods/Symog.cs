using Lathe.NN.FixedPoint;
using Lathe.NN.Runtime;
using Lathe.NN.Training;
using Lathe.Quantizer.Weights;
using static TorchSharp.torch;

namespace Lathe.Quantizer.Methods;

/// <summary>
/// SYMOG's prior R = ½ Σ (w − Q(w))² with an exponentially rising weight λ(t), and its clipping. The gradient w − Q(w) is added to
/// the task's gradient directly: Q's own derivative is taken as 0, so nothing has to be differentiated. After Enderich, Timm, Burgard,
/// "SYMOG: learning symmetric mixture of Gaussian modes for improved fixed-point quantization" (Neurocomputing 2020, arXiv 2002.08204).
/// </summary>
public static class Symog
{
    /// <summary>What SYMOG adds to the training loop.</summary>
    public static TrainingHooks Hooks(QuantizedWeights weights, QuantizeParameters parameters) => new()
    {
        AfterBackward = step => AddGradient(weights, parameters, step.Progress, step.LearningRate),
        AfterStep = step =>
        {
            if (parameters.Clipping) weights.Clip();
            Pull.Settle(weights, parameters, step);
        },
    };

    /// <summary>Adds λ(t)·∂R/∂w to each quantized weight's gradient, of which <see cref="Pull.ShareOfTask"/> is left.</summary>
    /// <param name="weights">The weights.</param>
    /// <param name="parameters">λ₀, λ₁ and the normalization.</param>
    /// <param name="progress">t, from 0 to 1 over the schedule.</param>
    /// <param name="learningRate">η of the step; η·λ is kept at or under a half in every layer.</param>
    public static void AddGradient(QuantizedWeights weights, QuantizeParameters parameters, double progress, double learningRate)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        foreach (var (name, weight, format) in weights.All)
        {
            var gradient = weight.grad ?? throw new InvalidOperationException($"{name} has no gradient: backward did not reach it");
            var pull = Pull.Of(parameters, weights, weight.numel(), progress, learningRate);
            if (Pull.ShareOfTask(progress) is < 1 and var share) gradient.TimesInPlace(share);
            gradient.PlusInPlace(weight.sub(WeightGrid.Quantize(weight, format.Bits, format.Fraction)), pull);
        }
    }
}
