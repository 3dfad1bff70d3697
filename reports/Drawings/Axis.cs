using System.Globalization;

namespace Lathe.Reports.Drawings;

/// <summary>Maps values to places, and knows which values to write beside it.</summary>
/// <param name="Low">Least value.</param>
/// <param name="High">Greatest value, above <paramref name="Low"/>.</param>
/// <param name="From">Place of the least value.</param>
/// <param name="To">Place of the greatest value.</param>
/// <param name="IsLogarithmic">Equal ratios take equal room; values are above 0.</param>
/// <param name="IsWhole">Only whole numbers have a meaning.</param>
internal sealed record Axis(double Low, double High, double From, double To, bool IsLogarithmic = false, bool IsWhole = false)
{
    /// <summary>An axis that holds all values with some room around them.</summary>
    public static Axis Around(IEnumerable<double> values, double from, double to, bool isLogarithmic = false)
    {
        var finite = values.Where(v => double.IsFinite(v) && (!isLogarithmic || Numbers.HasLogarithm(v))).DefaultIfEmpty(1).ToList();
        var (low, high) = (finite.Min(), finite.Max());
        if (isLogarithmic)
        {
            var room = Math.Max(1.15, Math.Pow(high / low, 0.08));
            return new Axis(low / room, high * room, from, to, true);
        }

        var margin = high > low ? (high - low) * 0.08 : Math.Max(1e-3, Math.Abs(high) * 0.05);
        return new Axis(low >= 0 ? Math.Max(0, low - margin) : low - margin, high + margin, from, to);
    }

    /// <summary>Where a value lies; what is beyond the ends, or has no logarithm, at the end.</summary>
    public double Place(double value)
    {
        var share = IsLogarithmic && !Numbers.HasLogarithm(value) ? 0
            : IsLogarithmic ? Math.Log(value / Low) / Math.Log(High / Low) : (value - Low) / (High - Low);
        return From + (Math.Clamp(share, 0, 1) * (To - From));
    }

    /// <summary>Round values to write beside the axis.</summary>
    public IReadOnlyList<double> Ticks(int most = 6)
    {
        if (!IsLogarithmic) return Even(most);
        foreach (var steps in (double[][])[[1, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]])
        {
            var ticks = Enumerable.Range((int)Math.Floor(Math.Log10(Low)), (int)Math.Ceiling(Math.Log10(High / Low)) + 2)
                .SelectMany(power => steps.Select(step => step * Math.Pow(10, power))).Where(v => v >= Low && v <= High).ToList();
            if (ticks.Count <= most) return ticks.Count >= 2 ? ticks : Even(most);
        }

        // Over more powers of ten than there is room for: every second of them, or third.
        var (first, last) = ((int)Math.Ceiling(Math.Log10(Low)), (int)Math.Floor(Math.Log10(High)));
        var apart = (int)Math.Ceiling((last - first + 1) / (double)most);
        return [.. Enumerable.Range(first, last - first + 1).Where(power => power % apart == 0).Select(power => Math.Pow(10, power))];
    }

    /// <summary>A value in few characters: <c>1.5M</c>, <c>0.25</c>.</summary>
    public static string Short(double value) => Math.Abs(value) switch
    {
        >= 1e9 => Text(value / 1e9) + "G",
        >= 1e6 => Text(value / 1e6) + "M",
        >= 1e3 => Text(value / 1e3) + "k",
        _ => Text(value),
    };

    /// <summary>A count in at most three digits and a letter: <c>157k</c>; below 10,000 all of it.</summary>
    public static string Rounded(double count)
    {
        if (count < 10_000) return Text(count);
        var unit = Math.Pow(10, Math.Floor(Math.Log10(count)) - 2);
        return Short(Math.Round(count / unit) * unit);
    }

    private static string Text(double value) => value.ToString(Math.Abs(value) < 0.001 && value != 0 ? "0.#e-0" : "0.####", CultureInfo.InvariantCulture);

    private List<double> Even(int most)
    {
        var rough = (High - Low) / most;
        var power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
        var step = power * ((rough / power) switch { <= 1 => 1, <= 2 => 2, <= 5 => 5, _ => 10 });
        if (IsWhole) step = Math.Max(1, step);
        var first = Math.Ceiling(Low / step - 1e-9);
        return [.. Enumerable.Range(0, most + 2).Select(i => (first + i) * step).Where(v => v <= High + (step * 1e-9))];
    }
}
