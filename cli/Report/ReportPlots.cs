using System.Text.Json;
using Lathe.Cli.Output;
using Lathe.Contracts;
using Lathe.Evaluator;
using Lathe.NN.Checkpoints;
using Lathe.NN.Training;
using Lathe.Pruner;
using Lathe.Quantizer;

namespace Lathe.Cli.Report;

/// <summary>A plot of a report.</summary>
/// <param name="File">Name of its file, without an ending.</param>
/// <param name="Title">What it is about; not escaped.</param>
/// <param name="Svg">The drawing.</param>
/// <param name="Caption">What to see in it; not escaped.</param>
internal sealed record ReportPlot(string File, string Title, string Svg, string Caption = "");

/// <summary>All plots that a sweep has the data for, by section.</summary>
internal static class ReportPlots
{
    // So many lines still can be told apart.
    private const int MostLines = Report.Svg.Styles;

    /// <summary>All of them.</summary>
    public static IReadOnlyList<ReportPlot> All(SweepReport report) =>
        [.. Costs(report), .. Pruning(report), .. Quantization(report), .. Layers(report), .. Training(report), .. Confusions(report)];

    public static IReadOnlyList<ReportPlot> Costs(SweepReport report)
    {
        var plots = new List<ReportPlot>();
        Add("accuracy-multiplications", "Accuracy against multiplications", "multiplications for one image", leaf => leaf.Figure("multiplications"));
        Add("accuracy-bytes", "Accuracy against size", "bytes of stored tensors", leaf => leaf.Figure("bytes"));
        return plots;

        void Add(string file, string title, string cost, Func<LeafResult, double?> of)
        {
            var points = ScatterPlot.Points(report.Leaves, report.Names, of);
            if (points.Count > 0) plots.Add(new ReportPlot(file, title, ScatterPlot.Draw(points, cost), "Numbers are those of the table; where results crowd, only some have one, those on the front first."));
        }
    }

    /// <summary>Loss, accuracy and learning rate of what was trained for more than one epoch: one point makes no line.</summary>
    public static IReadOnlyList<ReportPlot> Training(SweepReport report) =>
        [.. report.Steps.GroupBy(s => s.Stage).SelectMany(group => Chunks(group.Select(s => (s.Name, Record: TrainingRecord.TryRead(s.Step?.Records)?.Training)).Where(s => s.Record?.Epochs.Count > 1)
            .Select(s => (s.Name, Record: s.Record!))).SelectMany((some, n) => (ReportPlot[])
            [
                Lines($"{group.Key}-loss{Suffix(n)}", $"{group.Key}: training loss", "loss", some, s => s.Loss),
                Lines($"{group.Key}-accuracy{Suffix(n)}", $"{group.Key}: training accuracy", $"accuracy on {(group.All(IsPlain) ? "training" : "augmented")} images, %", some, s => [.. s.Accuracy.Select(a => 100 * a)]),
                Lines($"{group.Key}-learning-rate{Suffix(n)}", $"{group.Key}: learning rate", "learning rate", some, s => s.LearningRate),
            ]))];

    public static IReadOnlyList<ReportPlot> Pruning(SweepReport report)
    {
        var read = report.Steps.Where(s => s.Stage == PruneStage.Manifest.Name)
            .Select((s, n) => (Step: s, Number: n, Record: PruningRecord.TryRead(s.Step?.Records))).Where(s => s.Record is not null).ToList();
        return
        [
            .. read.SelectMany(s => (ReportPlot[])
            [
                .. Bars(s.Record!, $"prune-widths{Suffix(s.Number)}", $"Widths, {s.Step.Name}", "channels", l => new LayerBar(l.Layer, l.WidthBefore, l.WidthAfter)),
                .. Bars(s.Record!, $"prune-multiplications{Suffix(s.Number)}", $"Multiplications, {s.Step.Name}", "multiplications",
                    l => new LayerBar(l.Layer, l.MultiplicationsBefore, l.MultiplicationsAfter)),
                .. s.Record!.Path.Count == 0 ? Array.Empty<ReportPlot>()
                    : [new ReportPlot($"prune-path{Suffix(s.Number)}", $"Sizes, {s.Step.Name}", Path(s.Step, s.Record), $"On the way to the choice of channels and at the end of each epoch, and what they have to come to.{FinishOf(s.Step)}")],
            ]),
        ];
    }

    public static IReadOnlyList<ReportPlot> Quantization(SweepReport report)
    {
        var read = report.Steps.Where(s => s.Stage == QuantizeStage.Manifest.Name)
            .Select((s, n) => (s.Name, Number: n, Record: QuantizationRecord.TryRead(s.Step?.Records))).Where(s => s.Record is not null).ToList();
        var moving = Chunks(read.Where(s => s.Record!.Course.Epochs.Count > 1).Select(s => (s.Name, Record: s.Record!.Course)));
        return
        [
            .. moving.Select((some, n) => Course($"quantize-changes{Suffix(n)}", "Weights that changed their mode", "share in the epoch, %", some, c => [.. c.Changed.Select(v => 100 * v)])),
            .. moving.Select((some, n) => Course($"quantize-residual{Suffix(n)}", "Distance from the modes", "RMS, in steps Δ", some, c => c.Residual, isLogarithmic: true)),
            .. read.SelectMany(s => s.Record!.Histograms.Where(h => h.Layer is null && h.Counts.Count > 0).Select((h, i) =>
                new ReportPlot($"quantize-weights{Suffix(s.Number)}{(i > 0 ? $"-{h.Bits}" : "")}", $"Weights, {s.Name}", HistogramPlot.Draw(h, WeightRidges.About(h, s.Record.Layers)),
                    "Their distribution, each ridge as high as its fullest bin. What lies beyond the ends counts for the outermost bins."))),
            .. read.Where(s => s.Record!.Layers.Any(l => l.Negative is not null)).Select(s =>
                new ReportPlot($"quantize-modes{Suffix(s.Number)}", $"Modes, {s.Name}", ModeSharesPlot.Draw(s.Record!.Layers))),
        ];
    }

    /// <summary>The distributions of single layers.</summary>
    public static IReadOnlyList<ReportPlot> Layers(SweepReport report) =>
        [.. report.Steps.Where(s => s.Stage == QuantizeStage.Manifest.Name).SelectMany((step, n) =>
            (QuantizationRecord.TryRead(step.Step?.Records)?.Histograms ?? []).Where(h => h.Layer is not null && h.Counts.Count > 0).Select((h, i) =>
                new ReportPlot($"quantize-weights{Suffix(n)}-layer{Suffix(i)}", step.Name, HistogramPlot.Draw(h, WeightRidges.About(h, [])))))];

    /// <summary>Confusion matrices, of the most accurate result first.</summary>
    public static IReadOnlyList<ReportPlot> Confusions(SweepReport report) =>
        [.. report.Leaves.Select((leaf, i) => (leaf, i, Record: Evaluation(leaf))).Where(l => l.Record?.Confusion is not null).OrderByDescending(l => l.leaf.Figure("top1")).Select(l =>
            new ReportPlot($"confusion{Suffix(l.i)}", $"{l.i + 1}: {report.Names[l.i]}", ConfusionPlot.Draw(l.Record!.Confusion!, l.Record.Images, c => ClassNames.Of(l.leaf.Dataset, c)),
                $"{Output.Figures.Percent(l.leaf.Figure("top1"))}% right."))];

    /// <summary>What the last stage of a way kept of its evaluation.</summary>
    public static EvaluationRecord? Evaluation(LeafResult leaf) => leaf.Stages.Count == 0 ? null : EvaluationRecord.TryRead(leaf.Stages[^1].Records);

    /// <summary>A step that trained on images as they are.</summary>
    private static bool IsPlain(ReportedStep step) =>
        step.Step is { } made && made.Parameters.TryGetProperty("augment", out var augment) && augment.ValueKind == JsonValueKind.False;

    private static IEnumerable<ReportPlot> Bars(PruningRecord record, string file, string title, string unit, Func<PrunedLayer, LayerBar> bar) =>
        record.Layers.Count == 0 ? [] : [new ReportPlot(file, title, LayerPlot.Draw([.. record.Layers.Select(bar)], unit))];

    /// <summary>What training did with its gates, and the exact finish after it; nothing where the step does not tell.</summary>
    private static string FinishOf(ReportedStep step) =>
        (step.Step!.Facts.TryGetValue("gatesClosed", out var shut) && step.Step.Facts.TryGetValue("gatesReopened", out var back) && shut > 0
            ? $" Training closed gates {shut:0} times and opened {back:0} of them again." : "")
        + (step.Step!.Facts.TryGetValue("gatesClosedByFinish", out var closed) && step.Step.Facts.TryGetValue("gatesReopenedByFinish", out var reopened)
            ? $" To meet the targets to the channel the exact finish closed {closed:0} and reopened {reopened:0}." : "");

    /// <summary>When channels were chosen, in epochs; null where that is before the first, or unknown.</summary>
    private static double? ChosenAt(LineageStep step)
    {
        var parameters = step.Parameters;
        return Number("pruningShare") is { } share && Number("epochs") is { } epochs && parameters.TryGetProperty("method", out var method)
            && method.ValueKind == JsonValueKind.String && method.GetString() is "hfp" or "slimming" ? share * epochs : null;

        double? Number(string name) => parameters.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : null;
    }

    private static string Path(ReportedStep step, PruningRecord record)
    {
        var (parameters, multiplications) = (Dense("parameters"), Dense("multiplications"));
        double[] epochs = [.. record.Path.Select(p => p.Epoch)];
        var series = new List<LineSeries>
        {
            new("parameters", epochs, [.. record.Path.Select(p => p.Parameters / parameters)], 1),
            new("multiplications", epochs, [.. record.Path.Select(p => p.Multiplications / multiplications)], 2),
        };
        if (record.Path.All(p => p.TargetParameters is not null))
            series.Add(new LineSeries("target of parameters", epochs, [.. record.Path.Select(p => p.TargetParameters!.Value / parameters)], 1, IsTarget: true));
        if (record.Path.All(p => p.TargetMultiplications is not null))
            series.Add(new LineSeries("target of multiplications", epochs, [.. record.Path.Select(p => p.TargetMultiplications!.Value / multiplications)], 2, IsTarget: true));
        return LinePlot.Draw(series, "epoch", "share of the input network's", fromZero: true, ChosenAt(step.Step!) is { } at ? ("channels chosen", at) : null);

        double Dense(string name) =>
            step.Step!.Facts.TryGetValue(name, out var size) && step.Step.Facts.TryGetValue($"{name}Ratio", out var ratio) && ratio > 0 ? size / ratio
                : Math.Max(1, name == "parameters" ? record.Layers.Sum(l => l.ParametersBefore) : record.Layers.Sum(l => l.MultiplicationsBefore));
    }

    private static ReportPlot Lines(
        string file, string title, string y, IReadOnlyList<(string Name, TrainingCourse Record)> courses, Func<TrainingCourse, IReadOnlyList<double>> of) =>
        new(file, title, LinePlot.Draw([.. courses.Select((c, i) => new LineSeries(c.Name, [.. c.Record.Epochs.Select(e => (double)e)], of(c.Record), i))], "epoch", y));

    private static ReportPlot Course(
        string file, string title, string y, IReadOnlyList<(string Name, ModeCourse Record)> courses, Func<ModeCourse, IReadOnlyList<double>> of,
        bool isLogarithmic = false) =>
        new(file, title, LinePlot.Draw(
            [.. courses.Select((c, i) => new LineSeries(c.Name, [.. c.Record.Epochs.Select(e => (double)e)], of(c.Record), i))], "epoch", y, fromZero: true, isLogarithmic: isLogarithmic));

    private static IReadOnlyList<IReadOnlyList<T>> Chunks<T>(IEnumerable<T> all) => [.. all.Chunk(MostLines)];

    private static string Suffix(int n) => n == 0 ? "" : $"-{n + 1}";
}
