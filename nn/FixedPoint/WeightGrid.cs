using Lathe.Contracts;
using Lathe.Graph.Checkpoints;
using Lathe.NN.Runtime;
using static TorchSharp.torch;

namespace Lathe.NN.FixedPoint;

/// <summary>
/// The symmetric fixed-point quantizer Q(w; Δ) = clip(round(w/Δ), ±(2^(N−1)−1))·Δ with Δ = 2^(−f). Ties round to even.
/// Multiplying by a power of two is exact in float32, so Q's values are exact too.
/// </summary>
public static class WeightGrid
{
    // For weights that are all zero, the quantiles that stand for a normal distribution.
    private const int Quantiles = 1024;

    /// <summary>The coarsest step size considered, 2^8.</summary>
    public const int LeastFraction = -8;

    /// <summary>The finest step size considered, 2^-24.</summary>
    public const int GreatestFraction = 24;

    /// <summary>Largest integer k of an N-bit weight, 2^(N−1)−1.</summary>
    public static int GreatestMode(int bits) => (1 << (bits - 1)) - 1;

    /// <summary>Step size Δ = 2^(−f).</summary>
    public static double StepSize(int fraction) => Math.ScaleB(1, -fraction);

    /// <summary>Nearest mode of each weight, as the integer k.</summary>
    /// <param name="weights">Float32, any shape.</param>
    /// <param name="bits">N, 2 to 8.</param>
    /// <param name="fraction">f of the step size.</param>
    /// <returns>Float32 of the same shape holding integers in ±(2^(N−1)−1). The caller disposes it.</returns>
    public static Tensor Modes(Tensor weights, int bits, int fraction)
    {
        var greatest = GreatestMode(bits);
        return weights.Times(Math.ScaleB(1, fraction)).round_().ClampInPlace(-greatest, greatest);
    }

    /// <summary>Q(w; Δ).</summary>
    /// <returns>Float32 of the same shape. The caller disposes it.</returns>
    public static Tensor Quantize(Tensor weights, int bits, int fraction) => Modes(weights, bits, fraction).TimesInPlace(StepSize(fraction));

    /// <summary>
    /// f = argmin Σ (w − Q(w; 2^(−f)))². Of steps that fit equally well the finest is taken: weights that lie on a grid of fewer bits already
    /// then have all the modes in between to move to.
    /// </summary>
    /// <param name="weights">Float32, any shape.</param>
    /// <param name="bits">N, 2 to 8.</param>
    public static int ChooseFraction(Tensor weights, int bits)
    {
        var (best, least) = (LeastFraction, double.PositiveInfinity);
        for (var fraction = LeastFraction; fraction <= GreatestFraction; fraction++)
        {
            var error = SquaredError(weights, bits, fraction);
            if (error <= least) (best, least) = (fraction, error);
        }

        return best;
    }

    /// <summary>Σ (w − Q(w; 2^(−f)))².</summary>
    public static double SquaredError(Tensor weights, int bits, int fraction)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        // Summed in double: over millions of weights a float32 sum could prefer the wrong neighbour.
        return weights.sub(Quantize(weights, bits, fraction)).to(ScalarType.Float64).Squared().sum().item<double>();
    }

    /// <summary>
    /// The format of so many bits that is nearest to a weight. Where all of it is zero, as in a branch that starts as nothing, no step is nearer than
    /// another: it gets the step of weights that start at random, so that training can grow them.
    /// </summary>
    /// <param name="name">The tensor's.</param>
    /// <param name="weight">Float32 [outputs, ...].</param>
    /// <param name="bits">N, 2 to 8.</param>
    /// <exception cref="LatheException">The weights are too large for the coarsest step.</exception>
    public static WeightFormat Nearest(string name, Tensor weight, int bits)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var largest = weight.abs().max().item<float>();
        if (largest < StepSize(GreatestFraction) / 2) return new WeightFormat(bits, FractionAtStart(weight.numel() / weight.shape[0], bits));
        var fraction = ChooseFraction(weight, bits);
        if (fraction == LeastFraction
            && SquaredError(weight, bits, fraction - 1) < SquaredError(weight, bits, fraction))
        {
            throw new LatheException(
                $"{name} has weights of up to {largest:0.###E+0}; with the coarsest step, 2^{-fraction}, {bits}-bit weights reach {GreatestMode(bits) * StepSize(fraction)}. "
                + "Scale the layer down, or leave it float");
        }

        return new WeightFormat(bits, fraction);
    }

    /// <summary>f for weights from a normal distribution of variance 2 / inputs, with which layers start.</summary>
    private static int FractionAtStart(long inputs, int bits)
    {
        using var scope = NewDisposeScope();
        // Its quantiles: nothing is drawn.
        var shares = tensor(Enumerable.Range(1, Quantiles - 1).Select(i => (float)((2.0 * i / Quantiles) - 1)).ToArray());
        return ChooseFraction(shares.erfinv().TimesInPlace(Math.Sqrt(2) * Math.Sqrt(2.0 / inputs)), bits);
    }
}
