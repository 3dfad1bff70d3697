using System.Collections.Concurrent;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Lathe.Hosting;

namespace Lathe.Coordinator;

/// <summary>
/// Looks at reports that a broken stage would send. A result that is not in the store, figures that its manifest does not declare, and progress without measure end
/// the execution as failed, in words. Nobody else waits for it.
/// </summary>
public sealed class WorkerTruth(CheckpointStore checkpoints, StageCatalog stages, CoordinatorOptions options, TimeProvider time, ILogger<WorkerTruth> log)
{
    /// <summary>Reports of progress of one execution within <see cref="Window"/> of the worker's time, at most. A worker of Lathe's own sends five.</summary>
    public const int MostProgress = 500;

    /// <summary>Time in which they are counted.</summary>
    public static readonly TimeSpan Window = TimeSpan.FromSeconds(10);

    // Of more executions at once the counts start anew.
    private const int MostCounted = 100_000;
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(2);

    private readonly ConcurrentDictionary<(Guid ExecutionId, int Attempt), Count> _counts = new();

    /// <summary>The report to take: this one, a failure in its place, or none.</summary>
    /// <param name="report">A report in good form.</param>
    /// <param name="sent">When its worker says that it sent it; null: it does not say. What waited in a queue comes all at once, and was not sent so.</param>
    /// <param name="stop">Gives up.</param>
    public async Task<IStageReport?> JudgeAsync(IStageReport report, DateTime? sent, CancellationToken stop)
    {
        if (report is StageCompleted measured && await FiguresAsync(measured, stop) is { } wrong) report = Failed(measured, null, $"stage {measured.Stage} {wrong}");
        switch (report)
        {
            case StageProgressed progressed:
                return Measured(progressed, sent ?? time.GetUtcNow().UtcDateTime);
            case StageCompleted completed when !IsThere(completed.Output):
                // A folder of another machine may show a file late.
                await Task.Delay(Second, time, stop);
                return IsThere(completed.Output) ? completed : Failed(
                    completed, null, $"its worker reported checkpoint {completed.Output.Sha256} of {completed.Output.Bytes} bytes as the result, and it is not in the store {checkpoints.Place}: the stage is broken, or its worker uses another store");
            default:
                if (report is not StageStarted) _counts.TryRemove((report.ExecutionId, report.Attempt), out _);
                return report;
        }
    }

    /// <summary>What is wrong with the figures of a result; null: nothing.</summary>
    private async Task<string?> FiguresAsync(StageCompleted completed, CancellationToken stop)
    {
        if (Problem() is not { } problem) return null;
        // Another coordinator may have heard the manifest that declares them.
        if (options.ReplyQueue == Queues.Coordinator) await stages.HearOthersAsync(stop);
        return Problem() is null ? null : problem;

        string? Problem()
        {
            var versions = stages.VersionsOf(completed.Stage);
            var figures = versions.Select(manifest => OutcomeCheck.Problem(manifest, completed.Metrics)).ToList();
            // An earlier worker may have left what is found, when its manifest said something else; numbers it had to be.
            var isForeign = versions.Count > 0 && !completed.Found && figures.TrueForAll(p => p is not null);
            return isForeign ? figures[^1] : completed.Metrics.FirstOrDefault(m => !double.IsFinite(m.Value)) is { Key: { } name } ? $"measured '{name}' as a number without end; expected a finite one" : null;
        }
    }

    private IStageReport? Measured(StageProgressed report, DateTime at)
    {
        if (_counts.Count > MostCounted) _counts.Clear();
        var count = _counts.GetOrAdd((report.ExecutionId, report.Attempt), _ => new Count());
        lock (count)
        {
            if (at - count.From >= Window || at < count.From) (count.From, count.Reports) = (at, 0);
            count.Reports++;
            if (count.Reports <= MostProgress) return report;
            // Once, and then one report in so many, so that a worker that goes on is told to stop again.
            if (count.Reports > MostProgress + 1) return count.Reports % MostProgress == 0 ? report : null;
        }

        return Failed(report, report.Worker, $"its worker sent more than {MostProgress} reports of progress within {Window.TotalSeconds:0} s; the stage is broken: a report every few seconds is what its readers need");
    }

    private StageFailed Failed(IStageReport report, string? worker, string message)
    {
        log.LogWarning("{Stage} {Key} is taken as failed: {Reason}", report.Stage, report.Key, message);
        return new StageFailed(report.ExecutionId, report.Attempt, report.Key, report.Stage, FailureKind.Permanent, message, worker);
    }

    /// <summary>False where the store is sure not to have it; a store that is away says nothing.</summary>
    private bool IsThere(CheckpointRef output)
    {
        try
        {
            return checkpoints.IsThere(output);
        }
        catch (Exception e) when (e is LatheException or IOException or UnauthorizedAccessException)
        {
            return true;
        }
    }

    private sealed class Count
    {
        public DateTime From { get; set; }

        public int Reports { get; set; }
    }
}
