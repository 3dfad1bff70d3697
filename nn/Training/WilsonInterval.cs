namespace Lathe.NN.Training;

/// <summary>
/// Where a share lies that was estimated from some trials. After E. B. Wilson, "Probable Inference, the Law of Succession, and
/// Statistical Inference" (JASA 1927); unlike p ± z·√(p(1−p)/n) it stays within 0 to 1 and holds at shares near them.
/// </summary>
public static class WilsonInterval
{
    // 97.5% of a normal distribution lie below.
    private const double Z = 1.959963984540054;

    /// <summary>The 95% interval.</summary>
    /// <param name="share">Share of trials that succeeded, a fraction of 1.</param>
    /// <param name="trials">Number of trials, at least 1.</param>
    public static (double Low, double High) Of(double share, long trials)
    {
        var z2 = Z * Z / trials;
        var middle = (share + (z2 / 2)) / (1 + z2);
        var half = Z / (1 + z2) * Math.Sqrt((share * (1 - share) / trials) + (z2 / (4 * trials)));
        return (Math.Max(0, middle - half), Math.Min(1, middle + half));
    }
}
