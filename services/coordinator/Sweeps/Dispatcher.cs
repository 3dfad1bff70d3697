using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Lathe.Hosting;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>
/// Sends executions to the queues of their stages. The queues are kept short, so that priorities and fair shares decide and not the order of submission.
/// A message is written to the outbox in the transaction that decides it, sent after the commit, and then deleted.
/// </summary>
internal sealed class Dispatcher(
    CoordinatorStore store,
    SweepChanges changes,
    IStageBus bus,
    CheckpointStore checkpoints,
    ResultStore results,
    CoordinatorOptions options,
    TimeProvider time,
    ILogger<Dispatcher> log)
{
    /// <summary>Sends what may be sent now.</summary>
    /// <returns>True if the state changed, so that more may have become ready.</returns>
    public async Task<bool> RoundAsync(CancellationToken stop)
    {
        var chosen = await ChooseAsync(stop);
        if (chosen.Count == 0) return false;
        // Outside of every lock and transaction: a store may be slow.
        var found = await LookUpAsync(chosen, stop);
        var ids = chosen.ConvertAll(e => e.Id);
        List<ExecutionRow> sent = [];
        await changes.MakeAsync(
            async change =>
            {
                var executions = await change.Database.Executions.Where(e => ids.Contains(e.Id) && e.State == RunState.Ready).ToListAsync(stop);
                await change.FindAsync([.. executions.Where(e => found.ContainsKey(e.Id)).Select(e => (e, found[e.Id]))], stop);
                sent = [.. executions.Where(e => !found.ContainsKey(e.Id)).OrderBy(e => ids.IndexOf(e.Id))];
                await change.SendAsync(sent, change.Now + options.OutboxPatience, stop);
            },
            stop);
        if (sent.Count > 0) await FlushAsync(own: [.. sent.Select(e => (e.Id, e.Attempt))], stop);
        return true;
    }

    /// <summary>Sends what is in the outbox and nobody is sending: messages that cancel, and what a coordinator that died left.</summary>
    public Task FlushAsync(CancellationToken stop) => FlushAsync(null, stop);

    private async Task FlushAsync(IReadOnlyList<(Guid Execution, int Attempt)>? own, CancellationToken stop)
    {
        List<OutboxRow> rows;
        await using (var database = store.Open())
        {
            rows = own is null ? await ClaimAsync(database, stop) : await OwnAsync(database, own, stop);
            if (rows.Count == 0) return;
            var commands = await CommandsAsync(database, rows, stop);
            var done = await Task.WhenAll(rows.Where(r => r.CancelReason is null).Select(row => SendAsync(row, commands.GetValueOrDefault(row.Id), stop)));
            var cancelled = await CancelAsync([.. rows.Where(r => r.CancelReason is not null)], stop);
            var gone = done.OfType<long>().Concat(cancelled).ToList();
            await database.Outbox.Where(o => gone.Contains(o.Id)).ExecuteDeleteAsync(stop);
        }
    }

    private async Task<List<OutboxRow>> ClaimAsync(CoordinatorDatabase database, CancellationToken stop)
    {
        var now = time.GetUtcNow();
        var rows = await database.Outbox.AsNoTracking().Where(o => o.Owner == options.ReplyQueue && o.ClaimedUntil <= now).OrderBy(o => o.Id).Take(options.Backlog * 4).ToListAsync(stop);
        var claimed = new List<OutboxRow>();
        foreach (var row in rows)
        {
            var until = now + options.OutboxPatience;
            if (await database.Outbox.Where(o => o.Id == row.Id && o.ClaimedUntil == row.ClaimedUntil).ExecuteUpdateAsync(s => s.SetProperty(o => o.ClaimedUntil, until), stop) == 1)
                claimed.Add(row);
        }

        return claimed;
    }

    private static async Task<List<OutboxRow>> OwnAsync(CoordinatorDatabase database, IReadOnlyList<(Guid Execution, int Attempt)> own, CancellationToken stop)
    {
        var ids = own.Select(o => o.Execution).ToList();
        var rows = await database.Outbox.AsNoTracking().Where(o => ids.Contains(o.ExecutionId) && o.CancelReason == null).OrderBy(o => o.Id).ToListAsync(stop);
        return rows.FindAll(r => own.Contains((r.ExecutionId, r.Attempt)));
    }

    /// <summary>Executions of each stage that are to go next, as far as its queue has room.</summary>
    private async Task<List<ExecutionRow>> ChooseAsync(CancellationToken stop)
    {
        await using var database = store.Open();
        var ready = await (
            from count in database.StepCounts.AsNoTracking()
            join sweep in database.Sweeps.AsNoTracking() on count.SweepId equals sweep.Id
            where sweep.Owner == options.ReplyQueue && sweep.State == SweepState.Running && count.Ready > 0
            orderby sweep.SubmittedAt, sweep.Id
            select new { Sweep = sweep, count.Stage, count.Version, count.Ready }).ToListAsync(stop);
        if (ready.Count == 0) return [];
        var underWay = await database.Executions.AsNoTracking()
            .Where(e => e.Owner == options.ReplyQueue && (e.State == RunState.Queued || e.State == RunState.Running))
            .GroupBy(e => new { e.Stage, e.StageVersion, e.SweepId, e.State })
            .Select(g => new { g.Key.Stage, g.Key.StageVersion, g.Key.SweepId, g.Key.State, Count = g.Count() })
            .ToListAsync(stop);
        var ofSweep = underWay.GroupBy(u => u.SweepId).ToDictionary(g => g.Key, g => g.Sum(u => u.Count));
        var now = time.GetUtcNow();
        var chosen = new List<ExecutionRow>();
        foreach (var queue in ready.GroupBy(r => (r.Stage, r.Version)))
        {
            var here = underWay.Where(u => (u.Stage, u.StageVersion) == queue.Key).ToList();
            var running = here.Where(u => u.State == RunState.Running).Sum(u => u.Count);
            var free = Math.Max(options.Backlog, 2 * running) - here.Where(u => u.State == RunState.Queued).Sum(u => u.Count);
            if (free <= 0) continue;
            var inQueue = here.GroupBy(u => u.SweepId).ToDictionary(g => g.Key, g => g.Sum(u => u.Count));
            var claims = queue.GroupBy(q => q.Sweep.Id).Select(steps =>
            {
                var sweep = steps.First().Sweep;
                var limits = SweepRows.LimitsOf(sweep);
                var room = Math.Min(
                    (limits?.Parallel ?? int.MaxValue) - ofSweep.GetValueOrDefault(sweep.Id),
                    (limits?.ParallelOf?.TryGetValue(queue.Key.Stage, out var most) == true ? most : int.MaxValue) - inQueue.GetValueOrDefault(sweep.Id));
                return new ShareClaim(sweep.Id, sweep.Priority, sweep.ShareKey, sweep.ShareWeight, steps.Sum(s => s.Ready), Math.Max(0, room));
            }).ToList();
            foreach (var (sweep, places) in FairShares.Divide(claims, inQueue, free))
            {
                var taken = await database.Executions.AsNoTracking()
                    .Where(e => e.Owner == options.ReplyQueue && e.State == RunState.Ready && e.SweepId == sweep
                        && e.Stage == queue.Key.Stage && e.StageVersion == queue.Key.Version && (e.NotBefore == null || e.NotBefore <= now))
                    .OrderBy(e => e.NodeIndex)
                    .Take(places)
                    .ToListAsync(stop);
                ofSweep[sweep] = ofSweep.GetValueOrDefault(sweep) + taken.Count;
                chosen.AddRange(taken);
            }
        }

        return chosen;
    }

    /// <summary>Results that are in the store already, by execution.</summary>
    private async Task<IReadOnlyDictionary<Guid, StoredResult>> LookUpAsync(IReadOnlyList<ExecutionRow> executions, CancellationToken stop)
    {
        var found = new System.Collections.Concurrent.ConcurrentDictionary<Guid, StoredResult>();
        await Parallel.ForEachAsync(executions, new ParallelOptions { MaxDegreeOfParallelism = options.LookUps, CancellationToken = stop }, (execution, _) =>
        {
            if (LookUp(execution) is { } result) found[execution.Id] = result;
            return default;
        });
        return found;
    }

    /// <summary>The result of an execution in the store, its checkpoint verified; null: none that it may take.</summary>
    public StoredResult? LookUp(ExecutionRow execution) =>
        results.Find(execution.Key) is { } stored && (execution.Scope == Guid.Empty || stored.SweepId == execution.Scope) && checkpoints.Has(stored.Output) ? stored : null;

    private async Task<Dictionary<long, Dispatch>> CommandsAsync(CoordinatorDatabase database, IReadOnlyList<OutboxRow> rows, CancellationToken stop)
    {
        var ids = rows.Where(r => r.CancelReason is null).Select(r => r.ExecutionId).ToHashSet();
        var executions = await database.Executions.AsNoTracking().Where(e => ids.Contains(e.Id)).ToDictionaryAsync(e => e.Id, stop);
        var nodes = new Dictionary<(Guid, int), NodeRow>();
        foreach (var ofSweep in executions.Values.GroupBy(e => e.SweepId))
        {
            var indices = ofSweep.Select(e => e.NodeIndex).ToList();
            foreach (var node in await database.Nodes.AsNoTracking().Where(n => n.SweepId == ofSweep.Key && indices.Contains(n.Index)).ToListAsync(stop))
                nodes.Add((node.SweepId, node.Index), node);
        }

        var commands = new Dictionary<long, Dispatch>();
        foreach (var row in rows)
        {
            // Cancelled, completed or sent again in the meantime: there is nothing to send.
            if (row.CancelReason is not null || !executions.TryGetValue(row.ExecutionId, out var execution)) continue;
            if (execution.State != RunState.Queued || execution.Attempt != row.Attempt || !nodes.TryGetValue((execution.SweepId, execution.NodeIndex), out var node)) continue;
            var facts = await changes.Facts.OfAsync(database, execution.SweepId, [node.Point], stop);
            var (point, branch) = (facts.Points[node.Point], facts.Branches[node.Branch]);
            commands.Add(row.Id, new Dispatch(
                new ExecuteStage(
                    execution.Id, execution.SweepId, execution.Key, execution.Stage, execution.StageVersion, point.Parameters, execution.Input(), SweepFacts.DataOf(point, branch),
                    branch.Seed, execution.Attempt, execution.Scope != Guid.Empty, options.ReplyQueue, facts.Sweep.Threads, facts.Sweep.Device, execution.SentAt ?? time.GetUtcNow()),
                execution.TraceParent));
        }

        return commands;
    }

    /// <summary>Sends one message; gives its row's id once the row may go.</summary>
    private async Task<long?> SendAsync(OutboxRow row, Dispatch? dispatch, CancellationToken stop)
    {
        if (dispatch is null) return row.Id;
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(stop);
        patience.CancelAfter(options.OutboxPatience / 2);
        try
        {
            await bus.SendAsync(dispatch.Command, dispatch.TraceParent, patience.Token);
            return row.Id;
        }
        catch (Exception e) when (e is not OutOfMemoryException && !stop.IsCancellationRequested)
        {
            // Its row stays, and is sent once its claim is over.
            log.LogWarning("Could not send {Stage} {Key}: {Reason}; trying again", dispatch.Command.Stage, dispatch.Command.Key, e.Message);
            return null;
        }
    }

    private async Task<IReadOnlyList<long>> CancelAsync(IReadOnlyList<OutboxRow> rows, CancellationToken stop)
    {
        if (rows.Count == 0) return [];
        try
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(stop);
            patience.CancelAfter(options.OutboxPatience / 2);
            await bus.CancelAsync(new CancelExecutions([.. rows.Select(r => new CancelledExecution(r.ExecutionId, r.Attempt, r.CancelReason!))]), patience.Token);
            return [.. rows.Select(r => r.Id)];
        }
        catch (Exception e) when (e is not OutOfMemoryException && !stop.IsCancellationRequested)
        {
            log.LogWarning("Could not cancel {Count} executions: {Reason}; trying again", rows.Count, e.Message);
            return [];
        }
    }

    private sealed record Dispatch(ExecuteStage Command, string? TraceParent);
}
