using Lathe.NN.Runtime;
using Lathe.NN.Training;
using Lathe.Quantizer.Weights;
using static TorchSharp.torch;

namespace Lathe.Quantizer.Methods;

/// <summary>
/// Proximal relaxation, for comparison: the forward pass sees w + ρ·(Q(w) − w), the proximal point of ½μ·(w − Q(w))² with ρ = μ/(1 + μ), and
/// the gradient passes straight through to w. μ rises exponentially with the pull, and over the last fifth of the schedule ρ is 1. After
/// Yin et al., "BinaryRelax" (SIAM J. Imaging Sciences 2018, arXiv 1801.06313); the schedule is ours.
/// </summary>
public sealed class Proximal(QuantizedWeights weights, QuantizeParameters parameters)
{
    private const double MuStart = 0.05;
    private const double MuEnd = 50;
    private const double HardFrom = 0.8;
    private const string State = "proximal.relaxation";

    private double _relaxation = RelaxationAt(0);

    /// <summary>ρ at a moment.</summary>
    /// <param name="progress">t, from 0 to 1 over the schedule.</param>
    public static double RelaxationAt(double progress)
    {
        if (progress >= HardFrom) return 1;
        var mu = Pull.At(MuStart, MuEnd, progress / HardFrom);
        return mu / (1 + mu);
    }

    /// <summary>w + ρ·(Q(w) − w), through which gradients pass to w as they are; the tensor itself where it has no format.</summary>
    public static Tensor Towards(QuantizedWeights weights, string name, Tensor value, double relaxation)
    {
        using var detached = value.detach();
        return weights.Quantized(name, detached) is { } quantized
            ? value.Plus(quantized.sub_(detached).TimesInPlace(relaxation))
            : value;
    }

    /// <summary>What it adds to the training loop.</summary>
    public TrainingHooks Hooks() => new()
    {
        View = (name, value) => Towards(weights, name, value, _relaxation),
        AfterStep = step =>
        {
            if (parameters.Clipping) weights.Clip();
            // Of the next step: what the forward pass sees is asked for without saying when.
            _relaxation = RelaxationAt(step.Progress);
        },
        SaveState = () => new Dictionary<string, Tensor> { [State] = tensor(_relaxation) },
        LoadState = state => _relaxation = state[State].to(ScalarType.Float64).item<double>(),
    };
}
