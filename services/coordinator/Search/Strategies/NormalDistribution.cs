namespace Lathe.Coordinator;

/// <summary>The standard normal distribution.</summary>
internal static class NormalDistribution
{
    // From here on the continued fraction converges faster than the series.
    private const double Far = 3;

    /// <summary>Density at a number.</summary>
    public static double Density(double x) => Math.Exp(-0.5 * x * x) / Math.Sqrt(2 * Math.PI);

    /// <summary>Probability of a number between two.</summary>
    public static double Between(double low, double high)
    {
        // In a tail the difference of two small numbers is exact, and that of two numbers near 1 is not.
        if (low > 0) return Math.Max(0, Above(low) - Above(high));
        if (high < 0) return Math.Max(0, Above(-high) - Above(-low));
        return Math.Max(0, 1 - Above(-low) - Above(high));
    }

    /// <summary>Probability of a larger number than x, which is not negative.</summary>
    private static double Above(double x)
    {
        if (x > 38) return 0;
        return x < Far ? 0.5 - Series(x) : Fraction(x);
    }

    /// <summary>Probability from 0 to x: density(x) (x + x^3/3 + x^5/(3 5) + ...).</summary>
    private static double Series(double x)
    {
        var (term, sum) = (x, x);
        for (var n = 3; term > sum * 1e-17; n += 2)
        {
            term *= x * x / n;
            sum += term;
        }

        return sum * Density(x);
    }

    /// <summary>density(x) / (x + 1/(x + 2/(x + 3/(x + ...)))).</summary>
    private static double Fraction(double x)
    {
        var tail = x;
        for (var n = 60; n > 0; n--) tail = x + (n / tail);
        return Density(x) / tail;
    }
}
