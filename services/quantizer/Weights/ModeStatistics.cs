using Lathe.Graph.Checkpoints;

namespace Lathe.Quantizer.Weights;

/// <summary>How a weight's values lie about their modes kΔ, |k| ≤ K = 2^(N−1)−1.</summary>
/// <param name="Modes">Values nearest to each mode, from −K up.</param>
/// <param name="Changed">Values whose mode is another than before.</param>
/// <param name="SquaredSteps">Σ ((w − Q(w))/Δ)².</param>
/// <param name="Bins">Values in each of <see cref="BinCount"/> equal parts of ±<see cref="Reach"/>Δ; those beyond count for the outermost.</param>
public sealed record ModeStatistics(long[] Modes, long Changed, double SquaredSteps, long[] Bins)
{
    /// <summary>
    /// About 64, and an odd number for each Δ, so that every mode lies in the middle of a bin; above 6 bits, with more modes than bins, only 0 does.
    /// </summary>
    /// <param name="bits">N.</param>
    public static int BinCount(int bits) => bits switch
    {
        2 => 5 * 13,
        3 => 9 * 7,
        4 => 17 * 3,
        5 => 33 * 3,
        _ => 65,
    };

    /// <summary>How far the bins go to either side of 0: the modes, one step more, and the half of one that belongs to it.</summary>
    /// <param name="bits">N.</param>
    public static double Reach(int bits) => (1 << (bits - 1)) + 0.5;

    /// <summary>Looks at every value once; the same for every number of threads.</summary>
    /// <param name="values">The weight.</param>
    /// <param name="format">Its bits and step size.</param>
    /// <param name="modes">The mode k of each value before, and afterwards as it is now; as long.</param>
    public static ModeStatistics Take(ReadOnlySpan<float> values, WeightFormat format, Span<sbyte> modes)
    {
        var greatest = format.MaxLevel;
        var counts = new long[(2 * greatest) + 1];
        var bins = new long[BinCount(format.Bits)];
        var scale = MathF.ScaleB(1, format.Fraction);
        var reach = Reach(format.Bits);
        var binsPerStep = bins.Length / (2 * reach);
        var (changed, squares) = (0L, 0.0);
        for (var i = 0; i < values.Length; i++)
        {
            var steps = values[i] * scale;
            var mode = (int)Math.Clamp(MathF.Round(steps), -greatest, greatest);
            counts[mode + greatest]++;
            if (modes[i] != mode) changed++;
            modes[i] = (sbyte)mode;
            squares += (double)(steps - mode) * (steps - mode);
            bins[(int)Math.Clamp((steps + reach) * binsPerStep, 0, bins.Length - 1)]++;
        }

        return new ModeStatistics(counts, changed, squares, bins);
    }
}
