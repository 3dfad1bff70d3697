using Lathe.NN.Checkpoints;
using Lathe.NN.Runtime;
using Lathe.NN.Training;
using static TorchSharp.torch;
using Parameter = TorchSharp.Modules.Parameter;

namespace Lathe.Quantizer.Symog;

/// <summary>
/// SYMOG's prior R = ½ Σ (w − Q(w))² with an exponentially rising weight λ(t), and its clipping. The gradient w − Q(w) is added to
/// the task's gradient directly: Q's own derivative is taken as 0, so nothing has to be differentiated.
/// </summary>
public sealed class SymogPrior(IReadOnlyDictionary<string, WeightFormat> formats, QuantizeParameters parameters)
{
    // Of its distance to the mode, what one step may remove. Momentum adds the steps before to it, and with several times as much a
    // weight would swing about its mode instead of settling.
    private const double LargestStep = 0.5;

    /// <summary>What SYMOG adds to the training loop.</summary>
    /// <param name="stepped">Told after each step.</param>
    public TrainingHooks Hooks(Action<StepContext> stepped) => new()
    {
        AfterBackward = step => AddGradient(step.Module.Parameters, step.Progress, step.LearningRate),
        AfterStep = (Action<StepContext>)(step => Clip(step.Module.Parameters)) + stepped,
        Phase = _ => "quantizing",
    };

    /// <summary>λ(t) = λ₀·(λ₁/λ₀)^t.</summary>
    /// <param name="start">λ₀.</param>
    /// <param name="end">λ₁.</param>
    /// <param name="progress">t, from 0 to 1 over the schedule.</param>
    public static double Pull(double start, double end, double progress) => start * Math.Pow(end / start, progress);

    /// <summary>Adds λ(t)·∂R/∂w to each quantized weight's gradient.</summary>
    /// <param name="weights">The network's parameters by name.</param>
    /// <param name="progress">t, from 0 to 1 over the schedule.</param>
    /// <param name="learningRate">η of the step; η·λ is kept at or under a half in every layer.</param>
    public void AddGradient(IReadOnlyDictionary<string, Parameter> weights, double progress, double learningRate)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var pull = Pull(parameters.PullStart, parameters.PullEnd, progress);
        var largest = formats.Keys.Select(name => weights[name].numel()).DefaultIfEmpty(1).Max();
        foreach (var (name, format) in formats)
        {
            var weight = weights[name];
            var gradient = weight.grad ?? throw new InvalidOperationException($"{name} has no gradient: backward did not reach it");
            var scale = parameters.Normalization == PriorNormalization.Mean ? (double)largest / weight.numel() : 1;
            var perWeight = learningRate > 0 ? Math.Min(pull * scale, LargestStep / learningRate) : pull * scale;
            gradient.PlusInPlace(weight.sub(FixedPoint.Quantize(weight, format.Bits, format.Fraction)), perWeight);
        }
    }

    /// <summary>Clips each quantized weight to its outer modes, ±Δ·(2^(N−1)−1).</summary>
    public void Clip(IReadOnlyDictionary<string, Parameter> weights)
    {
        if (!parameters.Clipping) return;
        using var _ = no_grad();
        foreach (var (name, format) in formats)
        {
            var outer = FixedPoint.GreatestMode(format.Bits) * FixedPoint.StepSize(format.Fraction);
            weights[name].ClampInPlace(-outer, outer);
        }
    }

    /// <summary>Sets each quantized weight to Q(w).</summary>
    public void Round(IReadOnlyDictionary<string, Parameter> weights)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        foreach (var (name, format) in formats)
        {
            weights[name].copy_(FixedPoint.Quantize(weights[name], format.Bits, format.Fraction));
        }
    }

    /// <summary>Root mean square of (w − Q(w))/Δ over all quantized weights: 0 once they have become modes, about 0.29 if spread evenly.</summary>
    public double Residual(IReadOnlyDictionary<string, Parameter> weights)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var (sum, count) = (0.0, 0L);
        foreach (var (name, format) in formats)
        {
            var weight = weights[name];
            var steps = weight.sub(FixedPoint.Quantize(weight, format.Bits, format.Fraction)).DividedBy(FixedPoint.StepSize(format.Fraction));
            sum += steps.to(ScalarType.Float64).square().sum().item<double>();
            count += weight.numel();
        }

        return Math.Sqrt(sum / Math.Max(1, count));
    }
}
