using Lathe.Contracts;
using Lathe.Reports.Terminals;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Lathe.Cli.Output;

/// <summary>A sweep of many executions on one screen: its stages with counts, what runs, what failed and why.</summary>
internal static class SweepOverview
{
    /// <summary>A sweep with more executions than this is shown as an overview, one with fewer as a tree.</summary>
    public const int Many = 30;

    private const int MostRunning = 8;
    private const int MostReasons = 5;
    private const int WideTerminal = 100;

    // A blank line, a head, and how many more there are.
    private const int BlockLines = 3;

    private static readonly ExecutionState[] Order =
    [
        ExecutionState.Waiting, ExecutionState.Ready, ExecutionState.Queued, ExecutionState.Running, ExecutionState.Completed, ExecutionState.Cached,
        ExecutionState.Failed, ExecutionState.Skipped, ExecutionState.Paused, ExecutionState.Cancelled,
    ];

    /// <summary>Draws what fits: the tree of a small sweep, or the overview of one with many executions.</summary>
    /// <param name="sweep">How it stands.</param>
    /// <param name="now">Time to count from, for what is running.</param>
    /// <param name="width">Columns of the terminal.</param>
    /// <param name="height">Lines that may be used.</param>
    public static IRenderable Screen(SweepStatus sweep, DateTimeOffset now, int width, int height = int.MaxValue) =>
        sweep.Size > Many ? Render(sweep, now, width, height) : ExecutionTable.Render(sweep, now, height, width);

    /// <inheritdoc cref="Screen"/>
    public static IRenderable Render(SweepStatus sweep, DateTimeOffset now, int width, int height = int.MaxValue)
    {
        var lines = new List<IRenderable> { Stages(sweep, width) };
        lines.AddRange(Missing(sweep).Select(line => new Text(line, new Style(Color.Yellow))));
        // What runs and what failed share the lines that are left, between their own heads, rests and the last lines.
        var room = height - (sweep.Steps?.Count ?? 0) - lines.Count - 3 - BlockLines - (sweep.Failures is null ? 0 : BlockLines);
        var reasons = Failures(sweep, Math.Clamp(room / 2, 1, MostReasons), height == int.MaxValue ? width * 2 : width);
        lines.AddRange(Running(sweep, Math.Clamp(room - reasons.Count, 1, MostRunning), width));
        lines.AddRange(reasons);
        if (sweep.Executions.FirstOrDefault(e => e is { State: ExecutionState.Ready or ExecutionState.Queued, Error: not null }) is { } again)
            lines.Add(Line($"execution {again.Index} ({Ways.Label(again)}) is tried again: {again.Error}", width));
        lines.Add(Space);
        lines.Add(new Text(ExecutionTable.Summary(sweep, now)));
        return new Rows(lines);
    }

    /// <summary>Stages whose work waits for a worker that is not up.</summary>
    public static IEnumerable<string> Missing(SweepStatus sweep) =>
        sweep.State is not (SweepState.Running or SweepState.Preparing) ? []
        : (sweep.Steps ?? []).Where(s => s.HasWorker == false && s.In(ExecutionState.Ready) + s.In(ExecutionState.Queued) > 0).DistinctBy(s => (s.Stage, s.Version, s.Pool))
            .Select(s => $"no worker of {s.Stage} version {s.Version} is up{(s.Pool is null ? "" : $" in the pool {s.Pool}")}; start one with: lathe worker {s.Stage}{(s.Pool is null ? "" : $" --pool {s.Pool}")}");

    private static Text Space => new(" ");

    private static IRenderable Stages(SweepStatus sweep, int width)
    {
        var steps = sweep.Steps ?? [];
        var states = Order.Where(state => steps.Any(s => s.In(state) > 0)).ToList();
        var table = new TextTable(
            [new TextColumn("stage"), .. states.Select(state => new TextColumn(Words.Of(state), IsRight: true)), new TextColumn("all", IsRight: true)],
            width >= WideTerminal ? TextTable.UsualGap : 1);
        foreach (var step in steps)
        {
            table.Add([
                new Text(step.Stage),
                .. states.Select(state => step.In(state) == 0 ? new Text("") : (IRenderable)new Markup($"[{Words.Colour(state)}]{Figures.Count(step.In(state))}[/]")),
                new Text(Figures.Count(step.All))]);
        }

        return table.Content;
    }

    private static IEnumerable<IRenderable> Running(SweepStatus sweep, int most, int width)
    {
        var all = sweep.Executions.Where(e => e.State == ExecutionState.Running).ToList();
        var count = Math.Max(all.Count, sweep.Steps?.Sum(s => s.In(ExecutionState.Running)) ?? 0);
        if (count == 0) yield break;
        yield return Space;
        var names = new ExecutionNames(sweep.Executions, isPart: true);
        var isWide = width >= WideTerminal;
        var shown = all.Take(most).ToList();
        var columns = new (TextColumn Head, Func<ExecutionStatus, string> Text)[]
        {
            ("phase", e => isWide ? e.Progress?.Phase ?? "" : ""),
            ("worker", e => ExecutionNames.Cut(Worker(e.Worker), isWide ? 24 : 12)),
            (new TextColumn("epoch", IsRight: true), e => Figures.Epoch(e.Progress?.Epoch, e.Progress?.Epochs)),
            (new TextColumn("acc %", IsRight: true), e => e.Progress?.Accuracy is { } accuracy ? Figures.Percent(accuracy) : ""),
            (new TextColumn("left", IsRight: true), e => e.Progress?.SecondsLeft is { } left ? Figures.Time(left) : ""),
        }.Select(c => (c.Head, Cells: shown.ConvertAll(e => c.Text(e)))).Where(c => c.Cells.Exists(cell => cell.Length > 0)).ToList();
        var gap = isWide ? TextTable.UsualGap : 1;
        // The names share what the others leave.
        var room = Math.Max(16, width - "running".Length - (2 * gap) - columns.Sum(c => gap + Math.Max(c.Head.Title.Length, c.Cells.Max(cell => cell.Length))));
        var table = new TextTable([new TextColumn("running", IsRight: true), "", .. columns.Select(c => c.Head)], gap);
        foreach (var (i, execution) in shown.Index()) table.Add([$"{execution.Index}", names.End(execution, room), .. columns.Select(c => c.Cells[i])]);

        yield return table.Content;
        if (count > most) yield return new Text($"... and {Figures.Count(count - Math.Min(most, all.Count))} more: --state running", new Style(Color.Grey));
    }

    private static List<IRenderable> Failures(SweepStatus sweep, int most, int room)
    {
        var reasons = sweep.Failures ?? [];
        if (reasons.Count == 0) return [];
        var lines = new List<IRenderable> { Space, new Markup("[bold]failed[/]") };
        foreach (var reason in reasons.Take(most))
        {
            var whose = reason.Count == 1 ? $"execution {reason.First}" : $"first {reason.First}";
            lines.Add(Line($"{Figures.Count(reason.Count)} of {reason.Stage} ({whose}): {reason.Error.ReplaceLineEndings(" ")}", room));
        }

        if (reasons.Count > most) lines.Add(new Text($"... and {reasons.Count - most} more {(reasons.Count - most == 1 ? "reason" : "reasons")}: --failed", new Style(Color.Grey)));
        return lines;
    }

    private static Text Line(string text, int width) => new(ExecutionNames.Cut(text, width));

    /// <summary>Without the number of the process, which tells nobody anything, and without the stage.</summary>
    private static string Worker(string? worker) => worker?.Split(':')[0] ?? "";
}
