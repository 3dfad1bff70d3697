using Lathe.Cli.Embedded;
using Lathe.Contracts;
using Lathe.Reports.Terminals;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Lathe.Cli.Output;

/// <summary>A page of executions as a table, each with its number and its whole name.</summary>
internal static class ExecutionList
{
    private const int LeastName = 24;

    /// <summary>Draws the page.</summary>
    /// <param name="page">The executions.</param>
    /// <param name="width">Columns of the terminal.</param>
    public static IRenderable Render(ExecutionPage page, int width)
    {
        var names = Names(page);
        var progress = page.Executions.Select(e => e.State == ExecutionState.Running ? e.Progress : null).ToList();
        var columns = new (TextColumn Head, Func<ExecutionStatus, StageProgress?, string> Text)[]
        {
            (new TextColumn("time", IsRight: true), (e, _) => e.Seconds is { } seconds ? Figures.Time(seconds) : ""),
            (new TextColumn("epoch", IsRight: true), (_, p) => Figures.Epoch(p?.Epoch, p?.Epochs)),
            (new TextColumn("loss", IsRight: true), (e, p) => Optional(p?.Loss ?? Judged(e, Better.Lower, MetricFormat.Number), Figures.Loss)),
            (new TextColumn("acc %", IsRight: true), (e, p) => Optional(p?.Accuracy ?? Judged(e, Better.Higher, MetricFormat.Percent), Figures.Percent)),
            ("worker", (e, _) => ExecutionNames.Cut(e.Worker?.Split(':')[0] ?? "", 20)),
        }.Select(c => (c.Head, Cells: page.Executions.Zip(progress, c.Text).ToList())).Where(c => c.Cells.Exists(cell => cell.Length > 0)).ToList();
        var states = page.Executions.Select(e => Words.Of(e.State)).ToList();
        var others = columns.Sum(c => 1 + Math.Max(c.Head.Title.Length, c.Cells.Max(cell => cell.Length))) + 1 + Math.Max("state".Length, states.Max(s => s.Length)) + $"{page.Executions[^1].Index}".Length + 2;
        var table = new TextTable([new TextColumn("#", IsRight: true), "execution", "state", .. columns.Select(c => c.Head)], 1);
        foreach (var (i, execution) in page.Executions.Index())
        {
            table.Add([
                new Text($"{execution.Index}"),
                new Text(names.Lines(execution, Math.Max(LeastName, width - others))),
                new Markup($"[{Words.Colour(execution.State)}]{states[i]}[/]"),
                .. columns.Select(c => new Text(c.Cells[i]))]);
        }

        return table.Content;
    }

    /// <summary>Why executions of the page failed, one line each.</summary>
    public static IEnumerable<string> Failures(ExecutionPage page)
    {
        return page.Executions.Where(e => e.State == ExecutionState.Failed).Select(e => $"{e.Index} failed: {e.Error}");
    }

    private static ExecutionNames Names(ExecutionPage page) => new([.. page.Above ?? [], .. page.Executions], isPart: true);

    private static string Optional(double? value, Func<double?, string> format) => value is null ? "" : format(value);

    private static double? Judged(ExecutionStatus execution, Better better, MetricFormat format) =>
        BuiltInStages.Judging(execution, better, format) is { } metric ? execution.Metrics[metric.Name] : null;
}
