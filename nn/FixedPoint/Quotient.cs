using System.Numerics;
using Lathe.Contracts;

namespace Lathe.NN.FixedPoint;

/// <summary>
/// A quotient of whole numbers: y = round(x·2^Places / Divisor), ties to even, without any error. It stands for the mean of a window. A
/// <see cref="Requantizer"/> holds 1/18 only nearly, and would round a mean in the middle between two steps as its error falls; float runtimes divide, and
/// find such a mean exactly.
/// </summary>
/// <param name="Places">0 to 30.</param>
/// <param name="Divisor">At least 1; of fewer than 2^29 numbers below 2^62.</param>
public readonly record struct Quotient(int Places, long Divisor)
{
    // With a sum of 31 bits and a sign, 62 bits hold the numerator; behind one place more than it has bits, nothing of it is left.
    private const int MostPlaces = 30;
    private const int FewestPlaces = 32;

    /// <summary>In lowest terms.</summary>
    /// <param name="places">Binary places that the result has more than x; negative: fewer.</param>
    /// <param name="count">Numbers of which x is the sum.</param>
    /// <exception cref="LatheException">The result has too many more binary places than x.</exception>
    public static Quotient Of(int places, int count)
    {
        var twos = BitOperations.TrailingZeroCount(count);
        places -= twos;
        return places <= MostPlaces
            ? new Quotient(Math.Max(0, places), (long)(count >> twos) << Math.Min(FewestPlaces, Math.Max(0, -places)))
            : throw new LatheException($"a mean with {places + twos} more binary places than its numbers does not fit 62 bits");
    }

    /// <summary>The rounded quotient.</summary>
    /// <param name="sum">x, of 32 bits.</param>
    public long Apply(int sum)
    {
        var (whole, rest) = Math.DivRem((long)sum << Places, Divisor);
        if (rest < 0) (whole, rest) = (whole - 1, rest + Divisor);
        return 2 * rest > Divisor || (2 * rest == Divisor && (whole & 1) != 0) ? whole + 1 : whole;
    }
}
