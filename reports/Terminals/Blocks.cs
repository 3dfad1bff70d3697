using Lathe.Reports.Drawings;

namespace Lathe.Reports.Terminals;

/// <summary>Values as blocks of text: eight heights to a character.</summary>
internal static class Blocks
{
    private const string Heights = " ▁▂▃▄▅▆▇█";

    /// <summary>A character for each value: none for 0, and what is there at all is seen.</summary>
    /// <param name="values">At least 0.</param>
    /// <param name="most">The value of a full block.</param>
    public static string Of(IEnumerable<double> values, double most) => string.Concat(values.Select(value =>
        Numbers.Length(value) == 0 || most <= 0 ? ' ' : Heights[Math.Clamp((int)Math.Round((Heights.Length - 1) * Math.Min(1, value / most)), 1, Heights.Length - 1)]));

    /// <summary>A character for each share of a scale; the least has a block too.</summary>
    /// <param name="shares">From 0 to 1.</param>
    public static string Between(IEnumerable<double> shares) =>
        string.Concat(shares.Select(share => Heights[1 + (int)Math.Round(Math.Clamp(share, 0, 1) * (Heights.Length - 2))]));
}
