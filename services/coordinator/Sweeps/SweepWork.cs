using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Lathe.Hosting;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>A command and its trace context.</summary>
internal sealed record Dispatch(ExecuteStage Command, string? TraceParent);

/// <summary>
/// One change of the coordinator's state, in one transaction. <see cref="Outbox"/> holds the commands to send after the commit. If sending
/// fails, the database still has them, and the reconciler sends them again.
/// </summary>
internal sealed class SweepWork(
    CoordinatorDatabase database, CoordinatorOptions options, CheckpointStore checkpoints, ResultStore results, DateTimeOffset now)
{
    // 5 seconds to 80: a worker that fits is found soon, and thousands of executions that wait for one keep nobody busy.
    private const int MostDoublings = 4;

    private readonly Dictionary<Guid, SweepRow> _sweeps = [];
    private readonly HashSet<Guid> _touched = [];

    public List<Dispatch> Outbox { get; } = [];

    /// <summary>True if an execution must be sent again before the next regular round.</summary>
    public bool HasRetry { get; private set; }

    /// <summary>Advances executions whose input exists: uses their known results, or sends them.</summary>
    public async Task AdvanceAsync(IEnumerable<ExecutionRow> ready, CancellationToken stop)
    {
        var queue = new Queue<ExecutionRow>(ready);
        while (queue.TryDequeue(out var row))
        {
            var sweep = await SweepAsync(row.SweepId, stop);
            await TakeInputAsync(row, sweep, stop);
            if (await KnownResultAsync(row, sweep, stop) is { } result)
            {
                Finish(row, ExecutionState.Cached, result);
                await SaveAsync(row, stop);
                foreach (var child in await ChildrenAsync(row, stop)) queue.Enqueue(child);
                continue;
            }

            var awaited = (await ActiveAsync(row.Key!, sweep.Id, toOthers: false, stop)).Exists(e => e.Attempt > 0);
            row.State = ExecutionState.Queued;
            if (!awaited) Send(row, sweep);
            await SaveAsync(row, stop);
        }
    }

    /// <summary>Stores a result in every execution that waits for it, and advances the executions after them.</summary>
    /// <param name="result">Verified.</param>
    /// <param name="toOthers">True: if the sweep is fresh, also store the result in the sweeps that share results and run the same key.</param>
    /// <param name="stop">Gives up.</param>
    public async Task CompleteAsync(StoredResult result, bool toOthers, CancellationToken stop)
    {
        await KeepAsync(result, stop);
        var next = new List<ExecutionRow>();
        foreach (var row in await ActiveAsync(result.Key, result.SweepId, toOthers, stop))
        {
            var computedHere = row.Attempt > 0;
            Finish(row, computedHere ? ExecutionState.Completed : ExecutionState.Cached, result);
            if (computedHere && result.TraceParent is not null) row.TraceParent = result.TraceParent;
            await SaveAsync(row, stop);
            next.AddRange(await ChildrenAsync(row, stop));
        }

        await AdvanceAsync(next, stop);
    }

    /// <summary>Fails executions, or schedules a retry if the failure is transient.</summary>
    public async Task FailAsync(Guid sweepId, string key, FailureKind kind, string message, CancellationToken stop)
    {
        var rows = await ActiveAsync(key, sweepId, toOthers: false, stop);
        if (rows.Find(r => r.Attempt > 0) is not { } sent) return;
        // A duplicate report must not count twice.
        if (sent.SendAgainAt is not null) return;
        // A worker of another kind says nothing about the work: the next one that takes it may be the right one, today or tomorrow.
        if (kind != FailureKind.Elsewhere) sent.Failures++;
        if (kind == FailureKind.Elsewhere || (kind == FailureKind.Transient && sent.Failures < options.Attempts))
        {
            sent.State = ExecutionState.Queued;
            sent.Error = message;
            sent.HeardAt = now;
            HasRetry = true;
            var doublings = kind == FailureKind.Elsewhere ? Math.Min(sent.Attempt - 1, MostDoublings) : sent.Failures - 1;
            sent.SendAgainAt = now + options.RetryDelay * Math.Pow(2, doublings);
            await SaveAsync(sent, stop);
            return;
        }

        var reason = kind == FailureKind.Transient && sent.Failures > 1 ? $"{message} (failed {sent.Failures} times)" : message;
        foreach (var row in rows)
        {
            row.State = ExecutionState.Failed;
            row.Error = reason;
            row.SendAgainAt = null;
            await SaveAsync(row, stop);
            await SkipDescendantsAsync(row, stop);
        }
    }

    /// <summary>Records a heartbeat for every execution that waits for this key.</summary>
    public async Task HearAsync(Guid sweepId, string key, string worker, StageProgress? progress, CancellationToken stop)
    {
        foreach (var row in await ActiveAsync(key, sweepId, toOthers: false, stop))
        {
            // A late report of an attempt that has failed: the next attempt has not been sent yet.
            if (row.SendAgainAt is not null) continue;
            row.State = ExecutionState.Running;
            row.Worker = worker;
            row.HeardAt = now;
            row.SilentSends = 0;
            if (progress is not null) row.Progress = JsonSerializer.Serialize(progress, LatheJson.Options);
            await SaveAsync(row, stop);
        }
    }

    /// <summary>Sends an execution again.</summary>
    public async Task SendAgainAsync(ExecutionRow row, CancellationToken stop)
    {
        // Only lost commands lengthen the wait. A retry after a failure starts a new wait.
        row.SilentSends = row.SendAgainAt is null ? row.SilentSends + 1 : 0;
        row.State = ExecutionState.Queued;
        Send(row, await SweepAsync(row.SweepId, stop));
        await SaveAsync(row, stop);
    }

    /// <summary>A verified result that the execution may reuse, or null.</summary>
    public async Task<StoredResult?> KnownResultAsync(ExecutionRow row, SweepRow sweep, CancellationToken stop)
    {
        if (await RecordedAsync(row, sweep, stop) is { } recorded)
        {
            if (checkpoints.Has(recorded.Output)) return recorded;
            await database.Results.Where(r => r.Key == row.Key).ExecuteDeleteAsync(stop);
        }

        return StoredResult(row, sweep);
    }

    /// <summary>A verified result in the store that the execution may reuse, or null.</summary>
    public StoredResult? StoredResult(ExecutionRow row, SweepRow sweep) =>
        results.Find(row.Key!) is { } stored && (!sweep.Fresh || stored.SweepId == sweep.Id) && checkpoints.Has(stored.Output) ? stored : null;

    public async Task<SweepRow> SweepAsync(Guid id, CancellationToken stop)
    {
        if (!_sweeps.TryGetValue(id, out var sweep))
            _sweeps.Add(id, sweep = await database.Sweeps.AsNoTracking().SingleAsync(s => s.Id == id, stop));
        return sweep;
    }

    /// <summary>Finishes sweeps that have no executions left to run. Returns how each of them ended.</summary>
    public async Task<IReadOnlyList<SweepRow>> FinishSweepsAsync(CancellationToken stop)
    {
        var ended = new List<SweepRow>();
        foreach (var id in _touched)
        {
            var states = await database.Executions.Where(e => e.SweepId == id).Select(e => e.State).Distinct().ToListAsync(stop);
            if (states.Exists(s => s is ExecutionState.Waiting or ExecutionState.Queued or ExecutionState.Running)) continue;
            var sweep = await database.Sweeps.SingleAsync(s => s.Id == id, stop);
            if (sweep.State != SweepState.Running) continue;
            sweep.State = states.Exists(s => s is ExecutionState.Failed or ExecutionState.Skipped) ? SweepState.Failed : SweepState.Succeeded;
            sweep.FinishedAt = now;
            ended.Add(sweep);
        }

        await database.SaveChangesAsync(stop);
        return ended;
    }

    /// <summary>Active executions of a key that a report applies to.</summary>
    /// <param name="key">Execution key.</param>
    /// <param name="sweepId">Sweep that the report names.</param>
    /// <param name="toOthers">True: the report of a fresh sweep also applies to the sweeps that share results.</param>
    /// <param name="stop">Gives up.</param>
    public async Task<List<ExecutionRow>> ActiveAsync(string key, Guid sweepId, bool toOthers, CancellationToken stop)
    {
        var shared = toOthers || !await database.Sweeps.AnyAsync(s => s.Id == sweepId && s.Fresh, stop);
        return await (
            from execution in database.Executions.AsNoTracking()
            join sweep in database.Sweeps.AsNoTracking() on execution.SweepId equals sweep.Id
            where execution.Key == key
                && (execution.State == ExecutionState.Queued || execution.State == ExecutionState.Running)
                && sweep.Owner == options.ReplyQueue
                && (sweep.Fresh ? sweep.Id == sweepId : shared)
            orderby sweep.SubmittedAt, execution.SweepId, execution.Index
            select execution).ToListAsync(stop);
    }

    private async Task TakeInputAsync(ExecutionRow row, SweepRow sweep, CancellationToken stop)
    {
        var parent = row.Parent is { } index
            ? await database.Executions.AsNoTracking().SingleAsync(e => e.SweepId == row.SweepId && e.Index == index, stop)
            : null;
        row.InputSha256 = parent?.OutputSha256;
        row.InputBytes = parent?.OutputBytes;
        row.TraceParent = parent?.TraceParent ?? sweep.TraceParent;
        var stage = new StageManifest(row.Stage, row.Version, "", StageInput.Checkpoint, StageOutput.Checkpoint);
        row.Key = ExecutionKey.Compute(stage, row.ParametersJson(), row.Input(), row.Data(), row.Seed, sweep.Threads, sweep.Device);
    }

    private async Task<StoredResult?> RecordedAsync(ExecutionRow row, SweepRow sweep, CancellationToken stop)
    {
        if (sweep.Fresh)
        {
            var twin = await database.Executions.AsNoTracking().FirstOrDefaultAsync(
                e => e.SweepId == sweep.Id && e.Key == row.Key && e.State == ExecutionState.Completed, stop);
            return twin is null ? null : new StoredResult(
                row.Key!, row.Stage, twin.Output()!, Leaves.Figures(twin.Metrics), twin.Seconds ?? 0, sweep.Id, null);
        }

        var known = await database.Results.AsNoTracking().FirstOrDefaultAsync(r => r.Key == row.Key, stop);
        return known is null ? null : new StoredResult(
            known.Key, known.Stage, new CheckpointRef(known.OutputSha256, known.OutputBytes), Leaves.Figures(known.Metrics), known.Seconds, sweep.Id, null);
    }

    private async Task KeepAsync(StoredResult result, CancellationToken stop)
    {
        var row = await database.Results.FirstOrDefaultAsync(r => r.Key == result.Key, stop);
        var metrics = JsonSerializer.Serialize(result.Metrics, LatheJson.Options);
        if (row is null)
            database.Results.Add(row = new ResultRow { Key = result.Key, Stage = result.Stage, OutputSha256 = "", Metrics = metrics });
        row.Stage = result.Stage;
        row.OutputSha256 = result.Output.Sha256;
        row.OutputBytes = result.Output.Bytes;
        row.Metrics = metrics;
        row.Seconds = result.Seconds;
        row.CompletedAt = now;
        await database.SaveChangesAsync(stop);
        database.ChangeTracker.Clear();
    }

    private static void Finish(ExecutionRow row, ExecutionState state, StoredResult result)
    {
        row.State = state;
        row.OutputSha256 = result.Output.Sha256;
        row.OutputBytes = result.Output.Bytes;
        row.Metrics = JsonSerializer.Serialize(result.Metrics, LatheJson.Options);
        row.Seconds = result.Seconds;
        row.SendAgainAt = null;
        row.Error = null;
    }

    private void Send(ExecutionRow row, SweepRow sweep)
    {
        row.Attempt++;
        row.SentAt = now;
        row.SendAgainAt = null;
        var command = new ExecuteStage(
            row.SweepId, row.Key!, row.Stage, row.Version, row.ParametersJson(), row.Input(), row.Data(), row.Seed,
            row.Attempt, sweep.Fresh, options.ReplyQueue, sweep.Threads, sweep.Device, now);
        Outbox.Add(new Dispatch(command, row.TraceParent));
    }

    private Task<List<ExecutionRow>> ChildrenAsync(ExecutionRow row, CancellationToken stop) =>
        database.Executions.AsNoTracking()
            .Where(e => e.SweepId == row.SweepId && e.Parent == row.Index && e.State == ExecutionState.Waiting)
            .OrderBy(e => e.Index)
            .ToListAsync(stop);

    private async Task SkipDescendantsAsync(ExecutionRow failed, CancellationToken stop)
    {
        var lost = new HashSet<int> { failed.Index };
        var waiting = await database.Executions.AsNoTracking()
            .Where(e => e.SweepId == failed.SweepId && e.State == ExecutionState.Waiting)
            .OrderBy(e => e.Index)
            .ToListAsync(stop);
        // Parents come before children, so one pass finds every descendant.
        foreach (var row in waiting.Where(row => row.Parent is { } parent && lost.Contains(parent)))
        {
            lost.Add(row.Index);
            row.State = ExecutionState.Skipped;
            row.Error = $"not run, because {failed.Stage} before it failed";
            await SaveAsync(row, stop);
        }
    }

    private async Task SaveAsync(ExecutionRow row, CancellationToken stop)
    {
        _touched.Add(row.SweepId);
        database.Executions.Update(row);
        await database.SaveChangesAsync(stop);
        // Stop tracking: otherwise every step would search a large sweep for changes again.
        database.ChangeTracker.Clear();
    }
}
