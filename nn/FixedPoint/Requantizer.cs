using Lathe.Contracts;

namespace Lathe.NN.FixedPoint;

/// <summary>
/// An affine map of whole numbers in whole numbers: y = round((x·Multiplier + Offset) / 2^Shift), ties to even. It stands for y = a·x + b with
/// real a and b, batch norm's for example: a product, a sum and a shift.
/// </summary>
/// <remarks>
/// Before it is rounded to a whole number the result differs from a·x + b by at most <see cref="ErrorBound"/>, |x|·2^(−Shift−1) + 2^(−Shift−1).
/// As the multiplier has 30 bits wherever the ranges below leave room for it, that is 2^(−30)·|a·x| + 2^(−Shift−1).
/// </remarks>
/// <param name="Multiplier">a·2^Shift rounded, at most 2^30 in magnitude.</param>
/// <param name="Offset">b·2^Shift rounded, at most 2^60 in magnitude.</param>
/// <param name="Shift">1 to 52.</param>
public readonly record struct Requantizer(int Multiplier, long Offset, int Shift)
{
    private const int GreatestShift = 52;
    private const double GreatestMultiplier = 1 << 30;
    private const double GreatestOffset = 1L << 60;

    /// <summary>The finest that fits a map.</summary>
    /// <param name="slope">a.</param>
    /// <param name="intercept">b.</param>
    /// <exception cref="LatheException">a is 2^29 or more, b is 2^59 or more, or one of them is no number.</exception>
    public static Requantizer Of(double slope, double intercept)
    {
        var shift = GreatestShift;
        while (shift > 0 && !Fits(shift)) shift--;
        return shift > 0
            ? new Requantizer((int)Math.Round(Math.ScaleB(slope, shift)), (long)Math.Round(Math.ScaleB(intercept, shift)), shift)
            : throw new LatheException($"the map {slope:g6}·x + {intercept:g6} is too steep for 32-bit fixed-point numbers");

        bool Fits(int bits) => Math.Abs(Math.ScaleB(slope, bits)) <= GreatestMultiplier && Math.Abs(Math.ScaleB(intercept, bits)) <= GreatestOffset;
    }

    /// <summary>The map's value.</summary>
    /// <param name="value">x, of 32 bits.</param>
    public long Apply(int value)
    {
        var scaled = ((long)value * Multiplier) + Offset;
        // A half less the least bit, and that back where the whole part is odd: what lies in the middle goes to the even side.
        return (scaled + (1L << (Shift - 1)) - 1 + ((scaled >> Shift) & 1)) >> Shift;
    }

    /// <summary>The most by which the result, before it is rounded to a whole number, differs from the real map's.</summary>
    /// <param name="value">x.</param>
    public double ErrorBound(int value) => Math.ScaleB(Math.Abs((double)value) + 1, -Shift - 1);
}
