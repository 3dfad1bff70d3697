using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>A message of the outbox with what it is made from.</summary>
internal sealed record Sending(OutboxRow Row, ExecutionRow Execution, NodeRow Node);

/// <summary>A report from a worker, with the trace context of its span.</summary>
public sealed record Report(IStageReport Message, string? TraceParent = null);

/// <summary>
/// One change of the coordinator's state, in one transaction. Its cost depends on what it changes and not on the size of the sweeps. Messages go to the
/// outbox table, and are sent after the commit.
/// </summary>
internal sealed class SweepChange(CoordinatorDatabase database, SweepFactsCache cache, CoordinatorOptions options, DateTimeOffset now)
{
    // 5 seconds to 80: a worker that fits is found soon, and thousands of executions that wait for one keep nobody busy.
    private const int MostDoublings = 4;

    // Any number that other programs on the same server are unlikely to lock.
    private const long EventsLock = 0x4C6174686565;

    private readonly Counts _counts = new();
    private readonly Dictionary<Guid, SweepRow> _sweeps = [];
    private readonly Dictionary<(string Key, Guid Scope), ExecutionRow> _active = [];
    private readonly Dictionary<Guid, SortedDictionary<int, string>> _moved = [];
    private readonly HashSet<Guid> _mayEnd = [];
    private readonly HashSet<Guid> _inputLost = [];
    private readonly List<EventRow> _events = [];
    private bool _hasLinked;

    public CoordinatorDatabase Database => database;

    public DateTimeOffset Now => now;

    /// <summary>Sweeps that ended with this change.</summary>
    public List<SweepRow> Ended { get; } = [];

    /// <summary>Executions that became ready or whose worker became free: there may be something to send.</summary>
    public bool MaySend { get; private set; }

    /// <summary>True if the outbox got a message to cancel something.</summary>
    public bool Cancels { get; private set; }

    /// <summary>Applies reports in their order. One that is late or comes twice changes nothing.</summary>
    public async Task ReportAsync(IReadOnlyList<Report> reports, CancellationToken stop)
    {
        var ids = reports.Select(r => r.Message.ExecutionId).ToHashSet();
        var executions = await database.Executions.Where(e => ids.Contains(e.Id)).ToDictionaryAsync(e => e.Id, stop);
        var leases = await database.Leases.Where(l => ids.Contains(l.ExecutionId)).ToDictionaryAsync(l => l.ExecutionId, stop);
        var before = executions.Values.ToDictionary(e => e.Id, e => (e.State, e.Found));
        var epochs = new Dictionary<(Guid, int), EpochFigures>();
        foreach (var report in reports)
        {
            // What names the execution and another key or stage is no report about it.
            if (executions.TryGetValue(report.Message.ExecutionId, out var execution) && (execution.Key, execution.Stage) == (report.Message.Key, report.Message.Stage))
                Apply(execution, report, leases, epochs);
        }

        await KeepEpochsAsync(epochs, stop);
        var lost = executions.Values.Where(e => _inputLost.Contains(e.Id)).ToList();
        await SettleAsync([.. executions.Values.Where(e => e.State != before[e.Id].State && !_inputLost.Contains(e.Id)).Select(e => (e, before[e.Id].State))], stop);
        foreach (var execution in lost) await RemakeInputAsync(execution, before[execution.Id].State, stop);
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
    /// <returns>What is to be sent after the commit; the outbox row's id is known by then.</returns>
    public async Task<IReadOnlyList<Sending>> SendAsync(IReadOnlyList<ExecutionRow> executions, DateTimeOffset claimedUntil, CancellationToken stop)
    {
        var moved = new List<(ExecutionRow, RunState)>();
        var rows = new List<(OutboxRow Row, ExecutionRow Execution)>();
        foreach (var execution in executions)
        {
            if (RunLife.Next(execution.State, RunEvent.Send) is not { } next) continue;
            moved.Add((execution, execution.State));
            execution.State = next;
            execution.Attempt++;
            execution.SentAt = now;
            execution.StartedAt = null;
            execution.NotBefore = null;
            execution.Version++;
            var row = new OutboxRow { Owner = execution.Owner, ExecutionId = execution.Id, Attempt = execution.Attempt, ClaimedUntil = claimedUntil };
            database.Outbox.Add(row);
            rows.Add((row, execution));
        }

        var nodes = (await SettleAsync(moved, stop)).ToDictionary(n => (n.SweepId, n.Index));
        return [.. rows.Where(r => nodes.ContainsKey((r.Execution.SweepId, r.Execution.NodeIndex)))
            .Select(r => new Sending(r.Row, r.Execution, nodes[(r.Execution.SweepId, r.Execution.NodeIndex)]))];
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

    /// <summary>Records the executions of nodes whose input exists, or joins those that are under way.</summary>
    /// <param name="nodes">Tracked; without an execution.</param>
    /// <param name="inputs">The execution of each node's parent, by sweep and index of the parent.</param>
    /// <param name="stop">Gives up.</param>
    public async Task AdvanceAsync(IReadOnlyList<NodeRow> nodes, IReadOnlyDictionary<(Guid Sweep, int Index), ExecutionRow> inputs, CancellationToken stop)
    {
        if (nodes.Count == 0) return;
        await LoadSweepsAsync(nodes.Select(n => n.SweepId), stop);
        var wanted = new List<(NodeRow Node, Point Point, string Key, Guid Scope, ExecutionRow? Input)>();
        foreach (var ofSweep in nodes.GroupBy(n => n.SweepId))
        {
            var sweep = _sweeps[ofSweep.Key];
            if (sweep.State != SweepState.Running) continue;
            var facts = await cache.OfAsync(database, sweep.Id, ofSweep.Select(n => n.Point), stop);
            foreach (var node in ofSweep.Where(n => n is { ExecutionId: null, Hold: NodeHold.None, BlockedBy: null }))
            {
                var input = node.Parent is { } parent ? inputs.GetValueOrDefault((sweep.Id, parent)) : null;
                if (node.Parent is not null && input?.State != RunState.Completed) continue;
                wanted.Add((node, facts.Points[node.Point], facts.KeyOf(node, input?.Output()), sweep.Fresh ? sweep.Id : Guid.Empty, input));
            }
        }

        await LoadActiveAsync(wanted.Select(w => w.Key), stop);
        foreach (var (node, point, key, scope, input) in wanted)
        {
            var sweep = _sweeps[node.SweepId];
            if (!_active.TryGetValue((key, scope), out var execution))
            {
                _active.Add((key, scope), execution = new ExecutionRow
                {
                    Id = Guid.CreateVersion7(now),
                    Key = key,
                    Scope = scope,
                    Owner = options.ReplyQueue,
                    SweepId = sweep.Id,
                    NodeIndex = node.Index,
                    Stage = point.Stage,
                    StageVersion = point.Version,
                    State = RunState.Ready,
                    ReadyAt = now,
                    InputSha256 = input?.OutputSha256,
                    InputBytes = input?.OutputBytes,
                    TraceParent = input?.TraceParent ?? sweep.TraceParent,
                });
                database.Executions.Add(execution);
                MaySend = true;
            }
            else if (execution.SweepId != sweep.Id && !await IsRunningAsync(execution.SweepId, stop))
            {
                // The sweep on whose account it was recorded is paused or over.
                (execution.SweepId, execution.NodeIndex) = (sweep.Id, node.Index);
                execution.Version++;
                MaySend = true;
            }

            node.ExecutionId = execution.Id;
            _hasLinked = true;
            Move(node, point.Step, NodeState.Waiting, NodeStates.Of(node, execution));
        }
    }

    /// <summary>Takes nodes from their active executions. An execution that no other node wants is cancelled; its worker keeps the training state.</summary>
    /// <param name="nodes">Tracked; those without an active execution stay as they are.</param>
    /// <param name="hold">What the nodes are held with from now on.</param>
    /// <param name="reason">For a person: <c>paused</c>, <c>cancelled</c>.</param>
    /// <param name="stop">Gives up.</param>
    public async Task DetachAsync(IReadOnlyList<NodeRow> nodes, NodeHold hold, string reason, CancellationToken stop)
    {
        var ids = nodes.Where(n => n.ExecutionId is not null).Select(n => n.ExecutionId!.Value).ToHashSet();
        var executions = await database.Executions.Where(e => ids.Contains(e.Id)).ToDictionaryAsync(e => e.Id, stop);
        await LoadSweepsAsync(nodes.Select(n => n.SweepId), stop);
        var left = new HashSet<Guid>();
        foreach (var node in nodes)
        {
            var execution = node.ExecutionId is { } id ? executions[id] : null;
            if (execution is { IsActive: false }) continue;
            var from = NodeStates.Of(node, execution);
            node.Hold = hold;
            if (execution is not null)
            {
                node.ExecutionId = null;
                left.Add(execution.Id);
            }

            Move(node, await StepAsync(node, stop), from, NodeStates.Of(node, null));
        }

        await database.SaveChangesAsync(stop);
        foreach (var id in left) await CancelUnlessWantedAsync(executions[id], reason, stop);
    }

    /// <summary>Gives nodes that failed or were held another chance: their executions are forgotten, and what they blocked waits again.</summary>
    /// <param name="nodes">Tracked, of one sweep.</param>
    /// <param name="stop">Gives up.</param>
    public async Task ReleaseAsync(IReadOnlyList<NodeRow> nodes, CancellationToken stop)
    {
        if (nodes.Count == 0) return;
        var sweep = nodes[0].SweepId;
        var ids = nodes.Where(n => n.ExecutionId is not null).Select(n => n.ExecutionId!.Value).ToHashSet();
        var executions = await database.Executions.AsNoTracking().Where(e => ids.Contains(e.Id)).ToDictionaryAsync(e => e.Id, stop);
        foreach (var node in nodes)
        {
            var execution = node.ExecutionId is { } id ? executions[id] : null;
            if (execution is not null && execution.State != RunState.Failed && execution.State != RunState.Cancelled) continue;
            var from = NodeStates.Of(node, execution);
            node.ExecutionId = null;
            node.Hold = NodeHold.None;
            Move(node, await StepAsync(node, stop), from, NodeStates.Of(node, null));
        }

        var released = nodes.Select(n => n.Index).ToHashSet();
        foreach (var some in released.Chunk(1000))
        {
            foreach (var blocked in await database.Nodes.Where(n => n.SweepId == sweep && n.BlockedBy != null && some.Contains(n.BlockedBy.Value)).ToListAsync(stop))
            {
                var from = NodeStates.Of(blocked, null);
                blocked.BlockedBy = null;
                Move(blocked, await StepAsync(blocked, stop), from, NodeStates.Of(blocked, null));
            }
        }
    }

    /// <summary>Marks everything that starts from these nodes as not to be run.</summary>
    public async Task BlockAsync(IReadOnlyList<NodeRow> nodes, CancellationToken stop)
    {
        foreach (var ofSweep in nodes.GroupBy(n => n.SweepId))
        {
            var by = ofSweep.ToDictionary(n => n.Index, n => n.Index);
            while (by.Count > 0)
            {
                var parents = by.Keys.ToList();
                var next = new Dictionary<int, int>();
                foreach (var child in await database.Nodes
                    .Where(n => n.SweepId == ofSweep.Key && n.Parent != null && parents.Contains(n.Parent.Value) && n.ExecutionId == null && n.BlockedBy == null)
                    .ToListAsync(stop))
                {
                    var from = NodeStates.Of(child, null);
                    child.BlockedBy = by[child.Parent!.Value];
                    Move(child, await StepAsync(child, stop), from, NodeStates.Of(child, null));
                    next.Add(child.Index, child.BlockedBy.Value);
                }

                by = next;
            }
        }
    }

    /// <summary>Writes everything, and ends the sweeps that have nothing left to run. Call it last, before the commit.</summary>
    public async Task SaveAsync(CancellationToken stop)
    {
        await database.SaveChangesAsync(stop);
        // The limit of failures may stop a sweep, which moves further nodes.
        while (_counts.Take() is { Count: > 0 } moved)
        {
            await Counts.StoreAsync(moved, database, stop);
            _mayEnd.UnionWith(moved.Keys.Select(k => k.Sweep));
            foreach (var id in _mayEnd) await EndAsync(id, stop);
            _mayEnd.Clear();
            await database.SaveChangesAsync(stop);
        }

        foreach (var id in _mayEnd) await EndAsync(id, stop);
        foreach (var (sweep, nodes) in _moved)
            Tell(sweep, "executions", new { executions = nodes.Select(n => new { index = n.Key, state = n.Value }) });
        await database.SaveChangesAsync(stop);
        if (_events.Count == 0) return;
        // Numbers rise in the order of the commits: somebody who watches asks for what came after the last number.
        if (database is PostgreSqlDatabase) await database.Database.ExecuteSqlAsync($"SELECT pg_advisory_xact_lock({EventsLock})", stop);
        database.Events.AddRange(_events);
        await database.SaveChangesAsync(stop);
    }

    /// <summary>Has <see cref="SaveAsync"/> look whether the sweep is over, whether or not a node of it moved.</summary>
    public void MayEnd(Guid sweep) => _mayEnd.Add(sweep);

    /// <summary>Adds an event for those who watch the sweep.</summary>
    public void Tell(Guid sweep, string kind, object about) => _events.Add(
        new EventRow { SweepId = sweep, At = now, Kind = kind, Json = JsonSerializer.Serialize(about, LatheJson.Options) });

    /// <summary>A sweep of this change.</summary>
    public async Task<SweepRow> SweepAsync(Guid id, CancellationToken stop)
    {
        await LoadSweepsAsync([id], stop);
        return _sweeps[id];
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
            if (execution.State != next || execution.Worker != worker || execution.SilentSends > 0)
            {
                execution.StartedAt = execution.State == next ? execution.StartedAt ?? now : now;
                (execution.State, execution.Worker, execution.SilentSends, execution.Error) = (next, worker, 0, null);
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
            lease.Progress = JsonSerializer.Serialize(progress, LatheJson.Options);
            if (progress.LastEpoch is { } epoch) epochs[(execution.Id, epoch.Epoch)] = epoch;
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

    /// <summary>Computes the input of an execution again; the nodes of both wait for it.</summary>
    private async Task RemakeInputAsync(ExecutionRow execution, RunState from, CancellationToken stop)
    {
        var nodes = await database.Nodes.Where(n => n.ExecutionId == execution.Id).ToListAsync(stop);
        await LoadSweepsAsync(nodes.Select(n => n.SweepId), stop);
        var parents = new List<(NodeRow Node, ExecutionRow? Execution)>();
        foreach (var node in nodes)
        {
            var parent = await database.Nodes.SingleAsync(n => n.SweepId == node.SweepId && n.Index == node.Parent, stop);
            parents.Add((parent, parent.ExecutionId is { } id ? await database.Executions.SingleAsync(e => e.Id == id, stop) : null));
        }

        var remakes = parents.Max(p => p.Execution?.Remakes ?? 0) + 1;
        if (remakes >= options.Attempts)
        {
            execution.State = RunState.Failed;
            execution.Error = $"{execution.Error} (its input was computed again {remakes - 1} times, and lost each time: coordinator and workers must share one store)";
            await SettleAsync([(execution, from)], stop);
            return;
        }

        foreach (var node in nodes)
        {
            Move(node, await StepAsync(node, stop), NodeStates.Of(node, from, isCached: false), NodeState.Waiting);
            node.ExecutionId = null;
        }

        var again = new List<NodeRow>();
        foreach (var (parent, its) in parents.DistinctBy(p => (p.Node.SweepId, p.Node.Index)))
        {
            if (its?.State != RunState.Completed) continue;
            Move(parent, await StepAsync(parent, stop), NodeStates.Of(parent, its), NodeState.Waiting);
            parent.ExecutionId = null;
            again.Add(parent);
        }

        await database.SaveChangesAsync(stop);
        var inputs = new Dictionary<(Guid, int), ExecutionRow>();
        foreach (var node in again.Where(n => n.Parent is not null))
        {
            var input = await (
                from before in database.Nodes
                join made in database.Executions on before.ExecutionId equals made.Id
                where before.SweepId == node.SweepId && before.Index == node.Parent
                select made).FirstOrDefaultAsync(stop);
            if (input is not null) inputs[(node.SweepId, node.Parent!.Value)] = input;
        }

        await AdvanceAsync(again, inputs, stop);
        foreach (var made in again.Select(n => n.ExecutionId).OfType<Guid>().Distinct())
        {
            if (database.Executions.Local.FirstOrDefault(e => e.Id == made) is { Attempt: 0 } fresh) fresh.Remakes = remakes;
        }
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
        // Workers of an embedded coordinator that is gone are gone too.
        if (execution.Owner != options.ReplyQueue) return;
        database.Outbox.Add(new OutboxRow { Owner = execution.Owner, ExecutionId = execution.Id, Attempt = attempt, CancelReason = reason, ClaimedUntil = now });
        Cancels = true;
    }

    private async Task CancelUnlessWantedAsync(ExecutionRow execution, string reason, CancellationToken stop)
    {
        var wanting = await (
            from node in database.Nodes
            join sweep in database.Sweeps on node.SweepId equals sweep.Id
            where node.ExecutionId == execution.Id
            orderby sweep.State == SweepState.Running descending
            select node).FirstOrDefaultAsync(stop);
        if (wanting is not null)
        {
            (execution.SweepId, execution.NodeIndex) = (wanting.SweepId, wanting.Index);
            MaySend = true;
        }
        else if (RunLife.Next(execution.State, RunEvent.Cancel) is { } next)
        {
            if (execution.State != RunState.Ready) Cancel(execution, execution.Attempt, reason);
            (execution.State, execution.FinishedAt) = (next, now);
            await database.Leases.Where(l => l.ExecutionId == execution.Id).ExecuteDeleteAsync(stop);
            MaySend = true;
        }

        execution.Version++;
    }

    /// <summary>Moves the nodes of executions that moved, and advances or blocks what follows them.</summary>
    private async Task<IReadOnlyList<NodeRow>> SettleAsync(IReadOnlyList<(ExecutionRow Execution, RunState From)> moved, CancellationToken stop)
    {
        if (moved.Count == 0) return [];
        // A node that this change linked before must be among those that move now.
        if (_hasLinked) await database.SaveChangesAsync(stop);
        _hasLinked = false;
        var byId = moved.ToDictionary(m => m.Execution.Id);
        var ids = byId.Keys.ToList();
        var nodes = await database.Nodes.Where(n => n.ExecutionId != null && ids.Contains(n.ExecutionId.Value)).ToListAsync(stop);
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

    private async Task EndAsync(Guid id, CancellationToken stop)
    {
        var steps = await database.StepCounts.AsNoTracking().Where(c => c.SweepId == id).ToListAsync(stop);
        var sweep = await SweepAsync(id, stop);
        if (sweep.State != SweepState.Running) return;
        var failures = steps.Sum(s => s.Failed);
        var limit = SweepRows.LimitsOf(sweep)?.Failures;
        if (failures >= limit)
        {
            await StopAsync(sweep, SweepState.Failed, $"stopped, because {failures} executions failed; the limit of failures is {limit}", stop);
            return;
        }

        if (sweep.IsAdvancing || steps.Any(s => s.Waiting + s.Ready + s.Queued + s.Running + s.Paused > 0)) return;
        sweep.State = steps.Any(s => s.Failed + s.Skipped > 0) ? SweepState.Failed : steps.Any(s => s.Cancelled > 0) ? SweepState.Cancelled : SweepState.Succeeded;
        sweep.FinishedAt = now;
        Ended.Add(sweep);
        TellState(sweep);
    }

    /// <summary>Ends or pauses a whole sweep: what runs for it alone is cancelled.</summary>
    public async Task StopAsync(SweepRow sweep, SweepState state, string? reason, CancellationToken stop)
    {
        (sweep.State, sweep.Reason) = (state, reason);
        if (state != SweepState.Paused)
        {
            sweep.FinishedAt = now;
            Ended.Add(sweep);
        }

        TellState(sweep);
        await database.SaveChangesAsync(stop);
        var underWay = await (
            from node in database.Nodes
            join execution in database.Executions on node.ExecutionId equals execution.Id
            where node.SweepId == sweep.Id && (execution.State == RunState.Ready || execution.State == RunState.Queued || execution.State == RunState.Running)
            select node).ToListAsync(stop);
        foreach (var some in underWay.Chunk(1000)) await DetachAsync(some, NodeHold.None, state == SweepState.Paused ? "paused" : reason ?? "cancelled", stop);
    }

    /// <summary>Says that a sweep's state is another one.</summary>
    public void TellState(SweepRow sweep) => Tell(sweep.Id, "sweep", new { state = sweep.State, reason = sweep.Reason });

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

    private void Move(NodeRow node, int step, NodeState from, NodeState to, double seconds = 0)
    {
        if (from == to) return;
        _counts.Move(node.SweepId, step, from, to, seconds);
        if (!_moved.TryGetValue(node.SweepId, out var nodes)) _moved.Add(node.SweepId, nodes = []);
        nodes[node.Index] = JsonNamingPolicy.CamelCase.ConvertName(NodeStates.Shown(to, SweepState.Running).ToString());
    }

    private async Task<int> StepAsync(NodeRow node, CancellationToken stop) => (await cache.OfAsync(database, node.SweepId, [node.Point], stop)).Points[node.Point].Step;

    private async Task<bool> IsRunningAsync(Guid sweep, CancellationToken stop) => (await SweepAsync(sweep, stop)).State == SweepState.Running;

    private async Task LoadSweepsAsync(IEnumerable<Guid> ids, CancellationToken stop)
    {
        var missing = ids.Distinct().Where(id => !_sweeps.ContainsKey(id)).ToArray();
        if (missing.Length == 0) return;
        // On PostgreSQL nobody may pause or cancel one of them before this change is committed.
        var sweeps = database is PostgreSqlDatabase
            ? database.Sweeps.FromSqlRaw("SELECT * FROM sweeps WHERE \"Id\" = ANY({0}) ORDER BY \"Id\" FOR SHARE", missing)
            : database.Sweeps.Where(s => missing.Contains(s.Id));
        foreach (var sweep in await sweeps.ToListAsync(stop)) _sweeps.Add(sweep.Id, sweep);
    }

    private async Task LoadActiveAsync(IEnumerable<string> keys, CancellationToken stop)
    {
        // What this change completed, failed or cancelled nobody may join: its nodes have moved already.
        await database.SaveChangesAsync(stop);
        foreach (var (key, _) in _active.Where(a => !a.Value.IsActive).ToList()) _active.Remove(key);
        var missing = keys.Distinct().Where(key => !_active.ContainsKey((key, Guid.Empty))).ToList();
        foreach (var execution in await database.Executions
            .Where(e => missing.Contains(e.Key) && e.Owner == options.ReplyQueue && (e.State == RunState.Ready || e.State == RunState.Queued || e.State == RunState.Running))
            .ToListAsync(stop))
        {
            _active.TryAdd((execution.Key, execution.Scope), execution);
        }
    }
}
