using System.Globalization;
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
    private const string Overdue = """SELECT "Id" FROM outbox WHERE "Owner" = {1} AND "ClaimedUntil" <= {2} ORDER BY "Id" LIMIT {3}""";
    private const string Claim = """UPDATE outbox SET "ClaimedUntil" = {0} WHERE "Id" IN (""" + Overdue;
    private const string ClaimInFile = Claim + ") RETURNING *";
    private const string ClaimOnServer = Claim + " FOR UPDATE SKIP LOCKED) RETURNING *";

    /// <summary>Sends what may be sent now.</summary>
    /// <returns>True if the state changed, so that more may have become ready.</returns>
    public async Task<bool> RoundAsync(CancellationToken stop)
    {
        IReadOnlyList<ExecutionRow> chosen;
        await using (var database = store.Open()) chosen = await NextExecutions.ChooseAsync(database, options, time.GetUtcNow(), stop);
        if (chosen.Count == 0) return false;
        // Outside of every lock and transaction: a store may be slow.
        var found = await LookUpAsync(chosen, stop);
        var order = chosen.Select((e, i) => (e.Id, i)).ToDictionary(e => e.Id, e => e.i);
        var ids = order.Keys.ToList();
        var change = await changes.MakeAsync(
            async change =>
            {
                var executions = await change.Database.Executions.Where(e => ids.Contains(e.Id) && e.State == RunState.Ready).ToListAsync(stop);
                await change.FindAsync([.. executions.Where(e => found.ContainsKey(e.Id)).Select(e => (e, found[e.Id]))], stop);
                await change.SendAsync([.. executions.Where(e => !found.ContainsKey(e.Id)).OrderBy(e => order[e.Id])], stop);
            },
            stop);
        await DeliverAsync(change.Sendings, stop);
        return true;
    }

    /// <summary>Hands to the bus what a report made ready and counted as sent at once.</summary>
    public async Task SendAsync(IReadOnlyList<Sending> sendings, CancellationToken stop)
    {
        if (sendings.Count == 0) return;
        var found = await LookUpAsync([.. sendings.Select(s => s.Execution)], stop);
        var ids = found.Keys.ToList();
        if (ids.Count > 0)
        {
            await changes.MakeAsync(
                async change => await change.FindInsteadAsync(
                    [.. (await change.Database.Executions.Where(e => ids.Contains(e.Id) && e.State == RunState.Queued && e.Attempt == 1).ToListAsync(stop)).Select(e => (e, found[e.Id]))],
                    stop),
                stop);
        }

        await DeliverAsync([.. sendings.Where(s => !found.ContainsKey(s.Execution.Id))], stop);
    }

    /// <summary>Sends what is in the outbox and nobody is sending: messages that cancel, and what a coordinator that died left.</summary>
    public async Task FlushAsync(CancellationToken stop)
    {
        await using var database = store.Open();
        var rows = await ClaimAsync(database, stop);
        if (rows.Count == 0) return;
        var ids = rows.Where(r => r.CancelReason is null).Select(r => r.ExecutionId).ToHashSet();
        var wanted = await (
            from execution in database.Executions.AsNoTracking()
            join node in database.Nodes.AsNoTracking() on new { execution.SweepId, Index = execution.NodeIndex } equals new { node.SweepId, node.Index }
            where ids.Contains(execution.Id) && execution.State == RunState.Queued
            select new { execution, node }).ToDictionaryAsync(w => w.execution.Id, stop);
        var sending = rows.Where(r => r.CancelReason is null && wanted.TryGetValue(r.ExecutionId, out var w) && w.execution.Attempt == r.Attempt)
            .Select(r => new Sending(r, wanted[r.ExecutionId].execution, wanted[r.ExecutionId].node)).ToList();
        await DeliverAsync(database, sending, rows, stop);
    }

    private async Task DeliverAsync(IReadOnlyList<Sending> sending, CancellationToken stop)
    {
        if (sending.Count == 0) return;
        await using var database = store.Open();
        await DeliverAsync(database, sending, [], stop);
    }

    /// <summary>Hands messages to the bus, and takes those that it has from the outbox.</summary>
    /// <param name="database">Where the outbox is.</param>
    /// <param name="sending">Executions to send.</param>
    /// <param name="others">Rows that cancel, and those that there is nothing to send for any more: cancelled, completed or sent again in the meantime.</param>
    /// <param name="stop">Gives up.</param>
    private async Task DeliverAsync(CoordinatorDatabase database, IReadOnlyList<Sending> sending, IReadOnlyList<OutboxRow> others, CancellationToken stop)
    {
        var sent = sending.Select(s => s.Row.Id).ToHashSet();
        var gone = others.Where(o => o.CancelReason is null && !sent.Contains(o.Id)).Select(o => o.Id).ToList();
        var commands = new List<(OutboxRow Row, ExecuteStage Command, string? Pool, string? TraceParent)>();
        foreach (var (row, execution, node) in sending) commands.Add((row, await CommandAsync(database, execution, node, stop), execution.Pool, execution.TraceParent));
        var delivered = (await Task.WhenAll(commands.Select(c => SendAsync(c.Row, c.Command, c.Pool, c.TraceParent, stop)))).OfType<long>().ToHashSet();
        foreach (var (_, execution, _) in sending.Where(s => delivered.Contains(s.Row.Id))) CoordinatorTelemetry.Sent(execution, time.GetUtcNow());
        gone.AddRange(delivered);
        gone.AddRange(await CancelAsync([.. others.Where(o => o.CancelReason is not null)], stop));
        await database.Outbox.Where(o => gone.Contains(o.Id)).ExecuteDeleteAsync(stop);
    }

    /// <summary>Takes overdue messages for this coordinator, all in one statement; what another one takes at the same moment is passed over.</summary>
    private Task<List<OutboxRow>> ClaimAsync(CoordinatorDatabase database, CancellationToken stop)
    {
        var now = time.GetUtcNow();
        return database.Outbox
            .FromSqlRaw(
                database is PostgreSqlDatabase ? ClaimOnServer : ClaimInFile,
                (now + options.OutboxPatience).UtcDateTime, options.ReplyQueue, now.UtcDateTime, options.Backlog * 4)
            .AsNoTracking().ToListAsync(stop);
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

    /// <summary>The result of an execution in the store, with its checkpoint; null: none that it may take.</summary>
    public StoredResult? LookUp(ExecutionRow execution) =>
        results.Find(execution.Key) is { } stored && (execution.Scope == Guid.Empty || stored.SweepId == execution.Scope) && checkpoints.Exists(stored.Output) ? stored : null;

    private async Task<ExecuteStage> CommandAsync(CoordinatorDatabase database, ExecutionRow execution, NodeRow node, CancellationToken stop)
    {
        var facts = await changes.Facts.OfAsync(database, execution.SweepId, [node.Point], stop);
        var (point, branch) = (facts.Points[node.Point], facts.Branches[node.Branch]);
        return new ExecuteStage(
            execution.Id, execution.SweepId, execution.Key, execution.Stage, execution.StageVersion, point.Parameters, execution.Input(), SweepFacts.DataOf(point, branch),
            branch.Seed, execution.Attempt, execution.Scope != Guid.Empty, options.ReplyQueue, facts.Sweep.Threads, facts.Sweep.Device, execution.SentAt ?? time.GetUtcNow());
    }

    /// <summary>Sends one message; gives its row's id once the row may go.</summary>
    private async Task<long?> SendAsync(OutboxRow row, ExecuteStage command, string? pool, string? traceParent, CancellationToken stop)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(stop);
        patience.CancelAfter(options.OutboxPatience / 2);
        try
        {
            await bus.SendAsync(command, pool, traceParent, patience.Token);
            return row.Id;
        }
        catch (Exception e) when (e is not OutOfMemoryException && !stop.IsCancellationRequested)
        {
            // Its row stays, and is sent once its claim is over.
            log.LogWarning("Could not send {Stage} {Key}: {Reason}; trying again", command.Stage, command.Key, Reason(e));
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
            log.LogWarning("Could not cancel {Count} executions: {Reason}; trying again", rows.Count, Reason(e));
            return [];
        }
    }

    /// <summary>Why the bus did not take a message. With a broker that is away, a send waits until it is called off.</summary>
    private string Reason(Exception e) =>
        e is OperationCanceledException ? string.Create(CultureInfo.InvariantCulture, $"the broker did not answer for {(options.OutboxPatience / 2).TotalSeconds:0} s") : e.Message;
}
