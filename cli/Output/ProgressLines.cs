using Lathe.Cli.Embedded;
using Lathe.Contracts;

namespace Lathe.Cli.Output;

/// <summary>Progress for a log: one line whenever an execution changes its state or ends an epoch.</summary>
/// <param name="write">Takes a line.</param>
internal sealed class ProgressLines(Action<string> write)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMinutes(1);

    private readonly Dictionary<int, Told> _told = [];
    private readonly HashSet<string> _reasons = [];
    private DateTimeOffset? _saidAt;
    private int _saidFinished;
    private SweepState _saidState;

    /// <summary>Writes what is new since the last call.</summary>
    /// <param name="sweep">How the sweep stands.</param>
    /// <param name="now">Time to count from.</param>
    public void Show(SweepStatus sweep, DateTimeOffset now)
    {
        var time = Figures.Time((now - sweep.SubmittedAt).TotalSeconds);
        if (sweep.Executions.Count < sweep.Size)
        {
            ShowMany(sweep, time, now);
            return;
        }

        var names = new ExecutionNames(sweep.Executions);
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
                if (line is not null) write($"[{time}] {names.Of(execution)}: {line}");
            }

            _told[execution.Index] = new Told(change, Math.Max(told.Epoch, execution.Progress?.LastEpoch?.Epoch ?? 0));
        }
    }

    /// <summary>Of a sweep with more executions than are listed: a line for each hundredth of it, at most one a minute otherwise, and one for each new reason of failures.</summary>
    private void ShowMany(SweepStatus sweep, string time, DateTimeOffset now)
    {
        foreach (var reason in (sweep.Failures ?? []).Where(r => _reasons.Add(r.Stage + string.Concat(r.Error.Where(c => !char.IsDigit(c))))))
            write($"[{time}] {reason.Stage} failed (execution {reason.First}): {reason.Error}");
        int Count(params ExecutionState[] states) => sweep.Steps!.Sum(s => states.Sum(s.In));
        var finished = Count(ExecutionState.Completed, ExecutionState.Cached, ExecutionState.Failed);
        var isDue = _saidAt is null || finished - _saidFinished >= sweep.Size / 100.0 || (finished != _saidFinished && now - _saidAt >= Pause) || sweep.State != _saidState;
        if (!isDue) return;
        (_saidAt, _saidFinished, _saidState) = (now, finished, sweep.State);
        var parts = new List<string> { $"{Figures.Count(finished)} of {Figures.Count(sweep.Size)} finished" };
        if (Count(ExecutionState.Running) is var running and > 0) parts.Add($"{Figures.Count(running)} running");
        if (Count(ExecutionState.Failed) is var failed and > 0) parts.Add($"{Figures.Count(failed)} failed");
        if (sweep.SecondsLeft is { } left and > 0) parts.Add($"about {Figures.Time(left)} left");
        write($"[{time}] {Words.Of(sweep.State)}: {string.Join(", ", parts)}");
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
        ExecutionState.Paused => "paused",
        ExecutionState.Cancelled => "cancelled",
        ExecutionState.Ready or ExecutionState.Queued when execution.Error is { } reason => $"is tried again: {reason}",
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

    private sealed record Told(string Change, int Epoch);
}
