using Lathe.Contracts;

namespace Lathe.Graph.Sizing;

/// <summary>A part of a network of which between nothing and everything is left.</summary>
/// <param name="Gain">What all of it adds to the size that is asked for.</param>
/// <param name="Cost">What all of it adds to the size that is known.</param>
internal readonly record struct SizePart(double Gain, double Cost);

/// <summary>
/// What one size of a network can be where another one is known. Each part may be left to any share, whatever is left of the others: the network has fewer choices, so that no network
/// lies outside of the bounds. The best choice then takes the parts in the order of gain by cost (Dantzig, 1957).
/// </summary>
internal static class SizeBounds
{
    private const double Rounding = 1e-12;

    /// <summary>The least gain of all choices that cost at least so much.</summary>
    /// <param name="parts">At least 0 in both sizes.</param>
    /// <param name="cost">At least so much; where all parts cost less, all are taken.</param>
    public static double LeastGain(IEnumerable<SizePart> parts, double cost)
    {
        var (gain, left) = (0.0, cost);
        foreach (var part in parts.Where(p => p.Cost > 0).OrderBy(p => p.Gain / p.Cost))
        {
            if (left <= 0) break;
            var share = Math.Min(1, left / part.Cost);
            (gain, left) = (gain + (share * part.Gain), left - (share * part.Cost));
        }

        return gain;
    }

    /// <summary>The greatest gain of all choices that cost at most so much.</summary>
    /// <param name="parts">At least 0 in both sizes.</param>
    /// <param name="cost">At most so much.</param>
    public static double GreatestGain(IEnumerable<SizePart> parts, double cost)
    {
        var (gain, left) = (0.0, Math.Max(0, cost));
        foreach (var part in parts.OrderByDescending(p => p.Cost > 0 ? p.Gain / p.Cost : double.PositiveInfinity))
        {
            var share = part.Cost > 0 ? Math.Min(1, left / part.Cost) : 1;
            (gain, left) = (gain + (share * part.Gain), left - (share * part.Cost));
        }

        return gain;
    }

    /// <summary>Whole numbers within bounds. What lies a rounding error outside of one counts as within.</summary>
    public static SizeRange Whole(double least, double most) => new(Math.Ceiling(least - (Rounding * Math.Abs(least))), Math.Floor(most + (Rounding * Math.Abs(most))));

    /// <summary>The range of one size where another one is in a range.</summary>
    /// <param name="parts">Both sizes of each part.</param>
    /// <param name="cost">The known size, without what always stays.</param>
    public static SizeRange Gain(IReadOnlyList<SizePart> parts, SizeRange cost) => new(LeastGain(parts, cost.Least), GreatestGain(parts, cost.Most));
}
