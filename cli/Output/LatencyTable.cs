using System.Globalization;
using Lathe.Evaluator.Latency;
using Spectre.Console;

namespace Lathe.Cli.Output;

/// <summary>Times of a network for people, from an evaluation's figures.</summary>
internal static class LatencyTable
{
    // Below that, two medians on a machine that does other things besides are the same.
    private const double Noticeable = 1.05;

    private static readonly (string Way, string Words)[] Ways =
        [("Dense", "dense, ONNX Runtime float32"), ("", "this, ONNX Runtime float32"), ("Int8", "this, ONNX Runtime int8"), ("FixedPoint", "this, Lathe's fixed-point engine")];

    /// <summary>Whether times were taken.</summary>
    public static bool IsIn(IReadOnlyDictionary<string, double> metrics) => metrics.ContainsKey("latencyThreads");

    /// <summary>One row for each batch size and way to run it; speed is the dense network's time over this.</summary>
    public static Table Of(IReadOnlyDictionary<string, double> metrics)
    {
        var table = new Table().Border(TableBorder.None);
        foreach (var (name, isRight) in (ReadOnlySpan<(string, bool)>)[("batch", true), ("run by", false), ("ms", true), ("quartiles", false), ("speed", true)])
        {
            var column = new TableColumn(new Markup($"[bold]{name}[/]")).PadLeft(0).PadRight(2).NoWrap();
            table.AddColumn(isRight ? column.RightAligned() : column);
        }

        foreach (var batch in LatencyComparison.BatchSizes)
        {
            foreach (var (way, words) in Ways)
            {
                var name = $"latency{batch}{way}";
                if (!metrics.TryGetValue(name, out var median)) continue;
                var speedup = metrics.TryGetValue($"speedup{batch}{way}", out var factor) ? factor.ToString("0.00x", CultureInfo.InvariantCulture) : "";
                table.AddRow(
                    new Text($"{batch}"), new Text(words), new Text(Milliseconds(median)),
                    new Text($"{Milliseconds(metrics[$"{name}Low"])} to {Milliseconds(metrics[$"{name}High"])}"), new Text(speedup));
            }
        }

        return table;
    }

    /// <summary>What the table must not be read past: fewer multiplications that made no faster network.</summary>
    public static IEnumerable<string> Warnings(IReadOnlyDictionary<string, double> metrics)
    {
        if (!metrics.TryGetValue("multiplicationsRatio", out var ratio) || ratio >= 1) yield break;
        foreach (var batch in LatencyComparison.BatchSizes)
        {
            if (!metrics.TryGetValue($"speedup{batch}", out var speedup) || speedup >= Noticeable) continue;
            yield return string.Create(
                CultureInfo.InvariantCulture,
                $"no faster: {ratio:0.00} of the multiplications, but a batch of {batch} takes {1 / speedup:0.00} of the dense network's time in ONNX Runtime");
        }
    }

    private static string Milliseconds(double value) => value.ToString(value < 10 ? "0.000" : value < 100 ? "0.0" : "0", CultureInfo.InvariantCulture);
}
