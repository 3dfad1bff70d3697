using Lathe.Cli.Embedded;
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
            var told = _told.GetValueOrDefault(execution.Index) ?? new Told("", 0);
            var change = Change(execution) ?? told.Change;
            var isRunning = execution.State == ExecutionState.Running;
            var epoch = execution.Progress?.LastEpoch is { } last && last.Epoch > told.Epoch ? Epoch(execution, last) : null;
            // A stage ends after its last epoch.
            var news = change == told.Change ? null : change;
            foreach (var line in isRunning ? (string?[])[news, epoch] : [epoch, news])
            {
                if (line is not null) write($"[{time}] {Name(execution, sweep.Executions)}: {line}");
            }

            _told[execution.Index] = new Told(change, Math.Max(told.Epoch, execution.Progress?.LastEpoch?.Epoch ?? 0));
        }
    }

    private static string? Change(ExecutionStatus execution) => execution.State switch
    {
        // Where it has only been taken, the next report says whether it computes or waits.
        ExecutionState.Running => execution.Progress switch
        {
            null or { Phase: StageProgress.Taken } => null,
            { Phase: StageProgress.WaitingForCpu } waiting => $"{waiting.Phase}, which other computations on its machine use",
            { Phase: StageProgress.WaitingForSame } waiting => $"{waiting.Phase}, which computes the same",
            _ => "started",
        },
        ExecutionState.Completed => $"done in {Figures.Time(execution.Seconds ?? 0)}{Goal(execution)}",
        ExecutionState.Cached => $"cached{Goal(execution)}",
        ExecutionState.Failed => $"failed: {execution.Error}",
        ExecutionState.Skipped => "skipped",
        ExecutionState.Queued when execution.Error is { } reason => $"is tried again: {reason}",
        _ => null,
    };

    /// <summary>The metric by which what a stage measured is judged first.</summary>
    private static string Goal(ExecutionStatus execution) =>
        BuiltInStages.Judging(execution, Better.Higher) is { } goal ? $", {goal.Title} {Figures.Of(execution.Metrics[goal.Name], goal.Format)}{goal.Unit}" : "";

    private static string Epoch(ExecutionStatus execution, EpochFigures epoch)
    {
        var parts = new List<string>
        {
            $"epoch {epoch.Epoch}" + (execution.Progress!.Epochs is { } epochs ? $"/{epochs}" : ""),
            $"loss {Figures.Loss(epoch.Loss)}",
            $"accuracy {Figures.Percent(epoch.Accuracy)}%",
        };
        if (execution.Progress.ImagesPerSecond is { } speed) parts.Add($"{Figures.Count(speed)} images/s");
        if (execution is { State: ExecutionState.Running, Progress.SecondsLeft: { } left and >= 0.5 }) parts.Add($"{Figures.Time(left)} left");
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
            ? $"{StoredModel.Shown(execution.Model)} {execution.Dataset} seed={execution.Seed}: "
            : "";
        return branch + string.Join(" > ", way);
    }

    private sealed record Told(string Change, int Epoch);
}
