using System.Globalization;
using Lathe.Cli.Output;
using Lathe.Contracts;
using Lathe.Quantizer;
using static Lathe.Cli.Report.Svg;

namespace Lathe.Cli.Report;

/// <summary>A sweep as one page of HTML that asks for nothing from anywhere, and is well-formed XML too.</summary>
internal static class ReportPage
{
    private const int MostClasses = 24;
    private const int MostColumns = 10;

    /// <summary>The whole page.</summary>
    public static string Html(SweepReport report)
    {
        var sweep = report.Sweep;
        var missing = report.Steps.Where(s => s.Problem is not null).ToList();
        return $"""
            <!DOCTYPE html>
            <html lang="en"><head><meta charset="utf-8" />
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'" />
            <meta name="viewport" content="width=device-width, initial-scale=1" />
            <title>{Text(sweep.Name)}</title>
            <style>{ReportStyle.Plots}{ReportStyle.Page}</style></head>
            <body><main>
            <h1>{Text(sweep.Name)}</h1>
            <p class="soft">{Text(Head(report))}</p>
            {string.Concat(missing.Select(s => $"<p class=\"note\">{Text($"{s.Stage} {Figures.Digest(s.Checkpoint.Sha256)} is left out of the plots: {s.Problem}")}</p>"))}
            {Section("Results", Results(report))}
            {Section("Accuracy and cost", Plots(ReportPlots.Costs(report)))}
            {Section("Pruning", Plots(ReportPlots.Pruning(report)))}
            {Section("Quantization", Quantization(report))}
            {Section("Training", Plots(ReportPlots.Training(report)))}
            {Section("Classes", Classes(report))}
            {Section("Lineage", Lineage(report))}
            {Section("Made with", Environment(report))}
            {Section("Do it again", Commands(report))}
            </main></body></html>

            """;
    }

    /// <summary>A plot as a file of its own.</summary>
    public static string File(ReportPlot plot)
    {
        var svg = Svg.Titled(plot.Svg, plot.Title);
        var end = svg.IndexOf('>', StringComparison.Ordinal) + 1;
        return $"{svg[..end]}<style>{ReportStyle.Plots} svg.plot {{ background: var(--paper); }}</style>{svg[end..]}\n";
    }

    private static string Head(SweepReport report)
    {
        var sweep = report.Sweep;
        var from = report.Leaves.Select(l => $"{StoredModel.Shown(l.Model)} on {l.Dataset}").Distinct().ToList();
        return $"{string.Join(", ", from)}. Sweep {sweep.Id}, {Words.Of(sweep.State)}, submitted {Moment(sweep.SubmittedAt)}"
            + (sweep.FinishedAt is { } end ? $", finished {Moment(end)}" : "");
    }

    private static string Moment(DateTimeOffset moment) => moment.ToUniversalTime().ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture) + " UTC";

    private static string Section(string title, string content) => content.Length == 0 ? "" : $"<section><h2>{title}</h2>\n{content}</section>";

    private static string Plots(IReadOnlyList<ReportPlot> plots) => plots.Count == 0 ? "" : $"<div class=\"plots\">{string.Concat(plots.Select(Figure))}</div>";

    private static string Figure(ReportPlot plot) =>
        $"<figure><h3>{Text(plot.Title)}</h3>{plot.Svg}{(plot.Caption.Length > 0 ? $"<figcaption>{Text(plot.Caption)}</figcaption>" : "")}</figure>\n";

    private static string Table(IEnumerable<string> head, IEnumerable<string> rows) =>
        $"<div class=\"wide\"><table><thead><tr>{string.Concat(head.Select(h => $"<th scope=\"col\"{(h is "way" or "version" ? " class=\"text\"" : "")}>{Text(h)}</th>"))}</tr></thead><tbody>{string.Concat(rows)}</tbody></table></div>";

    private static string Cell(string figure, string below = "") => $"<td>{Text(figure)}{(below.Length > 0 ? $"<small>{Text(below)}</small>" : "")}</td>";

    private static string Results(SweepReport report)
    {
        var best = report.Leaves.Select(l => l.Figure("top1")).Max();
        return Table(["#", "way", "top-1 %", "points", "params", "mults", "bits", "KiB", "peak KiB", "time"], report.Leaves.Select((leaf, i) => Row(report, leaf, i, best)))
            + "<p class=\"soft\">Below a way: its checkpoint. Below a figure: of top-1 the 95% interval, else its share of the dense network's. Points are lost or won against the dense network on the same images. "
            + "KiB are stored tensors, peak KiB the activations of one image. The most accurate result is bold.</p>";
    }

    private static string Row(SweepReport report, LeafResult leaf, int i, double? best)
    {
        var metrics = leaf.Stages.Count > 0 ? leaf.Stages[^1].Metrics : new Dictionary<string, double>();
        double? Metric(string name) => metrics.TryGetValue(name, out var value) ? value : null;
        var denseBytes = Metric("bytesDense") ?? 4 * leaf.Figure("parameters") / leaf.Figure("parametersRatio");
        var interval = Metric("top1Low") is { } low ? $"{Figures.Percent(low)} to {Figures.Percent(Metric("top1High"))}" : "";
        var state = leaf.Figure("top1") is null && leaf.State is not (ExecutionState.Completed or ExecutionState.Cached) ? Words.Of(leaf.State) : Figures.Percent(leaf.Figure("top1"));
        return $"<tr{(leaf.Figure("top1") is not null && leaf.Figure("top1") == best ? " class=\"best\"" : "")}><td>{i + 1}</td><td class=\"way\">{Text(report.Names[i])}{(Ways.Checkpoint(leaf) is { } made ? $"<small>{Text(Figures.Digest(made.Sha256))}</small>" : "")}</td>"
            + Cell(state, interval)
            + Cell(Figures.Points(leaf.Figure("top1") - leaf.Figure("top1Dense")), Metric("changedPredictions") is { } changed ? $"{Figures.Percent(changed)}% changed" : "")
            + Cell(Figures.Count(leaf.Figure("parameters")), Figures.Ratio(leaf.Figure("parametersRatio")))
            + Cell(Figures.Count(leaf.Figure("multiplications")), Figures.Ratio(leaf.Figure("multiplicationsRatio")))
            + Cell(leaf.Figure("parameters") is null ? "-" : Figures.Bits(leaf.Figure("bits")))
            + Cell(Figures.Kilobytes(leaf.Figure("bytes")), Figures.Times(denseBytes / leaf.Figure("bytes")))
            + Cell(Figures.Kilobytes(Metric("peakActivationBytes")), Figures.Ratio(Metric("peakActivationBytes") / Metric("peakActivationBytesDense")))
            + Cell(leaf.Stages.All(s => s.Seconds is null) ? "-" : Figures.Time(leaf.Stages.Sum(s => s.Seconds ?? 0)), leaf.Stages.All(s => s.Cached) ? "cached" : "")
            + "</tr>\n";
    }

    private static string Quantization(SweepReport report)
    {
        var read = report.Steps.Where(s => s.Stage == QuantizeStage.Manifest.Name)
            .Select(s => (s.Name, s.Step, Record: QuantizationRecord.TryRead(s.Step?.Records))).Where(s => s.Record is not null).ToList();
        var rounded = read.Where(s => s.Step!.Facts.ContainsKey("validationTop1Before")).Select(s => (s.Name, Step: s.Step!, ComputesRounded: QuantizationTable.ComputesRounded(s.Step!))).ToList();
        var roundings = rounded.Select(s =>
            $"<tr><td class=\"way\">{Text(s.Name)}</td>{Cell(s.ComputesRounded ? "-" : Percent(s.Step.Facts, "validationTop1Before"))}{Cell(Percent(s.Step.Facts, "validationTop1After"))}"
            + $"{Cell(s.Step.Facts.TryGetValue("residual", out var residual) ? Figures.Residual(residual) : "-")}</tr>").ToList();
        var rounding = roundings.Count == 0 ? "" : "<p class=\"soft\">Top-1 on held-out images just before and just after the final rounding, and the root mean square distance, in steps Δ, by which it moves weights."
            + (rounded.Exists(s => s.ComputesRounded) ? " Where there is no before, the network was trained with rounded weights (ste, proximal): the rounding changes nothing that it computes." : "") + "</p>"
            + Table(["quantization", "before, %", "after, %", "residual"], roundings);
        var tables = read.Select(s => $"<details><summary>Layers of {Text(s.Name)}</summary>" + Table(
                ["layer", "bits", "step Δ", "weights", "below 0, %", "zeros %", "above 0, %", "outer modes, %", "residual"],
                s.Record!.Layers.Select(l => $"<tr><td>{Text(l.Layer)}</td>{Cell($"{l.Bits}")}{Cell($"2^{-l.Fraction}")}{Cell(Figures.Count(l.Weights))}{Cell(Figures.Percent(l.Negative))}"
                    + $"{Cell(Figures.Percent(l.Zeros))}{Cell(Figures.Percent(1 - l.Negative - l.Zeros))}{Cell(Figures.Percent(l.Outer))}{Cell(Figures.Residual(l.Residual))}</tr>")) + "</details>\n");
        var layers = ReportPlots.Layers(report);
        return rounding + Plots(ReportPlots.Quantization(report)) + string.Concat(tables)
            + (layers.Count == 0 ? "" : $"<details><summary>Distributions of single layers</summary>{Plots(layers)}</details>");
    }

    private static string Percent(IReadOnlyDictionary<string, double> facts, string name) => facts.TryGetValue(name, out var share) ? Figures.Percent(share) : "-";

    private static string Classes(SweepReport report)
    {
        var measured = report.Leaves.Select((leaf, i) => (leaf, Number: i + 1, Record: ReportPlots.Evaluation(leaf))).Where(l => l.Record is not null).Take(MostColumns).ToList();
        if (measured.Count == 0) return "";
        var first = measured[0];
        var classes = Enumerable.Range(0, measured.Min(l => l.Record!.Images.Count))
            .OrderBy(c => first.Record!.Images.Count > MostClasses ? measured.Min(l => ConfusionPlot.Right(l.Record!, c) ?? 1) : 0).Take(MostClasses).ToList();
        var rows = classes.Select(c =>
            $"<tr><td>{Text(ClassNames.Of(first.leaf.Dataset, c))}</td>{Cell(Figures.Count(first.Record!.Images[c]))}{string.Concat(measured.Select(l => Cell(Figures.Percent(ConfusionPlot.Right(l.Record!, c)))))}</tr>");
        var table = Table(["class", "images", .. measured.Select(l => $"{l.Number}: %")], rows);
        var confusions = ReportPlots.Confusions(report);
        var matrices = confusions.Count == 0 ? "" : Plots([confusions[0]])
            + (confusions.Count == 1 ? "" : $"<details><summary>Confusion matrices of the other results</summary>{Plots([.. confusions.Skip(1)])}</details>");
        return $"<p class=\"soft\">Share of each class's test images classified right, by result{(classes.Count < first.Record!.Images.Count ? $"; the {MostClasses} classes with the lowest share" : "")}.</p>{table}"
            + (matrices.Length == 0 ? "" : $"<h3 style=\"margin-top:1rem\">Confusion matrix of the most accurate result</h3>{matrices}");
    }

    private static string Lineage(SweepReport report) => report.Steps.Count == 0 ? "" : string.Concat(report.Steps.Select(s =>
    {
        var facts = s.Step is null ? "" : "<p class=\"soft\">" + Text(string.Join(", ", s.Step.Facts.Select(f => $"{f.Key} {f.Value.ToString("0.######", CultureInfo.InvariantCulture)}"))) + "</p>";
        var parameters = s.Step is null ? "" : $"<pre>{Text(string.Join('\n', s.Step.Parameters.EnumerateObject().Select(p => $"{p.Name}: {Ways.Value(p.Value)}")))}</pre>";
        var from = s.Step?.Input is { } input ? $", from <code>{Text(Figures.Digest(input.Sha256))}</code>" : "";
        var data = s.Step is null ? "" : $", {Text(s.Step.Data.Name)} <code>{Text(Figures.Digest(s.Step.Data.Fingerprint))}</code>, seed {s.Step.Seed}, stage version {Text(s.Step.Version)}";
        return $"<details><summary>{Text(s.Name)} <code>{Text(Figures.Digest(s.Checkpoint.Sha256))}</code></summary><p class=\"soft\">Checkpoint <code>{Text(s.Checkpoint.Sha256)}</code>, {Text(Figures.Size(s.Checkpoint.Bytes))}{from}{data}</p>{facts}{parameters}</details>\n";
    }));

    private static string Environment(SweepReport report)
    {
        var versions = report.Steps.Where(s => s.Step is not null).SelectMany(s => s.Step!.Versions)
            .GroupBy(v => v.Key, v => v.Value).OrderBy(g => g.Key, StringComparer.Ordinal).ToList();
        return versions.Count == 0 ? "" : Table(["what", "version"], versions.Select(v => $"<tr><td>{Text(v.Key)}</td><td class=\"text\">{Text(string.Join(", ", v.Distinct()))}</td></tr>"));
    }

    private static string Commands(SweepReport report)
    {
        var made = report.Leaves.Select((leaf, i) => (Checkpoint: Ways.Checkpoint(leaf), Number: i + 1)).Where(l => l.Checkpoint is not null);
        var evaluate = made.Select(l => $"lathe evaluate {Figures.Digest(l.Checkpoint!.Sha256)}  # {l.Number}");
        return $"<pre>{Text(string.Join('\n', [$"lathe results {report.Sweep.Id}", $"lathe report {report.Sweep.Id}", .. evaluate]))}</pre>"
            + "<p class=\"soft\">Each result from the start, with every parameter spelled out; save it as a file and give it to <code>lathe run</code>:</p>"
            + string.Concat(report.Leaves.Select((leaf, i) => $"<details><summary>{i + 1}: {Text(report.Names[i])}</summary><pre>{Text(SweepFile(report, leaf, i + 1))}</pre></details>\n"));
    }

    private static string SweepFile(SweepReport report, LeafResult leaf, int number)
    {
        var threads = report.Steps.FirstOrDefault(s => leaf.Stages.Any(stage => stage.Checkpoint?.Sha256 == s.Checkpoint.Sha256))?.Step?.Versions.GetValueOrDefault("threads");
        string[] head = [$"name: {Quoted($"{report.Sweep.Name}-{number}")}", $"model: {Quoted(leaf.Model)}", $"dataset: {Quoted(leaf.Dataset)}", $"seed: {leaf.Seed}"];
        return string.Join('\n', [
            .. head,
            .. threads is null ? Array.Empty<string>() : [$"threads: {threads}"],
            "stages:",
            .. leaf.Stages.Select(s => $"  - {Quoted(s.Stage)}: {{{string.Join(", ", s.Parameters.EnumerateObject().Where(p => p.Name != "model").Select(p => $" {Quoted(p.Name)}: {CanonicalJson.Write(p.Value)}"))} }}"),
        ]);

        // JSON's strings are YAML's too.
        static string Quoted(string text) => text.Length > 0 && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_') && !char.IsAsciiDigit(text[0]) ? text : System.Text.Json.JsonSerializer.Serialize(text);
    }
}
