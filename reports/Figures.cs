using System.Globalization;
using Lathe.Contracts;

namespace Lathe.Reports;

/// <summary>Numbers as people read them, in few characters and the same on every machine.</summary>
public static class Figures
{
    private const string None = "-";

    /// <summary>A value in the form that its metric or column has.</summary>
    public static string Of(double? value, MetricFormat format) => format switch
    {
        MetricFormat.Count => Count(value),
        MetricFormat.Percent => Percent(value),
        MetricFormat.Bytes => Kilobytes(value),
        MetricFormat.Seconds => Seconds(value),
        MetricFormat.Ratio => Ratio(value),
        MetricFormat.Bits => Bits(value is 0 ? null : value),
        _ => Number(value),
    };

    /// <summary>Four significant digits, whole numbers in full: <c>0.2494</c>, <c>1,480,492</c>, <c>1.6e-6</c>.</summary>
    public static string Number(double? number) => Math.Abs(number ?? 0) switch
    {
        0 => Text(number, "0"),
        var size when size < 1e12 && double.IsInteger(size) => Text(number, "#,##0"),
        < 0.0001 or >= 1e12 => Text(number, "0.0##e-0"),
        < 0.001 => Text(number, "0.0000000"),
        < 0.01 => Text(number, "0.000000"),
        < 0.1 => Text(number, "0.00000"),
        < 1 => Text(number, "0.0000"),
        < 10 => Text(number, "0.000"),
        < 100 => Text(number, "0.00"),
        < 1000 => Text(number, "0.0"),
        _ => Text(number, "#,##0"),
    };

    /// <summary>A fact that a stage recorded, to six decimals; what these cannot show has a power of ten: <c>0.912345</c>, <c>1.07e-7</c>.</summary>
    public static string Fact(double fact) => Text(fact, Math.Abs(fact) is > 0 and < 0.001 ? "0.###e-0" : "0.######");

    /// <summary>Seconds with the unit that fits: <c>12.5 ms</c>, <c>2.40 s</c>, <c>2:00</c>.</summary>
    public static string Seconds(double? seconds) => Math.Abs(seconds ?? 0) switch
    {
        _ when seconds is null || !double.IsFinite(seconds.Value) => None,
        < 0.001 => Text(seconds * 1e6, "0.0") + " µs",
        < 1 => Text(seconds * 1e3, "0.0") + " ms",
        < 60 => Text(seconds, "0.00") + " s",
        < 1e9 => Time(seconds.Value),
        _ => Number(seconds) + " s",
    };

    /// <summary>A fraction of 1 in percent with two decimals, without the sign: 0.91234 is <c>91.23</c>.</summary>
    public static string Percent(double? fraction) => Text(fraction * 100, "0.00");

    /// <summary>A difference of two fractions in points, with its sign: <c>-1.72</c>.</summary>
    public static string Points(double? fraction) => Text(fraction * 100, "+0.00;-0.00;0.00");

    /// <summary>A count: <c>215,546</c>, from ten million on <c>15.5G</c>.</summary>
    public static string Count(double? count) => count switch
    {
        >= 1e10 => Text(count / 1e9, "0.0") + "G",
        >= 1e7 => Text(count / 1e6, "0.0") + "M",
        _ => Text(count, "#,##0"),
    };

    /// <summary>A share of the dense network's: <c>0.247</c>.</summary>
    public static string Ratio(double? ratio) => Text(ratio, "0.000");

    /// <summary>How many times smaller: <c>62.9x</c>.</summary>
    public static string Times(double? times) => times is null ? None : Text(times, "0.0") + "x";

    /// <summary>Bytes in units of 1024: <c>13.4</c>.</summary>
    public static string Kilobytes(double? bytes) => bytes >= 1e7 ? Text(bytes / 1024, "#,##0") : Text(bytes / 1024, "#,##0.0");

    /// <summary>Bytes with a unit.</summary>
    public static string Size(double bytes) => bytes switch
    {
        < 1024 => Text(bytes, "0") + " B",
        < 1024 * 1024 => Text(bytes / 1024, "0.0") + " KiB",
        < 1024.0 * 1024 * 1024 => Text(bytes / 1024 / 1024, "0.0") + " MiB",
        _ => Text(bytes / 1024 / 1024 / 1024, "0.0") + " GiB",
    };

    /// <summary>The start of a digest, by which a checkpoint is found.</summary>
    public static string Digest(string sha256) => sha256[..Math.Min(12, sha256.Length)];

    public static string Loss(double? loss) => Text(loss, "0.0000");

    /// <summary>Bits of a weight; null is a float.</summary>
    public static string Bits(double? bits) => bits is null ? "float" : Text(bits, "0.##");

    /// <summary>Epochs finished of all: <c>3.4/6</c>.</summary>
    public static string Epoch(double? epoch, int? epochs) =>
        epoch is null ? "" : epochs is null ? Text(epoch, "0.0") : $"{Text(epoch, "0.0")}/{epochs}";

    /// <summary>Minutes and seconds, with hours where there are some: <c>1:05</c>, <c>2:00:03</c>.</summary>
    public static string Time(double seconds)
    {
        var time = TimeSpan.FromSeconds(Math.Round(Math.Max(0, seconds)));
        return time.TotalHours >= 1
            ? string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalHours}:{time.Minutes:00}:{time.Seconds:00}")
            : string.Create(CultureInfo.InvariantCulture, $"{time.Minutes}:{time.Seconds:00}");
    }

    private static string Text(double? number, string format) =>
        number is { } value && double.IsFinite(value) ? value.ToString(format, CultureInfo.InvariantCulture) : None;
}
