using Lathe.NN.FixedPoint;
using Lathe.NN.Runtime;
using Lathe.NN.Training;
using Lathe.Quantizer.Weights;
using static TorchSharp.torch;

namespace Lathe.Quantizer.Methods;

/// <summary>How hard a prior pulls a weight.</summary>
public static class Pull
{
    // Of its distance to the mode, what one step may remove. Momentum adds the steps before to it, and with several times as much a
    // weight would swing about its mode instead of settling.
    private const double LargestStep = 0.5;

    // The last part of the schedule, over which the task lets go of the weights.
    private const double LettingGo = 0.2;

    /// <summary>
    /// How much of the task's gradient still moves quantized weights: all, until over the last fifth of the schedule it falls to nothing. Modes are
    /// long decided then, but as long as the task pulls at a weight it comes to rest beside its mode, and the final rounding moves it after all.
    /// Batch norm and biases go on adapting to weights that are modes.
    /// </summary>
    /// <param name="progress">t, from 0 to 1 over the schedule.</param>
    public static double ShareOfTask(double progress) => Math.Clamp((1 - progress) / LettingGo, 0, 1);

    /// <summary>λ(t) = λ₀·(λ₁/λ₀)^t.</summary>
    /// <param name="start">λ₀.</param>
    /// <param name="end">λ₁.</param>
    /// <param name="progress">t, from 0 to 1 over the schedule.</param>
    public static double At(double start, double end, double progress) => start * Math.Pow(end / start, progress);

    /// <summary>λ of the moment for the weights of one layer.</summary>
    /// <param name="parameters">λ₀, λ₁ and the normalization.</param>
    /// <param name="weights">All weights.</param>
    /// <param name="count">Number of the layer's weights.</param>
    /// <param name="progress">t.</param>
    /// <param name="learningRate">η of the step; η·λ is kept at or under a half.</param>
    public static double Of(QuantizeParameters parameters, QuantizedWeights weights, long count, double progress, double learningRate)
    {
        var pull = At(parameters.PullStart, parameters.PullEnd, progress);
        var scale = parameters.Normalization == PriorNormalization.Mean ? (double)weights.LargestCount / count : 1;
        return learningRate > 0 ? Math.Min(pull * scale, LargestStep / learningRate) : pull * scale;
    }

    /// <summary>
    /// To the extent that the task has let go of the weights, moves each towards its mode by η·λ of its distance, beside the optimizer. In the optimizer
    /// momentum makes weights swing about their modes, by √β less with each step whatever λ: too slow for the last fifth of a short schedule.
    /// </summary>
    /// <param name="weights">The weights.</param>
    /// <param name="parameters">λ₀, λ₁ and the normalization.</param>
    /// <param name="step">Where training is.</param>
    public static void Settle(QuantizedWeights weights, QuantizeParameters parameters, StepContext step)
    {
        if (ShareOfTask(step.Progress) is not (< 1 and var share)) return;
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        foreach (var (_, weight, format) in weights.All)
        {
            var removed = (1 - share) * step.LearningRate * Of(parameters, weights, weight.numel(), step.Progress, step.LearningRate);
            weight.PlusInPlace(weight.sub(WeightGrid.Quantize(weight, format.Bits, format.Fraction)), -removed);
        }
    }
}
