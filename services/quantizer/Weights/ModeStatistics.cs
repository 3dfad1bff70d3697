using Lathe.NN.Checkpoints;

namespace Lathe.Quantizer.Weights;

/// <summary>How a weight's values lie about their modes kΔ, |k| ≤ K = 2^(N−1)−1.</summary>
/// <param name="Modes">Values nearest to each mode, from −K up.</param>
/// <param name="Changed">Values whose mode is another than before.</param>
/// <param name="SquaredSteps">Σ ((w − Q(w))/Δ)².</param>
/// <param name="Bins">Values in each of <see cref="BinCount"/> equal parts of ±(K + 1)Δ; those beyond count for the outermost.</param>
public sealed record ModeStatistics(long[] Modes, long Changed, double SquaredSteps, long[] Bins)
{
    /// <summary>Odd, so that the middle of one bin is 0.</summary>
    public const int BinCount = 61;

    /// <summary>Looks at every value once; the same for every number of threads.</summary>
    /// <param name="values">The weight.</param>
    /// <param name="format">Its bits and step size.</param>
    /// <param name="modes">The mode k of each value before, and afterwards as it is now; as long.</param>
    public static ModeStatistics Take(ReadOnlySpan<float> values, WeightFormat format, Span<sbyte> modes)
    {
        var greatest = format.MaxLevel;
        var counts = new long[(2 * greatest) + 1];
        var bins = new long[BinCount];
        var scale = MathF.ScaleB(1, format.Fraction);
        var binsPerStep = BinCount / (2.0 * (greatest + 1));
        var (changed, squares) = (0L, 0.0);
        for (var i = 0; i < values.Length; i++)
        {
            var steps = values[i] * scale;
            var mode = (int)Math.Clamp(MathF.Round(steps), -greatest, greatest);
            counts[mode + greatest]++;
            if (modes[i] != mode) changed++;
            modes[i] = (sbyte)mode;
            squares += (double)(steps - mode) * (steps - mode);
            bins[(int)Math.Clamp((steps + greatest + 1) * binsPerStep, 0, BinCount - 1)]++;
        }

        return new ModeStatistics(counts, changed, squares, bins);
    }
}
