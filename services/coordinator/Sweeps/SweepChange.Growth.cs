using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <content>How a tree grows: a search adds the executions of a trial.</content>
internal sealed partial class SweepChange
{
    /// <summary>Adds executions to a sweep's tree, and records those whose input exists. What the tree has already is shared.</summary>
    /// <param name="sweep">The sweep.</param>
    /// <param name="executions">Parents before children.</param>
    /// <param name="stop">Gives up.</param>
    /// <returns>Index of the node of each.</returns>
    public async Task<IReadOnlyList<int>> GrowAsync(SweepRow sweep, IReadOnlyList<PlannedExecution> executions, CancellationToken stop)
    {
        var branches = (await FactsAsync(sweep.Id, [], stop)).Branches.Values.ToDictionary(b => (b.Model, b.Dataset, b.Seed), b => b.Number);
        var next = await database.Nodes.Where(n => n.SweepId == sweep.Id).OrderByDescending(n => n.Index).Select(n => (int?)n.Index).FirstOrDefaultAsync(stop) + 1 ?? 0;
        var nodes = new Dictionary<int, NodeRow>();
        var fresh = new List<NodeRow>();
        foreach (var execution in executions)
        {
            var parent = execution.Parent is { } before ? nodes[before] : null;
            var branch = branches[(execution.Model, execution.Dataset, execution.Seed)];
            if (parent is null || !fresh.Contains(parent))
            {
                if (await KnownAsync(sweep.Id, branch, parent?.Index, execution, stop) is { } known)
                {
                    nodes.Add(execution.Index, known);
                    continue;
                }
            }

            var node = new NodeRow
            {
                SweepId = sweep.Id, Index = next++, Parent = parent?.Index, Branch = branch, Point = await PointAsync(sweep.Id, execution, stop),
                IsLeaf = !executions.Any(e => e.Parent == execution.Index), BlockedBy = await BlockingAsync(parent, fresh, stop),
            };
            nodes.Add(execution.Index, node);
            fresh.Add(node);
            database.Nodes.Add(node);
            var state = NodeStates.Of(node, null);
            _counts.Add(sweep.Id, execution.Step, state);
            Show(node, state);
        }

        await RecordReadyAsync(sweep, fresh, stop);
        return [.. executions.Select(e => nodes[e.Index].Index)];
    }

    /// <summary>Records the executions of nodes whose input exists.</summary>
    public async Task RecordReadyAsync(SweepRow sweep, IReadOnlyList<NodeRow> nodes, CancellationToken stop)
    {
        await database.SaveChangesAsync(stop);
        var parents = nodes.Select(n => n.Parent).OfType<int>().ToHashSet();
        var inputs = await (
            from node in database.Nodes
            join execution in database.Executions on node.ExecutionId equals execution.Id
            where node.SweepId == sweep.Id && parents.Contains(node.Index)
            select new { node.Index, execution }).ToDictionaryAsync(i => (sweep.Id, i.Index), i => i.execution, stop);
        await AdvanceAsync(nodes, inputs, stop);
        // The next trial may start from these.
        await database.SaveChangesAsync(stop);
    }

    /// <summary>The node of the tree that does the same.</summary>
    private Task<NodeRow?> KnownAsync(Guid sweep, int branch, int? parent, PlannedExecution execution, CancellationToken stop)
    {
        var (step, parameters) = (execution.Step, execution.Parameters.GetRawText());
        return database.Nodes.FirstOrDefaultAsync(
            n => n.SweepId == sweep && n.Parent == parent && n.Branch == branch
                && database.Points.Any(p => p.SweepId == sweep && p.Number == n.Point && p.Step == step && p.Parameters == parameters),
            stop);
    }

    /// <summary>Number of the point of an execution; a new one where the sweep has none.</summary>
    private async Task<int> PointAsync(Guid sweep, PlannedExecution execution, CancellationToken stop)
    {
        var (step, parameters) = (execution.Step, execution.Parameters.GetRawText());
        var known = await database.Points.Where(p => p.SweepId == sweep && p.Step == step && p.Parameters == parameters).Select(p => (int?)p.Number).FirstOrDefaultAsync(stop);
        if (known is { } number) return number;
        number = await database.Points.Where(p => p.SweepId == sweep).OrderByDescending(p => p.Number).Select(p => (int?)p.Number).FirstOrDefaultAsync(stop) + 1 ?? 0;
        var row = PlanRows.PointOf(sweep, number, execution);
        database.Points.Add(row);
        await database.SaveChangesAsync(stop);
        if (!_grown.TryGetValue(sweep, out var grown)) _grown.Add(sweep, grown = []);
        grown.Add(number, SweepFacts.Read(row));
        return number;
    }

    /// <summary>Index of the node that keeps a child from running; null: none does.</summary>
    private async Task<int?> BlockingAsync(NodeRow? parent, List<NodeRow> fresh, CancellationToken stop)
    {
        if (parent is null) return null;
        if (parent.BlockedBy is { } before) return before;
        if (fresh.Contains(parent)) return null;
        var execution = parent.ExecutionId is { } id ? await database.Executions.FirstOrDefaultAsync(e => e.Id == id, stop) : null;
        return NodeStates.Of(parent, execution) is NodeState.Failed or NodeState.Cancelled ? parent.Index : null;
    }
}
