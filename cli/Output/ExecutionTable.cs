using Lathe.Cli.Embedded;
using Lathe.Contracts;
using Lathe.Reports.Terminals;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Lathe.Cli.Output;

/// <summary>A sweep's executions as a tree, one line each, live or as they stand.</summary>
internal static class ExecutionTable
{
    private const int LeastLabel = 12;

    /// <summary>Draws the tree.</summary>
    /// <param name="sweep">How the sweep stands.</param>
    /// <param name="now">Time to count from, for what is running.</param>
    /// <param name="height">Lines that may be used; rows that matter less are left out, and counted.</param>
    /// <param name="width">Columns of the terminal; names that are too long lack their middle.</param>
    public static IRenderable Render(SweepStatus sweep, DateTimeOffset now, int height = int.MaxValue, int width = int.MaxValue)
    {
        string[] heads = ["state", "epoch", "loss", "acc %", "img/s", "left"];
        var labels = TreeLabels(sweep.Executions);
        var shown = Shown(sweep.Executions, Math.Max(1, height - 4));
        var rows = sweep.Executions.Where(e => shown.Contains(e.Index)).Select(e => (Execution: e, Label: labels[e.Index], Cells: Cells(e))).ToList();
        var others = heads.Select((head, i) => rows.Select(r => r.Cells[i].Length).Append(head.Length).Max()).Sum();
        var gap = rows.Exists(r => r.Label.Length > width - others - ((heads.Length + 1) * TextTable.UsualGap)) ? 1 : TextTable.UsualGap;
        var room = Math.Max(LeastLabel, width - others - ((heads.Length + 1) * gap));
        var table = new TextTable(["stage", heads[0], .. heads[1..].Select(head => new TextColumn(head, IsRight: true))], gap);
        foreach (var (execution, label, cells) in rows)
            table.Add([new Text(ExecutionNames.CutMiddle(label, room)), new Markup($"[{Words.Colour(execution.State)}]{cells[0].EscapeMarkup()}[/]"), .. cells[1..].Select(cell => new Text(cell))]);
        var lines = new List<IRenderable> { table.Content };
        if (shown.Count < sweep.Executions.Count) lines.Add(new Text($"... and {sweep.Executions.Count - shown.Count} more", new Style(Color.Grey)));
        if (sweep.Executions.FirstOrDefault(e => e is { State: ExecutionState.Ready or ExecutionState.Queued, Error: not null }) is { } again)
            lines.Add(new Text($"{Ways.Label(again)} is tried again: {again.Error}"));
        lines.AddRange(SweepOverview.Missing(sweep).Select(line => new Text(line, new Style(Color.Yellow))));
        lines.Add(new Text(Summary(sweep, now)));
        return new Rows(lines);
    }

    /// <summary>How many are finished, the time so far, and the time left where it can be told.</summary>
    public static string Summary(SweepStatus sweep, DateTimeOffset now)
    {
        int Count(params ExecutionState[] states) => sweep.Steps?.Sum(s => states.Sum(s.In)) ?? sweep.Executions.Count(e => states.Contains(e.State));
        var parts = new List<string>
        {
            $"{Figures.Count(Count(ExecutionState.Completed, ExecutionState.Cached, ExecutionState.Failed))} of {Figures.Count(sweep.Size)} finished",
        };
        var failed = Count(ExecutionState.Failed);
        if (failed > 0) parts.Add($"{Figures.Count(failed)} failed");
        var time = Figures.Time(((sweep.FinishedAt ?? now) - sweep.SubmittedAt).TotalSeconds);
        parts.Add(sweep.FinishedAt is null ? $"{time} so far" : $"in {time}");
        var left = sweep.Executions.Count < sweep.Size ? sweep.SecondsLeft : sweep.State == SweepState.Running ? SecondsLeft(sweep.Executions) : null;
        if (left > 0) parts.Add($"about {Figures.Time(left.Value)} left");
        if (sweep.State is SweepState.Preparing or SweepState.Paused) parts.Add(Words.Of(sweep.State));
        if (sweep.Reason is { } reason) parts.Add(reason);
        return string.Join(", ", parts);
    }

    /// <summary>
    /// Each execution to come takes what others of its stage took, and as many go on side by side as do now. Null while a stage is unknown.
    /// </summary>
    public static double? SecondsLeft(IReadOnlyList<ExecutionStatus> executions)
    {
        var known = executions.Where(e => e is { State: ExecutionState.Completed, Seconds: not null })
            .GroupBy(e => e.Stage).ToDictionary(g => g.Key, g => g.Average(e => e.Seconds!.Value));
        double left = 0, longest = 0;
        var sideBySide = 0;
        foreach (var execution in executions.Where(e => !Words.IsOver(e.State)))
        {
            if (execution is { State: ExecutionState.Running, Progress.SecondsLeft: { } running })
            {
                left += running;
                longest = Math.Max(longest, running);
                sideBySide++;
            }
            else if (known.TryGetValue(execution.Stage, out var seconds)) left += seconds;
            else return null;
        }

        return Math.Max(longest, left / Math.Max(1, sideBySide));
    }

    /// <summary>State, epoch, loss, accuracy, speed and time left.</summary>
    private static string[] Cells(ExecutionStatus execution)
    {
        var progress = execution.State == ExecutionState.Running ? execution.Progress : null;
        string Optional(double? value, Func<double?, string> format) => value is null ? "" : format(value);
        return
        [
            State(execution),
            Figures.Epoch(progress?.Epoch, progress?.Epochs),
            Optional(progress?.Loss ?? Judged(execution, Better.Lower, MetricFormat.Number), Figures.Loss),
            Optional(progress?.Accuracy ?? Judged(execution, Better.Higher, MetricFormat.Percent), Figures.Percent),
            Optional(progress?.ImagesPerSecond, Figures.Count),
            progress?.SecondsLeft is { } seconds ? Figures.Time(seconds) : "",
        ];
    }

    /// <summary>What a stage that measures found: the first of its metrics that is judged so.</summary>
    private static double? Judged(ExecutionStatus execution, Better better, MetricFormat format) =>
        BuiltInStages.Judging(execution, better, format) is { } metric ? execution.Metrics[metric.Name] : null;

    private static string State(ExecutionStatus execution) => execution switch
    {
        { State: ExecutionState.Completed, Seconds: { } seconds } => $"done {Figures.Time(seconds)}",
        { State: ExecutionState.Running, Progress.Phase: { Length: > 0 } phase } => phase,
        _ => Words.Of(execution.State),
    };

    /// <summary>Each execution's name behind the branches of the tree that lead to it.</summary>
    public static IReadOnlyDictionary<int, string> TreeLabels(IReadOnlyList<ExecutionStatus> executions)
    {
        var children = executions.ToLookup(e => e.Parent ?? -1);
        var labels = new Dictionary<int, string>();
        Grow(-1, "", "", "");
        return labels;

        void Grow(int parent, string indent, string branch, string last)
        {
            var siblings = children[parent].ToList();
            foreach (var child in siblings)
            {
                var isLast = child == siblings[^1];
                labels[child.Index] = $"{indent}{(isLast ? last : branch)}{Name(child, executions)}";
                Grow(child.Index, indent + (parent < 0 ? "" : isLast ? "  " : "│ "), "├ ", "└ ");
            }
        }
    }

    /// <summary>A first stage is told apart by its branch too.</summary>
    private static string Name(ExecutionStatus execution, IReadOnlyList<ExecutionStatus> executions)
    {
        if (execution.Parent is not null) return Ways.Label(execution);
        var first = executions.Where(e => e.Parent is null).ToList();
        var name = Ways.Label(execution);
        if (first.Any(e => e.Model != execution.Model)) name += $" {StoredModel.Shown(execution.Model)}";
        if (first.Any(e => e.Dataset != execution.Dataset)) name += $" {execution.Dataset}";
        if (first.Any(e => e.Seed != execution.Seed)) name += $" seed={execution.Seed}";
        return name;
    }

    /// <summary>
    /// The rows that matter most, each with the rows above it that it hangs from: running and failed, then the latest finished, then the
    /// next to come.
    /// </summary>
    private static HashSet<int> Shown(IReadOnlyList<ExecutionStatus> executions, int rows)
    {
        if (executions.Count <= rows) return [.. executions.Select(e => e.Index)];
        var ordered = executions.Where(e => e.State == ExecutionState.Running)
            .Concat(executions.Where(e => e.State == ExecutionState.Failed))
            .Concat(executions.Where(e => Words.IsOver(e.State) && e.State != ExecutionState.Failed).Reverse())
            .Concat(executions.Where(e => !Words.IsOver(e.State) && e.State != ExecutionState.Running));
        var byIndex = executions.ToDictionary(e => e.Index);
        var shown = new HashSet<int>();
        foreach (var execution in ordered)
        {
            var branch = new HashSet<int>();
            for (var at = execution; at is not null; at = at.Parent is { } parent ? byIndex[parent] : null) branch.Add(at.Index);
            branch.ExceptWith(shown);
            // One line says how many are left out.
            if (shown.Count + branch.Count <= rows - 1) shown.UnionWith(branch);
        }

        return shown;
    }
}
