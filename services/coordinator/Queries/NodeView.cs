using System.Text.Json;
using Lathe.Contracts;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>A node with everything that is shown of it.</summary>
internal sealed record NodeView(NodeRow Node, ExecutionRow? Execution, LeaseRow? Lease, Point Point, BranchRow Branch, ExecutionState State, string? Error)
{
    private static readonly IReadOnlyDictionary<string, double> None = new Dictionary<string, double>();

    public int Index => Node.Index;

    /// <summary>What it measured; empty before it has.</summary>
    public IReadOnlyDictionary<string, double> Metrics => Figures(Execution?.Metrics);

    /// <summary>Reads nodes, in the order of the tree.</summary>
    public static async Task<List<NodeView>> ReadAsync(
        CoordinatorDatabase database, SweepView sweep, Func<IQueryable<NodeRow>, IQueryable<NodeRow>> which, CancellationToken stop)
    {
        var id = sweep.Row.Id;
        var rows = await (
            from node in which(database.Nodes.AsNoTracking().Where(n => n.SweepId == id))
            join execution in database.Executions.AsNoTracking() on node.ExecutionId equals (Guid?)execution.Id into executions
            from execution in executions.DefaultIfEmpty()
            join lease in database.Leases.AsNoTracking() on node.ExecutionId equals (Guid?)lease.ExecutionId into leases
            from lease in leases.DefaultIfEmpty()
            orderby node.Index
            select new { node, execution, lease }).ToListAsync(stop);
        await sweep.AddPointsAsync(database, rows.Select(r => r.node.Point), stop);
        return rows.ConvertAll(row =>
        {
            var point = sweep.Points[row.node.Point];
            var state = NodeStates.Shown(NodeStates.Of(row.node, row.execution), sweep.State);
            return new NodeView(row.node, row.execution, row.lease, point, sweep.Branches[row.node.Branch], state, Reason(row.node, row.execution, state, sweep));
        });
    }

    public ExecutionStatus Status() => new(
        Node.Index,
        Node.Parent,
        Point.Stage,
        Branch.Model,
        Branch.Dataset,
        Branch.Seed,
        Point.Parameters,
        Point.Varied,
        State,
        Execution?.Key,
        Execution?.Worker,
        State != ExecutionState.Running || Lease?.Progress is null ? null : JsonSerializer.Deserialize<StageProgress>(Lease.Progress, LatheJson.Options),
        Execution?.Output(),
        Metrics,
        Execution?.Seconds,
        Error);

    /// <summary>Figures from the database's JSON.</summary>
    public static IReadOnlyDictionary<string, double> Figures(string? json) =>
        json is null ? None : JsonSerializer.Deserialize<Dictionary<string, double>>(json, LatheJson.Options)!;

    private static string? Reason(NodeRow node, ExecutionRow? execution, ExecutionState state, SweepView sweep) => state switch
    {
        ExecutionState.Failed or ExecutionState.Ready or ExecutionState.Queued or ExecutionState.Running => execution?.Error,
        ExecutionState.Skipped when node.BlockedBy is { } by => $"not run, because execution {by} before it has no result",
        ExecutionState.Skipped => sweep.Row.Reason ?? "not run",
        _ => null,
    };
}

/// <summary>A sweep with what its nodes share.</summary>
/// <param name="Row">The sweep.</param>
/// <param name="State">Its state; interrupted where its coordinator is gone.</param>
/// <param name="Points">By number, as far as nodes were read: a grid may have as many as it has nodes.</param>
/// <param name="Branches">By number.</param>
/// <param name="Steps">With their counts.</param>
internal sealed record SweepView(
    SweepRow Row, SweepState State, Dictionary<int, Point> Points, IReadOnlyDictionary<int, BranchRow> Branches, IReadOnlyList<StepCountRow> Steps)
{
    public int Size => Steps.Sum(All);

    /// <summary>Reads the points with these numbers, where they are not known yet.</summary>
    public async Task AddPointsAsync(CoordinatorDatabase database, IEnumerable<int> numbers, CancellationToken stop)
    {
        var missing = numbers.Where(n => !Points.ContainsKey(n)).Distinct().ToList();
        if (missing.Count == 0) return;
        foreach (var row in await database.Points.AsNoTracking().Where(p => p.SweepId == Row.Id && missing.Contains(p.Number)).ToListAsync(stop))
            Points[row.Number] = SweepFacts.Read(row);
    }

    public static int All(StepCountRow s) => s.Waiting + s.Ready + s.Queued + s.Running + s.Completed + s.Cached + s.Failed + s.Skipped + s.Paused + s.Cancelled;

    public IReadOnlyList<StepCounts> Counts(Func<WorkQueue, bool?> hasWorker) =>
        [.. Steps.Select(s => new StepCounts(s.Step, s.Stage, s.Version, Shown(s), hasWorker(WorkQueue.Of(s))) { Pool = s.Pool })];

    /// <summary>Estimate from the mean time of each stage; null where a stage that has work left has none yet.</summary>
    public double? SecondsLeft() => SecondsLeft(State, Steps);

    /// <summary>The same of a sweep in this state with these counts.</summary>
    public static double? SecondsLeft(SweepState state, IReadOnlyList<StepCountRow> steps)
    {
        if (state != SweepState.Running) return null;
        var left = 0.0;
        foreach (var step in steps)
        {
            var open = step.Waiting + step.Ready + step.Queued + (step.Running / 2.0);
            if (open == 0) continue;
            if (step.Completed == 0) return null;
            left += open * step.Seconds / step.Completed;
        }

        return left / Math.Max(1, steps.Sum(s => s.Running));
    }

    private Dictionary<ExecutionState, int> Shown(StepCountRow step)
    {
        var counts = new Dictionary<ExecutionState, int>();
        foreach (var (state, count) in new[]
        {
            (NodeState.Waiting, step.Waiting), (NodeState.Ready, step.Ready), (NodeState.Queued, step.Queued), (NodeState.Running, step.Running),
            (NodeState.Completed, step.Completed), (NodeState.Cached, step.Cached), (NodeState.Failed, step.Failed), (NodeState.Skipped, step.Skipped),
            (NodeState.Paused, step.Paused), (NodeState.Cancelled, step.Cancelled),
        })
        {
            if (count == 0) continue;
            var shown = NodeStates.Shown(state, State);
            counts[shown] = counts.GetValueOrDefault(shown) + count;
        }

        return counts;
    }
}
