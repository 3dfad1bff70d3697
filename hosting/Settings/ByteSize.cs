using System.Globalization;
using System.Text.RegularExpressions;
using Lathe.Contracts;

namespace Lathe.Hosting;

/// <summary>Numbers of bytes as people write them.</summary>
internal static partial class ByteSize
{
    /// <summary>What is expected, for messages.</summary>
    public const string Expected = "a number of bytes such as 500GiB, 20GB or 1073741824";

    private static readonly Dictionary<string, double> Units = new(StringComparer.OrdinalIgnoreCase)
    {
        [""] = 1, ["B"] = 1,
        ["KiB"] = 1L << 10, ["MiB"] = 1L << 20, ["GiB"] = 1L << 30, ["TiB"] = 1L << 40,
        ["KB"] = 1e3, ["MB"] = 1e6, ["GB"] = 1e9, ["TB"] = 1e12,
    };

    /// <summary>Reads <c>500GiB</c> or <c>1.5 TB</c>.</summary>
    /// <param name="text">A number, with a unit or without.</param>
    /// <param name="source">Where it stands, for the message.</param>
    /// <exception cref="LatheException">It is none.</exception>
    public static long Parse(string text, string source) =>
        Written().Match(text.Trim()) is { Success: true } written
        && double.Parse(written.Groups["number"].ValueSpan, CultureInfo.InvariantCulture) * Units[written.Groups["unit"].Value] is var bytes and <= long.MaxValue / 2
            ? (long)bytes
            : throw new LatheException($"{source} is '{text}'; expected {Expected}");

    [GeneratedRegex(@"^(?<number>\d{1,18}(\.\d{1,6})?) ?(?<unit>([KMGT]i?)?B|)$", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Written();
}
