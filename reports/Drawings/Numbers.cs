namespace Lathe.Reports.Drawings;

/// <summary>Numbers of a panel that comes from anywhere.</summary>
internal static class Numbers
{
    // Beyond it an axis would overflow, and no quantity of a network is so large.
    private const double Most = 1e30;

    /// <summary>True for a number that has a place on an axis.</summary>
    public static bool IsSound(double value) => Math.Abs(value) <= Most;

    /// <summary>True for a number that has a place on a logarithmic axis.</summary>
    public static bool HasLogarithm(double value) => value is >= 1 / Most and <= Most;

    /// <summary>A count or share as the length of a bar: what is no such number has none.</summary>
    public static double Length(double value) => IsSound(value) ? Math.Max(0, value) : 0;
}
