using Lathe.NN.FixedPoint;
using Lathe.NN.Runtime;
using Lathe.NN.Training;
using Lathe.Quantizer.Weights;
using static TorchSharp.torch;

namespace Lathe.Quantizer.Methods;

/// <summary>
/// SGM, SYMOG's predecessor: the prior is the negative logarithm of a symmetric mixture of 2^N − 1 Gaussians at the modes kΔ with one
/// standard deviation σ, −Σ log Σ_k π_k·N(w; kΔ, σ²), whose gradient is Σ_k r_k·(w − kΔ)/σ² with responsibilities r_k ∝ π_k·N(w; kΔ, σ²).
/// σ falls exponentially, so that responsibilities harden and the pull becomes SYMOG's; nothing is clipped. After Enderich, Timm, Rosenbaum,
/// Burgard, "Learning Multimodal Fixed-Point Weights using Gradient Descent" (ESANN 2019, arXiv 1907.07220); details ours: 1/σ² is part of λ(t),
/// which rises as SYMOG's, and π is the share of each pair of modes ±k in the input network's weights.
/// </summary>
public static class Sgm
{
    // Modes to either side of the nearest whose responsibilities are computed. With σ at most one step, what lies beyond weighs
    // under exp(−(3² − 0.5²)/2) = 1% of the nearest.
    private const int Neighbours = 2;

    /// <summary>What SGM adds to the training loop.</summary>
    /// <param name="weights">The weights.</param>
    /// <param name="parameters">λ₀, λ₁, σ₀, σ₁ and the normalization.</param>
    /// <param name="shares">π by tensor name, see <see cref="Shares"/>.</param>
    public static TrainingHooks Hooks(QuantizedWeights weights, QuantizeParameters parameters, IReadOnlyDictionary<string, float[]> shares) => new()
    {
        AfterBackward = step => AddGradient(weights, parameters, shares, step.Progress, step.LearningRate),
        AfterStep = step => Pull.Settle(weights, parameters, step),
    };

    /// <summary>π_k of each weight, from k = −(2^(N−1)−1) up: symmetric, above 0, of sum 1.</summary>
    /// <param name="tensors">The input network's tensors by name.</param>
    /// <param name="weights">The weights' formats.</param>
    public static IReadOnlyDictionary<string, float[]> Shares(IReadOnlyDictionary<string, Tensor> tensors, QuantizedWeights weights)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        return weights.Formats.ToDictionary(f => f.Key, f =>
        {
            var (name, format) = f;
            var counts = new double[(2 * format.MaxLevel) + 1];
            foreach (var mode in WeightGrid.Modes(tensors[name], format.Bits, format.Fraction).cpu().data<float>()) counts[(int)mode + format.MaxLevel]++;
            // One more of each, so that a mode that nothing is near can still be chosen.
            var sum = counts.Sum() + counts.Length;
            return Enumerable.Range(0, counts.Length).Select(k => (float)((((counts[k] + counts[^(k + 1)]) / 2) + 1) / sum)).ToArray();
        });
    }

    /// <summary>Adds λ(t)·Σ_k r_k·(w − kΔ) to each quantized weight's gradient, of which <see cref="Pull.ShareOfTask"/> is left.</summary>
    /// <param name="weights">The weights.</param>
    /// <param name="parameters">λ₀, λ₁, σ₀, σ₁ and the normalization.</param>
    /// <param name="shares">π by tensor name.</param>
    /// <param name="progress">t, from 0 to 1 over the schedule.</param>
    /// <param name="learningRate">η of the step.</param>
    public static void AddGradient(
        QuantizedWeights weights, QuantizeParameters parameters, IReadOnlyDictionary<string, float[]> shares, double progress, double learningRate)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var sigma = Pull.At(parameters.SigmaStart, parameters.SigmaEnd, progress);
        foreach (var (name, weight, format) in weights.All)
        {
            var gradient = weight.grad ?? throw new InvalidOperationException($"{name} has no gradient: backward did not reach it");
            var pull = Pull.Of(parameters, weights, weight.numel(), progress, learningRate);
            if (Pull.ShareOfTask(progress) is < 1 and var share) gradient.TimesInPlace(share);
            gradient.PlusInPlace(weight.sub(Expected(weight, format.Bits, format.Fraction, sigma, shares[name])), pull);
        }
    }

    /// <summary>Σ_k r_k·kΔ for each weight.</summary>
    /// <param name="weight">Float32, any shape.</param>
    /// <param name="bits">N.</param>
    /// <param name="fraction">f of the step size.</param>
    /// <param name="sigma">σ in steps.</param>
    /// <param name="shares">π.</param>
    /// <returns>Float32 of the same shape.</returns>
    public static Tensor Expected(Tensor weight, int bits, int fraction, double sigma, float[] shares)
    {
        using var scope = NewDisposeScope();
        var greatest = WeightGrid.GreatestMode(bits);
        var steps = weight.Times(Math.ScaleB(1, fraction));
        var nearest = WeightGrid.Modes(weight, bits, fraction);
        var pi = tensor(shares, device: weight.device);
        var (sum, moment) = (zeros_like(steps), zeros_like(steps));
        // Relative to the nearest mode, so that no exponential of all underflows.
        var least = steps.sub(nearest).Squared();
        for (var j = -Neighbours; j <= Neighbours; j++)
        {
            using var inner = NewDisposeScope();
            var wanted = nearest.clone().PlusInPlace(j);
            var mode = wanted.clone().ClampInPlace(-greatest, greatest);
            var share = pi.index_select(0, mode.clone().PlusInPlace(greatest).to(ScalarType.Int64).flatten()).reshape(weight.shape);
            // The last factor leaves out modes that there are not; those in their place keep the exponential from overflowing.
            var likelihood = least.sub(steps.sub(mode).Squared()).Times(0.5 / (sigma * sigma)).exp_() * share * mode.eq(wanted);
            sum.PlusInPlace(likelihood);
            moment.PlusInPlace(likelihood * mode);
        }

        return moment.div_(sum).TimesInPlace(WeightGrid.StepSize(fraction)).MoveToOuterDisposeScope();
    }
}
