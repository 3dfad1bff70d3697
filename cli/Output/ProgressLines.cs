using Lathe.Contracts;

namespace Lathe.Cli.Output;

/// <summary>Progress for a log: one line whenever an execution changes its state or ends an epoch.</summary>
/// <param name="write">Takes a line.</param>
internal sealed class ProgressLines(Action<string> write)
{
    private readonly Dictionary<int, Told> _told = [];

    /// <summary>Writes what is new since the last call.</summary>
    /// <param name="sweep">How the sweep stands.</param>
    /// <param name="now">Time to count from.</param>
    public void Show(SweepStatus sweep, DateTimeOffset now)
    {
        var time = Figures.Time((now - sweep.SubmittedAt).TotalSeconds);
        foreach (var execution in sweep.Executions)
        {
            var told = _told.GetValueOrDefault(execution.Index) ?? new Told(ExecutionState.Waiting, 0, null);
            var epoch = execution.State == ExecutionState.Running ? (int)(execution.Progress?.Epoch ?? 0) : told.Epoch;
            if (execution.State != told.State && Change(execution) is { } change) write($"[{time}] {Name(execution, sweep.Executions)}: {change}");
            if (execution.State == ExecutionState.Running && epoch > told.Epoch)
                write($"[{time}] {Name(execution, sweep.Executions)}: {Epoch(AtItsEnd(execution.Progress!, told.Progress))}");
            _told[execution.Index] = new Told(execution.State, epoch, execution.Progress);
        }
    }

    /// <summary>
    /// Loss and accuracy are means of the running epoch. Just after an epoch has ended they are those of a few steps of the next, so the
    /// last ones heard before tell more about the epoch that the line is about.
    /// </summary>
    private static StageProgress AtItsEnd(StageProgress now, StageProgress? before) =>
        before?.Epoch is { } epoch && now.Epoch > Math.Floor(now.Epoch!.Value) && (int)epoch == (int)now.Epoch - 1
            ? now with { Loss = before.Loss, Accuracy = before.Accuracy }
            : now;

    private static string? Change(ExecutionStatus execution) => execution.State switch
    {
        ExecutionState.Running => "started",
        ExecutionState.Completed => $"done in {Figures.Time(execution.Seconds ?? 0)}{Top1(execution)}",
        ExecutionState.Cached => $"cached{Top1(execution)}",
        ExecutionState.Failed => $"failed: {execution.Error}",
        ExecutionState.Skipped => "skipped",
        _ => null,
    };

    private static string Top1(ExecutionStatus execution) =>
        execution.Metrics.TryGetValue("top1", out var top1) ? $", top-1 {Figures.Percent(top1)}%" : "";

    private static string Epoch(StageProgress progress)
    {
        var parts = new List<string> { $"epoch {(int)progress.Epoch!}" + (progress.Epochs is { } epochs ? $"/{epochs}" : "") };
        if (progress.Loss is { } loss) parts.Add($"loss {Figures.Loss(loss)}");
        if (progress.Accuracy is { } accuracy) parts.Add($"accuracy {Figures.Percent(accuracy)}%");
        if (progress.ImagesPerSecond is { } speed) parts.Add($"{Figures.Count(speed)} images/s");
        if (progress.SecondsLeft is { } left) parts.Add($"{Figures.Time(left)} left");
        return string.Join(", ", parts);
    }

    /// <summary>The whole way, so that a line can be read alone.</summary>
    public static string Name(ExecutionStatus execution, IReadOnlyList<ExecutionStatus> executions)
    {
        var way = new List<string>();
        for (var at = execution; at is not null; at = at.Parent is { } parent ? executions.First(e => e.Index == parent) : null)
        {
            if (at == execution || at.Varied.Count > 0) way.Add(Ways.Label(at));
        }

        way.Reverse();
        var branch = executions.Where(e => e.Parent is null).Select(e => (e.Model, e.Dataset, e.Seed)).Distinct().Count() > 1
            ? $"{execution.Model} {execution.Dataset} seed={execution.Seed}: "
            : "";
        return branch + string.Join(" > ", way);
    }

    private sealed record Told(ExecutionState State, int Epoch, StageProgress? Progress);
}
