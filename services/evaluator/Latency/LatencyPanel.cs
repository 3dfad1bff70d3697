using System.Globalization;
using Lathe.Contracts.Panels;

namespace Lathe.Evaluator.Latency;

/// <summary>Times of a network as a table, from an evaluation's figures.</summary>
internal static class LatencyPanel
{
    // Below that, two medians on a machine that does other things besides are the same.
    private const double Noticeable = 1.05;

    private static readonly (string Way, string Words)[] Ways =
        [("Dense", "dense, ONNX Runtime float32"), ("", "this, ONNX Runtime float32"), ("Int8", "this, ONNX Runtime int8"), ("FixedPoint", "this, Lathe's fixed-point engine")];

    /// <summary>One row for each batch size and way to run it; null where no times were taken.</summary>
    public static TablePanel? Of(IReadOnlyDictionary<string, double> metrics)
    {
        if (!metrics.TryGetValue("latencyThreads", out var threads)) return null;
        var rows = LatencyComparison.BatchSizes.SelectMany(batch => Ways.Select(way => Row(metrics, batch, way.Way, way.Words))).OfType<IReadOnlyList<TableCell>>();
        string[] notes = [$"Taken in turns in one process, {threads} thread{(threads == 1 ? "" : "s")}; speed against the dense network.", .. Warnings(metrics)];
        return new TablePanel("latency", "Times", [new("batch"), new("run by", IsText: true), new("ms"), new("quartiles", IsText: true), new("speed")], [.. rows])
        {
            Section = "Latency", Caption = string.Join(' ', notes),
        };
    }

    /// <summary>Speed is the dense network's time over this.</summary>
    private static IReadOnlyList<TableCell>? Row(IReadOnlyDictionary<string, double> metrics, int batch, string way, string words)
    {
        var name = $"latency{batch}{way}";
        if (!metrics.TryGetValue(name, out var median)) return null;
        var quartiles = metrics.TryGetValue($"{name}Low", out var low) && metrics.TryGetValue($"{name}High", out var high) ? $"{Milliseconds(low)} to {Milliseconds(high)}" : "";
        var speed = metrics.TryGetValue($"speedup{batch}{way}", out var factor) ? factor.ToString("0.00x", CultureInfo.InvariantCulture) : "";
        return [$"{batch}", words, Milliseconds(median), quartiles, speed];
    }

    /// <summary>What the table must not be read past: fewer multiplications that made no faster network.</summary>
    private static IEnumerable<string> Warnings(IReadOnlyDictionary<string, double> metrics)
    {
        if (!metrics.TryGetValue("multiplicationsRatio", out var ratio) || ratio >= 1) yield break;
        foreach (var batch in LatencyComparison.BatchSizes)
        {
            if (!metrics.TryGetValue($"speedup{batch}", out var speedup) || speedup >= Noticeable) continue;
            yield return string.Create(
                CultureInfo.InvariantCulture,
                $"No faster: {ratio:0.00} of the multiplications, but a batch of {batch} takes {1 / speedup:0.00} of the dense network's time in ONNX Runtime.");
        }
    }

    private static string Milliseconds(double value) => value.ToString(value < 10 ? "0.000" : value < 100 ? "0.0" : "0", CultureInfo.InvariantCulture);
}
