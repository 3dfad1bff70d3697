using Lathe.Contracts;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <content>What happens to the nodes of the trees: they get their executions, lose them, are blocked and released.</content>
internal sealed partial class SweepChange
{
    /// <summary>Records the executions of nodes whose input exists, or joins those that are under way.</summary>
    /// <param name="nodes">Tracked; without an execution.</param>
    /// <param name="inputs">The execution of each node's parent, by sweep and index of the parent.</param>
    /// <param name="stop">Gives up.</param>
    public async Task AdvanceAsync(IReadOnlyList<NodeRow> nodes, IReadOnlyDictionary<(Guid Sweep, int Index), ExecutionRow> inputs, CancellationToken stop)
    {
        if (nodes.Count == 0) return;
        await LoadSweepsAsync(nodes.Select(n => n.SweepId), stop);
        var wanted = new List<(NodeRow Node, Point Point, string? Pool, string Key, Guid Scope, ExecutionRow? Input)>();
        foreach (var ofSweep in nodes.GroupBy(n => n.SweepId))
        {
            var sweep = _sweeps[ofSweep.Key];
            if (sweep.State != SweepState.Running) continue;
            var facts = await FactsAsync(sweep.Id, ofSweep.Select(n => n.Point), stop);
            foreach (var node in ofSweep.Where(n => n is { ExecutionId: null, Hold: NodeHold.None, BlockedBy: null }))
            {
                var input = node.Parent is { } parent ? inputs.GetValueOrDefault((sweep.Id, parent)) : null;
                if (node.Parent is not null && input?.State != RunState.Completed) continue;
                wanted.Add((node, facts.Points[node.Point], facts.PoolOf(facts.Points[node.Point].Stage), facts.KeyOf(node, input?.Output()), sweep.Fresh ? sweep.Id : Guid.Empty, input));
            }
        }

        await LoadActiveAsync(wanted.Select(w => w.Key), stop);
        foreach (var (node, point, pool, key, scope, input) in wanted)
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
                    Pool = pool,
                    State = RunState.Ready,
                    ReadyAt = now,
                    InputSha256 = input?.OutputSha256,
                    InputBytes = input?.OutputBytes,
                    TraceParent = input?.TraceParent ?? sweep.TraceParent,
                });
                database.Executions.Add(execution);
                _made.Add(execution.Id, new Made(execution, node, []));
                MaySend = true;
            }
            else
            {
                // Whoever ends it at the same moment must see that this node waits for it, or this change must see that it is over.
                execution.Version++;
                if (execution.SweepId != sweep.Id && !await IsRunningAsync(execution.SweepId, stop))
                {
                    // The sweep on whose account it was recorded is paused or over.
                    HandOver(execution, node, pool);
                    MaySend = true;
                }
            }

            node.ExecutionId = execution.Id;
            _hasLinked = true;
            Move(node, point.Step, NodeState.Waiting, NodeStates.Of(node, execution));
            if (_made.TryGetValue(execution.Id, out var made)) made.Nodes.Add((node, point.Step));
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

    /// <summary>Cancels one by one what a sweep that was stopped as a whole left open, so that a part of it can go on alone.</summary>
    public async Task CancelOpenAsync(Guid sweep, CancellationToken stop)
    {
        var open = await database.Nodes.Where(n => n.SweepId == sweep && n.ExecutionId == null && n.BlockedBy == null && n.Hold != NodeHold.Cancelled)
            .OrderBy(n => n.Index).ToListAsync(stop);
        var indices = open.Select(n => n.Index).ToHashSet();
        var first = open.FindAll(n => n.Parent is not { } parent || !indices.Contains(parent));
        await DetachAsync(first, NodeHold.Cancelled, "cancelled", stop);
        await database.SaveChangesAsync(stop);
        await BlockAsync(first, stop);
        await database.SaveChangesAsync(stop);
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

    /// <summary>From now on it runs on the account of another sweep.</summary>
    private static void HandOver(ExecutionRow execution, NodeRow node, string? pool)
    {
        (execution.SweepId, execution.NodeIndex) = (node.SweepId, node.Index);
        // What was sent stays in the queue that it was sent to.
        if (execution.State == RunState.Ready) execution.Pool = pool;
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
            HandOver(execution, wanting, (await FactsAsync(wanting.SweepId, [wanting.Point], stop)).PoolOf(execution.Stage));
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

    private async Task LoadActiveAsync(IEnumerable<string> keys, CancellationToken stop)
    {
        // What this change completed, failed or cancelled nobody may join: its nodes have moved already.
        foreach (var (key, _) in _active.Where(a => !a.Value.IsActive).ToList()) _active.Remove(key);
        var missing = keys.Distinct().Where(key => !_active.ContainsKey((key, Guid.Empty))).ToList();
        // The database allows one active execution of a key: that one must be over there before the next is recorded.
        if (missing.Exists(_ended.Contains)) await database.SaveChangesAsync(stop);
        foreach (var execution in await database.Executions
            .Where(e => missing.Contains(e.Key) && e.Owner == options.ReplyQueue && (e.State == RunState.Ready || e.State == RunState.Queued || e.State == RunState.Running))
            .ToListAsync(stop))
        {
            if (execution.IsActive) _active.TryAdd((execution.Key, execution.Scope), execution);
        }
    }
}
