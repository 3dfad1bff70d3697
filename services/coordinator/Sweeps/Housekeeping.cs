using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Lathe.Hosting;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>Compares database, bus and clock: finds results whose reports were lost, sends lost messages again, and ends what takes too long.</summary>
internal sealed class Housekeeping(
    CoordinatorStore store, SweepChanges changes, Dispatcher dispatcher, IStageBus bus, StageCatalog stages, CoordinatorOptions options, TimeProvider time, ILogger<Housekeeping> log)
{
    private static readonly TimeSpan QueuePatience = TimeSpan.FromSeconds(10);

    /// <summary>One round.</summary>
    /// <param name="lookUpAll">True: look for the results of everything under way, not only of what is silent.</param>
    /// <param name="stop">Gives up.</param>
    public async Task RoundAsync(bool lookUpAll, CancellationToken stop)
    {
        // One that cannot be done keeps none of the others.
        var faults = new List<Exception>();
        foreach (var chore in (Func<Task>[])[
            () => BeatAsync(stop), () => dispatcher.FlushAsync(stop), () => EndOverdueAsync(stop), () => LookAfterSilentAsync(lookUpAll, stop),
            () => ForgetEventsAsync(stop), () => LookForWorkersAsync(stop), () => ObserveAsync(stop)])
        {
            try
            {
                await chore();
            }
            catch (Exception e) when (e is not OutOfMemoryException && !stop.IsCancellationRequested)
            {
                faults.Add(e);
            }
        }

        if (faults.Count > 0) System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(faults[0]);
    }

    private async Task ObserveAsync(CancellationToken stop)
    {
        await using var database = store.Open();
        await CoordinatorTelemetry.ObserveAsync(database, options, time.GetUtcNow(), stop);
    }

    /// <summary>Interrupts the sweeps of embedded coordinators that are gone.</summary>
    public async Task EndAbandonedAsync(CancellationToken stop)
    {
        List<SweepRow> running;
        await using (var database = store.Open())
        {
            running = await database.Sweeps.AsNoTracking()
                .Where(s => (s.State == SweepState.Running || s.State == SweepState.Preparing) && s.Owner != options.ReplyQueue && s.Owner != Queues.Coordinator)
                .ToListAsync(stop);
        }

        foreach (var sweep in running.Where(s => s.IsAbandoned(time.GetUtcNow(), options)))
        {
            await changes.MakeAsync(
                async change =>
                {
                    var row = await change.SweepAsync(sweep.Id, stop);
                    if (!row.IsAbandoned(change.Now, options)) return;
                    await change.StopAsync(row, SweepState.Interrupted, null, stop);
                    row.FinishedAt = row.OwnerSeenAt;
                    await change.Database.Outbox.Where(o => o.Owner == row.Owner).ExecuteDeleteAsync(stop);
                },
                stop);
        }
    }

    /// <summary>A statement of its own, so that others see it at once.</summary>
    private async Task BeatAsync(CancellationToken stop)
    {
        await using var database = store.Open();
        var now = time.GetUtcNow();
        await database.Sweeps.Where(s => s.Owner == options.ReplyQueue && (s.State == SweepState.Running || s.State == SweepState.Preparing || s.State == SweepState.Paused))
            .ExecuteUpdateAsync(s => s.SetProperty(sweep => sweep.OwnerSeenAt, now), stop);
    }

    private async Task EndOverdueAsync(CancellationToken stop)
    {
        List<SweepRow> limited;
        await using (var database = store.Open())
        {
            limited = await database.Sweeps.AsNoTracking()
                .Where(s => s.Owner == options.ReplyQueue && s.State == SweepState.Running && s.Limits != null)
                .ToListAsync(stop);
        }

        foreach (var sweep in limited)
        {
            var limits = SweepRows.LimitsOf(sweep)!;
            var now = time.GetUtcNow();
            if (limits.SweepSeconds is { } whole && (now - sweep.SubmittedAt).TotalSeconds > whole)
            {
                await changes.MakeAsync(
                    async change =>
                    {
                        var row = await change.SweepAsync(sweep.Id, stop);
                        if (row.State == SweepState.Running) await change.StopAsync(row, SweepState.Failed, $"stopped, because it took longer than {Words(whole)}", stop);
                    },
                    stop);
            }
            // A longer time than there is a calendar for has not passed. New submissions cannot ask for one.
            else if (limits.ExecutionSeconds is { } most && most < (now - DateTimeOffset.UnixEpoch).TotalSeconds)
            {
                var before = now - TimeSpan.FromSeconds(most);
                await changes.MakeAsync(
                    async change => await change.FailAsync(
                        await change.Database.Executions
                            .Where(e => e.Owner == options.ReplyQueue && e.State == RunState.Running && e.SweepId == sweep.Id && e.StartedAt < before)
                            .ToListAsync(stop),
                        $"stopped, because it computed for longer than {Words(most)}, the sweep's limit for one execution",
                        stop),
                    stop);
            }
        }
    }

    private async Task LookAfterSilentAsync(bool lookUpAll, CancellationToken stop)
    {
        List<ExecutionRow> active;
        Dictionary<Guid, DateTimeOffset> heard;
        HashSet<Guid> inOutbox;
        await using (var database = store.Open())
        {
            active = await database.Executions.AsNoTracking()
                .Where(e => e.Owner == options.ReplyQueue && (e.State == RunState.Queued || e.State == RunState.Running)).ToListAsync(stop);
            if (active.Count == 0) return;
            heard = await (
                from lease in database.Leases
                join execution in database.Executions on lease.ExecutionId equals execution.Id
                where execution.Owner == options.ReplyQueue && execution.State == RunState.Running && lease.Attempt == execution.Attempt
                select lease).ToDictionaryAsync(l => l.ExecutionId, l => l.HeardAt, stop);
            inOutbox = await database.Outbox.Where(o => o.Owner == options.ReplyQueue && o.CancelReason == null).Select(o => o.ExecutionId).ToHashSetAsync(stop);
        }

        var now = time.GetUtcNow();
        var silent = active.FindAll(e => !inOutbox.Contains(e.Id) && IsTooLong(e, heard, now));
        var looked = lookUpAll ? active : silent;
        if (looked.Count == 0) return;
        var found = looked.Select(e => (Execution: e, Result: dispatcher.LookUp(e))).Where(f => f.Result is not null).ToDictionary(f => f.Execution.Id, f => f.Result!);
        var queues = await QueuesAsync(silent.Where(e => !found.ContainsKey(e.Id)).Select(WorkQueue.Of), stop);
        var lost = silent.Where(e => !found.ContainsKey(e.Id) && !IsInQueue(e, active, queues, heard, now)).Select(e => (e.Id, e.Attempt)).ToHashSet();
        // A broker or workers that are away are no fault of the stage.
        var muted = silent.Where(e => lost.Contains((e.Id, e.Attempt)) && e.SilentSends + 1 >= options.SilentSends && queues.GetValueOrDefault(WorkQueue.Of(e)) is { Workers: > 0 })
            .Select(e => (e.Id, e.Attempt)).ToHashSet();
        lost.ExceptWith(muted);
        if (found.Count + lost.Count + muted.Count == 0) return;
        await changes.MakeAsync(
            async change =>
            {
                var ids = found.Keys.Concat(lost.Select(l => l.Id)).Concat(muted.Select(m => m.Id)).ToList();
                var executions = await change.Database.Executions.Where(e => ids.Contains(e.Id)).ToListAsync(stop);
                await change.FindAsync([.. executions.Where(e => found.ContainsKey(e.Id)).Select(e => (e, found[e.Id]))], stop);
                // A report may have come since.
                await change.LoseAsync([.. executions.Where(e => lost.Contains((e.Id, e.Attempt)))], stop);
                await change.FailAsync(
                    [.. executions.Where(e => muted.Contains((e.Id, e.Attempt)))],
                    $"its workers took it {options.SilentSends} times from their queue and were not heard of again: the stage hangs, or does not report. What its workers say is in their own logs",
                    stop);
            },
            stop);
        foreach (var execution in looked)
        {
            if (found.ContainsKey(execution.Id)) log.LogInformation("Found the result of {Stage} {Key}, whose report did not come", execution.Stage, execution.Key);
            else if (lost.Contains((execution.Id, execution.Attempt)))
                log.LogWarning("Sending {Stage} {Key} again, attempt {Attempt}: nothing was heard of it", execution.Stage, execution.Key, execution.Attempt + 1);
        }
    }

    /// <summary>True if the last sign of life is older than the state allows. Each sending without an answer doubles the limit.</summary>
    private bool IsTooLong(ExecutionRow execution, Dictionary<Guid, DateTimeOffset> heard, DateTimeOffset now)
    {
        var isRunning = execution.State == RunState.Running;
        var last = isRunning && heard.TryGetValue(execution.Id, out var at) ? at : execution.StartedAt ?? execution.SentAt ?? execution.ReadyAt;
        var first = isRunning ? options.RunningSilence : options.QueuedSilence;
        var patience = Math.Min(first.TotalSeconds * Math.Pow(2, Math.Min(execution.SilentSends, 20)), options.LongestSilence.TotalSeconds);
        return now - last >= TimeSpan.FromSeconds(patience);
    }

    /// <summary>
    /// True if its message most likely waits in the queue. A queue hands messages out in their order: once a later one was taken, an earlier one that
    /// nobody took is lost.
    /// </summary>
    private bool IsInQueue(
        ExecutionRow execution, List<ExecutionRow> active, Dictionary<WorkQueue, StageQueue?> queues, Dictionary<Guid, DateTimeOffset> heard, DateTimeOffset now)
    {
        var others = active.Where(o => o.Id != execution.Id && o.State == RunState.Running && WorkQueue.Of(o) == WorkQueue.Of(execution)).ToList();
        if (execution.State == RunState.Queued && others.Exists(o => o.SentAt > execution.SentAt && o.StartedAt is { } started && now - started >= options.QueuedSilence)) return false;
        return queues.GetValueOrDefault(WorkQueue.Of(execution)) is { } queue
            ? queue.Waiting > 0
            // The in-memory bus does not say: its worker is busy with another one.
            : others.Exists(o => heard.TryGetValue(o.Id, out var at) && now - at < options.RunningSilence);
    }

    private async Task<Dictionary<WorkQueue, StageQueue?>> QueuesAsync(IEnumerable<WorkQueue> which, CancellationToken stop)
    {
        var queues = new Dictionary<WorkQueue, StageQueue?>();
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(stop);
        patience.CancelAfter(QueuePatience);
        foreach (var queue in which.Distinct())
        {
            try
            {
                queues[queue] = await bus.QueueAsync(queue, patience.Token);
            }
            catch (Exception e) when (e is not OutOfMemoryException && !stop.IsCancellationRequested)
            {
                log.LogDebug("Queue of {Stage} unknown: {Reason}", queue.Stage, e.Message);
            }
        }

        return queues;
    }

    /// <summary>Has the catalog know which stages with something to do have a worker.</summary>
    private async Task LookForWorkersAsync(CancellationToken stop)
    {
        IReadOnlyDictionary<WorkQueue, QueueLoad> loads;
        await using (var database = store.Open()) loads = await QueueLoad.ReadAsync(database, options, stop);
        var open = loads.Where(l => l.Value.IsOpen).Select(l => l.Key).ToList();
        var queues = await QueuesAsync(open, stop);
        foreach (var where in open)
        {
            if (!queues.TryGetValue(where, out var queue)) stages.SetWorker(where, null);
            else if (queue is not null) stages.SetWorker(where, queue.Workers > 0);
        }

        stages.BrokerAnswers(open.Count == 0 || queues.Count > 0, time.GetUtcNow());
    }

    private async Task ForgetEventsAsync(CancellationToken stop)
    {
        await using var database = store.Open();
        var before = time.GetUtcNow() - options.EventsKept;
        await database.Events.Where(e => e.At < before).ExecuteDeleteAsync(stop);
    }

    private static string Words(double seconds) => seconds < 120 ? $"{seconds:0.#} s" : seconds < 7200 ? $"{seconds / 60:0.#} min" : $"{seconds / 3600:0.#} h";
}
