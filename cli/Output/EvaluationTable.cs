using Lathe.Evaluator;
using Lathe.NN.Training;
using Spectre.Console;

namespace Lathe.Cli.Output;

/// <summary>What <c>lathe evaluate</c> found.</summary>
/// <param name="File">The checkpoint's file.</param>
/// <param name="Model">Name of its network.</param>
/// <param name="Dataset">Name of the data set.</param>
/// <param name="Metrics">Figures by name.</param>
/// <param name="Records">Accuracy of each class, and what was taken for what.</param>
internal sealed record CheckpointEvaluation(
    string File, string Model, string Dataset, IReadOnlyDictionary<string, double> Metrics, EvaluationRecord Records);

/// <summary>An evaluation for people.</summary>
internal static class EvaluationTable
{
    // A thousand classes would fill many screens; the JSON has all of them.
    private const int MostClasses = 20;

    public static void Show(CheckpointEvaluation found, Terminal terminal)
    {
        terminal.Line($"{found.Model} on {Figures.Count(Metric(found, "images"))} test images of {found.Dataset} ({found.File})");
        terminal.Line("");
        terminal.Write(Totals(found));
        terminal.Line("");
        if (LatencyTable.IsIn(found.Metrics))
        {
            var threads = Metric(found, "latencyThreads");
            terminal.Line($"times, taken in turns in one process, {threads} thread{(threads == 1 ? "" : "s")}; speed against the dense network");
            terminal.Line("");
            terminal.Write(LatencyTable.Of(found.Metrics));
            foreach (var warning in LatencyTable.Warnings(found.Metrics)) terminal.Line(warning);
            terminal.Line("");
        }

        terminal.Write(Classes(found));
        var classes = found.Records.Images.Count;
        if (classes > MostClasses) terminal.Line($"the {MostClasses} classes told apart worst of {classes}; --json has all");
    }

    /// <summary>One row for each figure, beside that of the dense ancestor.</summary>
    public static Table Totals(CheckpointEvaluation found)
    {
        var table = Columns("", "this", "dense", "");
        var top1 = Metric(found, "top1");
        Row("top-1 %", Figures.Percent(top1), Figures.Percent(Metric(found, "top1Dense")),
            $"95% interval {Figures.Percent(Metric(found, "top1Low"))} to {Figures.Percent(Metric(found, "top1High"))}");
        if (Metric(found, "top5") is { } top5) Row("top-5 %", Figures.Percent(top5), Figures.Percent(Metric(found, "top5Dense")), "");
        if (Metric(found, "top1Dense") is { } dense)
            Row("points", Figures.Points(top1 - dense), "", $"{Figures.Percent(Metric(found, "changedPredictions"))}% of answers changed");
        Row("loss", Figures.Loss(Metric(found, "loss")), Figures.Loss(Metric(found, "lossDense")), "");
        Row("parameters", Figures.Count(Metric(found, "parameters")), Over("parameters"), "");
        Row("multiplications", Figures.Count(Metric(found, "multiplications")), Over("multiplications"), "for one image");
        Row("bits", Figures.Bits(Metric(found, "bits")), "", "of a weight");
        Row("KiB", Figures.Kilobytes(Metric(found, "bytes")), Figures.Kilobytes(Metric(found, "bytesDense")), "tensors as stored");
        Row("peak KiB", Figures.Kilobytes(Metric(found, "peakActivationBytes")), Figures.Kilobytes(Metric(found, "peakActivationBytesDense")), "activations of one image");
        if (Metric(found, "top1FixedPoint") is { } fixedPoint)
        {
            Row("fixed-point %", Figures.Percent(fixedPoint), "", $"top-1 without floats; {Figures.Percent(Metric(found, "changedFixedPoint"))}% changed");
            Row("engine KiB", Figures.Kilobytes(Metric(found, "modelBytesFixedPoint")), "", $"and {Figures.Kilobytes(Metric(found, "workspaceBytesFixedPoint"))} to work in");
        }

        return table;

        string Over(string name) => Figures.Count(Metric(found, name) / Metric(found, $"{name}Ratio"));

        void Row(params string[] cells) => table.AddRow([.. cells.Select(cell => new Text(cell))]);
    }

    /// <summary>One row for each class, the worst only where there are many.</summary>
    public static Table Classes(CheckpointEvaluation found)
    {
        var record = found.Records;
        var table = Columns("class", "images", "right %", "most often taken for");
        var shown = Enumerable.Range(0, record.Images.Count);
        if (record.Images.Count > MostClasses)
            shown = shown.Where(c => record.Images[c] > 0).OrderBy(c => record.Right[c] / (double)record.Images[c]).Take(MostClasses);
        foreach (var label in shown)
        {
            var mistake = Worst(record, label);
            table.AddRow(
                new Text($"{label}"), new Text(Figures.Count(record.Images[label])),
                new Text(Figures.Percent(record.Images[label] == 0 ? null : record.Right[label] / (double)record.Images[label])),
                new Text(mistake is null ? "" : $"{mistake.TakenFor} ({Figures.Count(mistake.Images)})"));
        }

        return table;
    }

    /// <summary>What a class was taken for most often; of very many classes only what is among the worst of all is known.</summary>
    private static Mistake? Worst(EvaluationRecord record, int label) => record.Confusion is { } confusion
        ? new ConfusionMatrix([.. confusion.Select((row, i) => i == label ? row : new int[row.Length])]).Mistakes(1) is [var worst] ? worst : null
        : record.Mistakes.FirstOrDefault(m => m.Label == label);

    private static double? Metric(CheckpointEvaluation found, string name) => found.Metrics.TryGetValue(name, out var value) ? value : null;

    private static Table Columns(params string[] names)
    {
        var table = new Table().Border(TableBorder.None);
        for (var i = 0; i < names.Length; i++)
        {
            var column = new TableColumn(new Markup($"[bold]{names[i]}[/]")).PadLeft(0).PadRight(2).NoWrap();
            table.AddColumn(i == 0 || i == names.Length - 1 ? column : column.RightAligned());
        }

        return table;
    }
}
