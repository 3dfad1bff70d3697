using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Panels;

namespace Lathe.Hosting;

/// <summary>Whether what a stage made is what its manifest says. Its author learns it at once, and not from a column that stays away.</summary>
internal static class OutcomeCheck
{
    /// <summary>Refuses an outcome that cannot be kept, or that the manifest does not describe.</summary>
    /// <exception cref="LatheException">What is wrong, and what its author has to do.</exception>
    public static void ThrowUnlessSound(StageManifest manifest, StageOutcome? outcome)
    {
        if (Problem(manifest, outcome) is { } problem) throw new LatheException($"stage {manifest.Name} {problem}");
    }

    /// <summary>Refuses a checkpoint with values that are no finite numbers: every stage after this one would compute with them. What is no safetensors file is left alone.</summary>
    /// <param name="stage">Its name.</param>
    /// <param name="file">What the stage wrote, at its beginning.</param>
    /// <exception cref="LatheException">Names the first such tensor.</exception>
    public static void ThrowUnlessFinite(string stage, Stream file)
    {
        if (FiniteTensors.FindOther(file) is var (tensor, count, total))
        {
            throw new LatheException(
                $"stage {stage} wrote a checkpoint whose tensor '{tensor}' has {count} of {total} values that are NaN or infinite; expected finite numbers: see what the stage divides by, or its learning rate");
        }
    }

    /// <summary>What is wrong with figures, as words behind the name of the stage; null: nothing.</summary>
    /// <param name="manifest">Of the stage.</param>
    /// <param name="metrics">What it measured. A metric that is declared may be missing: not every parameter leaves every figure.</param>
    public static string? Problem(StageManifest manifest, IReadOnlyDictionary<string, double> metrics)
    {
        var declared = Declared(manifest);
        foreach (var (name, value) in metrics)
        {
            if (!declared.Contains(name))
            {
                return $"measured '{name}', which its manifest does not declare{Nearest.Hint(name, declared)}: add it to the metrics of the manifest, or leave it out of the result; "
                    + (declared.Count == 0 ? "no metric is declared" : $"declared are {string.Join(", ", declared)}");
            }

            if (!double.IsFinite(value)) return $"measured '{name}' as {Word(value)}; expected a finite number: leave the metric out where there is none";
        }

        return null;
    }

    private static string? Problem(StageManifest manifest, StageOutcome? outcome) => outcome switch
    {
        null => "returned null; expected an outcome",
        { Output: null } => "left no checkpoint; expected the one that it wrote, or its input where it only measures",
        { Output.Sha256: var digest } when !StoredModel.IsDigest(digest ?? "") => $"left '{digest}' as its checkpoint, which is no digest; expected what run.Write returned, or its input where it only measures",
        { Metrics: null } => "left no metrics; expected a dictionary, which may be empty",
        _ => Problem(manifest, outcome.Metrics) ?? outcome.Panels?.Select(Problem).FirstOrDefault(p => p is not null),
    };

    private static string? Problem(Panel? panel)
    {
        if (panel is null) return "made a panel that is null";
        try
        {
            JsonSerializer.SerializeToUtf8Bytes(panel, LatheJson.Options);
        }
        catch (ArgumentException)
        {
            return $"made the panel '{panel.Id}' with a value that is no finite number; leave such points out";
        }

        return Lengths(panel).FirstOrDefault(l => l.Is != l.Expected) is { What: not null } wrong ? $"made the panel '{panel.Id}', where {wrong.What}: {wrong.Is}, expected {wrong.Expected}" : null;
    }

    /// <summary>Lists of a panel that belong together have one length.</summary>
    internal static IEnumerable<(string What, int Is, int Expected)> Lengths(Panel panel) => panel switch
    {
        LineChart lines => Items(lines.Lines).Select(line => ($"line '{line.Name}' has not as many vertical values as horizontal ones", Count(line.Y), Count(line.X))),
        BarChart bars =>
        [
            .. Items(bars.Series).Select(series => ($"series '{series.Name}' has not one value for each category", Count(series.Values), Count(bars.Categories))),
            .. Count(bars.Labels) == 0 ? [] : ((string, int, int)[])[("there is not one label for each category", Count(bars.Labels), Count(bars.Categories))],
        ],
        HeatMap map =>
        [
            ("there is not one list of values for each row", Count(map.Values), Count(map.Rows)),
            .. Items(map.Values).Select((row, i) => ($"the values of row {i + 1} are not as many as the columns", Count(row), Count(map.Columns))),
        ],
        TablePanel table => Items(table.Rows).Select((row, i) => ($"row {i + 1} has not one cell for each column", Count(row), Count(table.Columns))),
        _ => [],
    };

    private static IReadOnlyList<T> Items<T>(IReadOnlyList<T>? list) => list ?? [];

    private static int Count<T>(IReadOnlyList<T>? list) => list?.Count ?? 0;

    /// <summary>A descriptor also names the figures that stand beside its own: of the dense network, its share, the ends of its interval.</summary>
    private static List<string> Declared(StageManifest manifest) =>
        [.. (manifest.Metrics ?? []).SelectMany(m => (string?[])[m.Name, m.DenseName, m.RatioName, m.LowName, m.HighName]).OfType<string>().Distinct(StringComparer.Ordinal)];

    private static string Word(double value) => double.IsNaN(value) ? "NaN" : value > 0 ? "infinity" : "minus infinity";
}
