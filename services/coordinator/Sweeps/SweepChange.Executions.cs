using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <content>What happens to executions: reports, results, failures, sending.</content>
internal sealed partial class SweepChange
{
    /// <summary>Applies reports in their order. One that is late or comes twice changes nothing.</summary>
    public async Task ReportAsync(IReadOnlyList<Report> reports, CancellationToken stop)
    {
        var ids = reports.Select(r => r.Message.ExecutionId).ToHashSet();
        // With a result come the nodes that wait for it, in the same round trip.
        var done = reports.Where(r => r.Message is StageCompleted).Select(r => r.Message.ExecutionId).ToHashSet();
        var held = await (
            from execution in database.Executions
            where ids.Contains(execution.Id)
            join lease in database.Leases on execution.Id equals lease.ExecutionId into its
            from lease in its.DefaultIfEmpty()
            join node in database.Nodes.Where(n => done.Contains(n.ExecutionId!.Value)) on (Guid?)execution.Id equals node.ExecutionId into wanting
            from node in wanting.DefaultIfEmpty()
            select new { execution, lease, node }).ToListAsync(stop);
        // A row for each of those nodes.
        var executions = held.Select(h => h.execution).Distinct().ToDictionary(e => e.Id);
        var leases = held.Where(h => h.lease is not null).DistinctBy(h => h.execution.Id).ToDictionary(h => h.execution.Id, h => h.lease);
        var nodes = held.Select(h => h.node).Where(n => n is not null).ToLookup(n => n.ExecutionId!.Value);
        var before = executions.Values.ToDictionary(e => e.Id, e => (e.State, e.Found));
        var epochs = new Dictionary<(Guid, int), EpochFigures>();
        foreach (var report in reports)
        {
            // What names the execution and another key or stage is no report about it.
            if (executions.TryGetValue(report.Message.ExecutionId, out var execution) && (execution.Key, execution.Stage) == (report.Message.Key, report.Message.Stage))
                Apply(execution, report, leases, epochs);
        }

        await KeepEpochsAsync(epochs, stop);
        // What a trial is compared by is there.
        foreach (var sweep in epochs.Keys.Select(k => executions[k.Item1].SweepId).Distinct()) MaySearch |= (await FactsAsync(sweep, [], stop)).StopsEarly;
        var lost = executions.Values.Where(e => _inputLost.Contains(e.Id)).ToList();
        var moved = executions.Values.Where(e => e.State != before[e.Id].State && !_inputLost.Contains(e.Id)).Select(e => (e, before[e.Id].State)).ToList();
        if (moved.TrueForAll(m => done.Contains(m.e.Id))) await SettleAsync(moved, [.. moved.SelectMany(m => nodes[m.e.Id])], stop);
        else await SettleAsync(moved, stop);
        foreach (var execution in lost) await RemakeInputAsync(execution, before[execution.Id].State, stop);
        if (MaySend) await SendAtOnceAsync(stop);
    }

    /// <summary>Takes results that were in the store already.</summary>
    public async Task FindAsync(IReadOnlyList<(ExecutionRow Execution, Hosting.StoredResult Result)> found, CancellationToken stop)
    {
        var moved = new List<(ExecutionRow, RunState)>();
        foreach (var (execution, result) in found)
        {
            if (RunLife.Next(execution.State, RunEvent.Find) is not { } next) continue;
            moved.Add((execution, execution.State));
            // A report that was lost is no look-up: somebody computed it for this execution.
            Finish(execution, next, result.Output, result.Metrics, result.Seconds, isFound: execution.Attempt == 0, result.TraceParent);
        }

        await ReleaseAsync(moved.ConvertAll(m => m.Item1), stop);
        await SettleAsync(moved, stop);
    }

    /// <summary>Counts executions as sent and puts the messages into the outbox.</summary>
    public async Task SendAsync(IReadOnlyList<ExecutionRow> executions, CancellationToken stop)
    {
        var moved = new List<(ExecutionRow, RunState)>();
        var rows = new List<(OutboxRow Row, ExecutionRow Execution)>();
        foreach (var execution in executions)
        {
            if (RunLife.Next(execution.State, RunEvent.Send) is not { } next) continue;
            moved.Add((execution, execution.State));
            rows.Add((Send(execution, next), execution));
        }

        var nodes = (await SettleAsync(moved, stop)).ToDictionary(n => (n.SweepId, n.Index));
        Sendings.AddRange(rows.Where(r => nodes.ContainsKey((r.Execution.SweepId, r.Execution.NodeIndex)))
            .Select(r => new Sending(r.Row, r.Execution, nodes[(r.Execution.SweepId, r.Execution.NodeIndex)])));
    }

    /// <summary>Takes results of executions that are counted as sent, and whose messages nobody has sent.</summary>
    public async Task FindInsteadAsync(IReadOnlyList<(ExecutionRow Execution, Hosting.StoredResult Result)> found, CancellationToken stop)
    {
        var ids = found.Select(f => f.Execution.Id).ToList();
        foreach (var (execution, _) in found) (execution.Attempt, execution.SentAt) = (0, null);
        await FindAsync(found, stop);
        await database.Outbox.Where(o => ids.Contains(o.ExecutionId) && o.CancelReason == null).ExecuteDeleteAsync(stop);
    }

    /// <summary>Sends executions again whose messages or workers are lost.</summary>
    public async Task LoseAsync(IReadOnlyList<ExecutionRow> executions, CancellationToken stop)
    {
        var moved = new List<(ExecutionRow, RunState)>();
        foreach (var execution in executions)
        {
            if (RunLife.Next(execution.State, RunEvent.TryAgain) is not { } next) continue;
            moved.Add((execution, execution.State));
            execution.State = next;
            execution.SilentSends++;
            execution.Version++;
        }

        await ReleaseAsync(moved.ConvertAll(m => m.Item1), stop);
        await SettleAsync(moved, stop);
    }

    /// <summary>Fails active executions for a reason of the coordinator, and has their workers stop.</summary>
    public async Task FailAsync(IReadOnlyList<ExecutionRow> executions, string reason, CancellationToken stop)
    {
        var moved = new List<(ExecutionRow, RunState)>();
        foreach (var execution in executions)
        {
            if (RunLife.Next(execution.State, RunEvent.Fail) is not { } next) continue;
            moved.Add((execution, execution.State));
            Fail(execution, next, reason);
            if (execution.Attempt > 0) Cancel(execution, execution.Attempt, reason);
        }

        await ReleaseAsync(moved.ConvertAll(m => m.Item1), stop);
        await SettleAsync(moved, stop);
    }

    /// <summary>
    /// Sends what became ready in this change, where nobody else waits for the queue and it has room: there is nothing to choose. The rest is left to the
    /// dispatcher.
    /// </summary>
    private async Task SendAtOnceAsync(CancellationToken stop)
    {
        var queues = await QueueLoad.ReadAsync(database, options, stop);
        var isLeft = queues.Values.Any(q => q.Ready > 0);
        foreach (var queue in _made.Values.Where(m => m.Execution.State == RunState.Ready).GroupBy(m => WorkQueue.Of(m.Execution)).ToList())
        {
            var load = queues.GetValueOrDefault(queue.Key);
            var ofSweeps = queue.GroupBy(m => m.Execution.SweepId).ToDictionary(g => g.Key, g => g.OrderBy(m => m.Node.Index).ToList());
            // Of a sweep with a limit of parallel executions, all queues and all coordinators have to be looked at.
            var claims = ofSweeps.Where(s => SweepRows.LimitsOf(_sweeps[s.Key]) is null or { Parallel: null, ParallelOf: null }).Select(s => ShareClaim.Of(_sweeps[s.Key], s.Value.Count)).ToList();
            var sent = 0;
            foreach (var (sweep, most) in FairShares.Divide(claims, new Dictionary<Guid, int>(), load is { Ready: 0 } ? load.Free(options) : 0))
            {
                sent += most;
                foreach (var made in ofSweeps[sweep].Take(most))
                {
                    var row = Send(made.Execution, RunState.Queued);
                    foreach (var (node, step) in made.Nodes) Move(node, step, NodeState.Ready, NodeState.Queued);
                    Sendings.Add(new Sending(row, made.Execution, made.Node));
                }
            }

            isLeft |= sent < queue.Count();
        }

        MaySend = isLeft;
    }

    private OutboxRow Send(ExecutionRow execution, RunState next)
    {
        execution.State = next;
        execution.Attempt++;
        execution.SentAt = now;
        execution.StartedAt = null;
        execution.NotBefore = null;
        execution.Version++;
        var row = new OutboxRow { Owner = execution.Owner, ExecutionId = execution.Id, Attempt = execution.Attempt, ClaimedUntil = now + options.OutboxPatience };
        database.Outbox.Add(row);
        return row;
    }

    private void Apply(ExecutionRow execution, Report report, Dictionary<Guid, LeaseRow> leases, Dictionary<(Guid, int), EpochFigures> epochs)
    {
        var message = report.Message;
        var isCurrent = message.Attempt == execution.Attempt;
        switch (message)
        {
            case StageStarted or StageProgressed when execution.State is RunState.Cancelled or RunState.Failed:
                // Its worker missed the message that cancelled it.
                Cancel(execution, message.Attempt, "nobody wants it any more");
                break;
            case StageStarted started when isCurrent:
                Hear(started.Worker, null);
                break;
            case StageProgressed progressed when isCurrent:
                Hear(progressed.Worker, progressed.Progress);
                break;
            case StageCompleted completed when RunLife.Next(execution.State, RunEvent.Complete) is { } next:
                Finish(execution, next, completed.Output, completed.Metrics, completed.Seconds, completed.Found && execution.Attempt <= 1, report.TraceParent);
                break;
            case StageFailed failed when isCurrent && RunLife.IsOver(execution.State) is false && execution.State != RunState.Ready:
                AfterFailure(execution, failed);
                break;
            case StageCancelled when isCurrent && RunLife.Next(execution.State, RunEvent.TryAgain) is { } again:
                // Cancelled, and wanted again in the meantime.
                (execution.State, execution.Version) = (again, execution.Version + 1);
                break;
        }

        if (RunLife.IsOver(execution.State) || execution.State == RunState.Ready) Release(execution.Id, leases);

        void Hear(string worker, StageProgress? progress)
        {
            if (RunLife.Next(execution.State, RunEvent.Hear) is not { } next) return;
            // One that is taken, and then never heard of, comes to an end only if its first words do not count.
            var isAlive = execution.SilentSends > 0 && execution.State == next && now - execution.StartedAt >= options.QueuedSilence;
            if (execution.State != next || execution.Worker != worker || isAlive)
            {
                execution.StartedAt = execution.State == next ? execution.StartedAt ?? now : now;
                (execution.State, execution.Worker, execution.Error) = (next, worker, null);
                if (isAlive) execution.SilentSends = 0;
                execution.Version++;
            }

            if (!leases.TryGetValue(execution.Id, out var lease))
            {
                database.Leases.Add(leases[execution.Id] = lease = new LeaseRow { ExecutionId = execution.Id, Worker = worker });
                // Another coordinator that ends the execution meanwhile must not leave this row behind.
                execution.Version++;
            }

            (lease.Attempt, lease.Worker, lease.HeardAt) = (message.Attempt, worker, now);
            if (progress is null) return;
            lease.Progress = JsonSerializer.Serialize(progress with { Ended = null }, LatheJson.Options);
            foreach (var epoch in progress.Ended ?? (progress.LastEpoch is { } last ? [last] : []))
            {
                if (epoch.Epoch is >= 0 and <= MostEpochs) epochs[(execution.Id, epoch.Epoch)] = epoch;
            }
        }
    }

    private void Release(Guid execution, Dictionary<Guid, LeaseRow> leases)
    {
        if (leases.Remove(execution, out var lease)) database.Leases.Remove(lease);
    }

    /// <summary>No worker holds these any more, whatever it last said.</summary>
    private async Task ReleaseAsync(List<ExecutionRow> executions, CancellationToken stop)
    {
        // One that was never sent was never held.
        var ids = executions.Where(e => e.Attempt > 0).Select(e => e.Id).ToList();
        if (ids.Count > 0) await database.Leases.Where(l => ids.Contains(l.ExecutionId)).ExecuteDeleteAsync(stop);
    }

    private void AfterFailure(ExecutionRow execution, StageFailed failed)
    {
        // A stage may repeat what it read in a damaged file; PostgreSQL takes no NUL.
        failed = failed with { Message = failed.Message.Replace('\0', '?') };
        CoordinatorTelemetry.Failed(execution.Stage, failed.Kind);
        if (failed.Kind == FailureKind.Transient) execution.Failures++;
        var what = RunLife.AfterFailure(failed.Kind, execution.Failures, options.Attempts);
        if (RunLife.Next(execution.State, what) is not { } next) return;
        if (next == RunState.Cancelled)
        {
            (execution.State, execution.Error, execution.FinishedAt) = (next, failed.Message, now);
            execution.Version++;
            _inputLost.Add(execution.Id);
            return;
        }

        if (next == RunState.Failed)
        {
            Fail(execution, next, failed.Kind == FailureKind.Transient && execution.Failures > 1 ? $"{failed.Message} (failed {execution.Failures} times)" : failed.Message);
            return;
        }

        var doublings = failed.Kind == FailureKind.Elsewhere ? Math.Min(execution.Attempt - 1, MostDoublings) : execution.Failures - 1;
        execution.NotBefore = now + options.RetryDelay * Math.Pow(2, doublings);
        (execution.State, execution.Error, execution.SilentSends) = (next, failed.Message, 0);
        execution.Version++;
    }

    private void Fail(ExecutionRow execution, RunState next, string reason)
    {
        (execution.State, execution.Error, execution.FinishedAt) = (next, reason, now);
        execution.Version++;
    }

    private void Finish(
        ExecutionRow execution, RunState next, CheckpointRef output, IReadOnlyDictionary<string, double> metrics, double seconds, bool isFound, string? traceParent)
    {
        execution.State = next;
        (execution.OutputSha256, execution.OutputBytes) = (output.Sha256, output.Bytes);
        execution.Metrics = JsonSerializer.Serialize(metrics, LatheJson.Options);
        (execution.Seconds, execution.Found, execution.FinishedAt, execution.Error) = (seconds, isFound, now, null);
        // What is found keeps the trace of its sweep.
        if (!isFound && traceParent is not null) execution.TraceParent = traceParent;
        execution.Version++;
    }

    private void Cancel(ExecutionRow execution, int attempt, string reason)
    {
        // Workers of an embedded coordinator that is gone are gone too. One order is enough for all that a worker reported meanwhile.
        if (execution.Owner != options.ReplyQueue || !_called.Add((execution.Id, attempt))) return;
        database.Outbox.Add(new OutboxRow { Owner = execution.Owner, ExecutionId = execution.Id, Attempt = attempt, CancelReason = reason, ClaimedUntil = now });
        Cancels = true;
    }

    /// <summary>Moves the nodes of executions that moved, and advances or blocks what follows them.</summary>
    private async Task<IReadOnlyList<NodeRow>> SettleAsync(IReadOnlyList<(ExecutionRow Execution, RunState From)> moved, CancellationToken stop)
    {
        if (moved.Count == 0) return [];
        // A node that this change linked before must be among those that move now.
        if (_hasLinked) await database.SaveChangesAsync(stop);
        _hasLinked = false;
        var ids = moved.Select(m => m.Execution.Id).ToList();
        return await SettleAsync(moved, await database.Nodes.Where(n => n.ExecutionId != null && ids.Contains(n.ExecutionId.Value)).ToListAsync(stop), stop);
    }

    /// <summary>The same with the nodes of these executions, which this change has not touched before.</summary>
    private async Task<IReadOnlyList<NodeRow>> SettleAsync(IReadOnlyList<(ExecutionRow Execution, RunState From)> moved, IReadOnlyList<NodeRow> nodes, CancellationToken stop)
    {
        if (moved.Count == 0) return [];
        var byId = moved.ToDictionary(m => m.Execution.Id);
        await LoadSweepsAsync(nodes.Select(n => n.SweepId), stop);
        var completed = new Dictionary<(Guid, int), ExecutionRow>();
        var failed = new List<NodeRow>();
        foreach (var node in nodes)
        {
            var (execution, from) = byId[node.ExecutionId!.Value];
            var to = NodeStates.Of(node, execution);
            Move(node, await StepAsync(node, stop), NodeStates.Of(node, from, isCached: false), to, to == NodeState.Completed ? execution.Seconds ?? 0 : 0);
            if (execution.State == RunState.Completed) completed.Add((node.SweepId, node.Index), execution);
            if (execution.State == RunState.Failed) failed.Add(node);
        }

        if (moved.Any(m => m.Execution.State != RunState.Queued)) MaySend = true;
        _ended.UnionWith(moved.Where(m => !m.Execution.IsActive).Select(m => m.Execution.Key));
        foreach (var ofSweep in completed.GroupBy(c => c.Key.Item1))
        {
            var parents = ofSweep.Select(c => c.Key.Item2).ToList();
            var children = await database.Nodes
                .Where(n => n.SweepId == ofSweep.Key && n.Parent != null && parents.Contains(n.Parent.Value) && n.ExecutionId == null)
                .OrderBy(n => n.Index)
                .ToListAsync(stop);
            await AdvanceAsync(children, completed, stop);
        }

        await BlockAsync(failed, stop);
        return nodes;
    }

    /// <summary>Epochs of one execution that are kept.</summary>
    private const int MostEpochs = 10_000;

    private async Task KeepEpochsAsync(Dictionary<(Guid Execution, int Epoch), EpochFigures> epochs, CancellationToken stop)
    {
        if (epochs.Count == 0) return;
        var ids = epochs.Keys.Select(k => k.Execution).ToHashSet();
        var least = epochs.Keys.Min(k => k.Epoch);
        var known = await database.ProgressPoints.Where(p => ids.Contains(p.ExecutionId) && p.Epoch >= least).ToDictionaryAsync(p => (p.ExecutionId, p.Epoch), stop);
        foreach (var (key, figures) in epochs)
        {
            if (!known.TryGetValue(key, out var row)) database.ProgressPoints.Add(row = new ProgressPointRow { ExecutionId = key.Execution, Epoch = key.Epoch });
            (row.Loss, row.Accuracy, row.At) = (figures.Loss, figures.Accuracy, now);
        }
    }
}
