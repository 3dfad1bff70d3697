using Lathe.Contracts;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>What a person's order is about.</summary>
/// <param name="Sweep">The sweep.</param>
/// <param name="Stage">Only its executions of this stage; null: all.</param>
/// <param name="Index">Only this execution; null: all.</param>
public sealed record ControlTarget(Guid Sweep, string? Stage = null, int? Index = null)
{
    /// <summary>True for a whole sweep.</summary>
    public bool IsWhole => Stage is null && Index is null;

    /// <summary>Why there is no such part of the sweep, with the parts that there are; null: there is.</summary>
    internal async Task<string?> ProblemAsync(CoordinatorDatabase database, CancellationToken stop)
    {
        if (IsWhole) return null;
        var stages = await database.StepCounts.AsNoTracking().Where(c => c.SweepId == Sweep).OrderBy(c => c.Step).ToListAsync(stop);
        if (Stage is { } stage && stages.TrueForAll(s => s.Stage != stage)) return $"the sweep has no stage '{stage}'; it has {string.Join(", ", stages.Select(s => s.Stage).Distinct())}";
        if (Index is not { } index) return null;
        var found = await (
            from node in database.Nodes
            join point in database.Points on new { node.SweepId, Number = node.Point } equals new { point.SweepId, point.Number }
            where node.SweepId == Sweep && node.Index == index
            select point.Stage).FirstOrDefaultAsync(stop);
        return found switch
        {
            null when stages.Sum(SweepView.All) is var size and > 0 => $"the sweep has no execution {index}; it has 0 to {size - 1}",
            null => $"the sweep has no execution {index}; it has none yet",
            _ when Stage is not null && found != Stage => $"execution {index} of the sweep is of {found} and not of {Stage}; name one of the two",
            _ => null,
        };
    }

    /// <summary>The nodes of the target.</summary>
    internal IQueryable<NodeRow> Nodes(CoordinatorDatabase database)
    {
        var nodes = database.Nodes.Where(n => n.SweepId == Sweep);
        if (Index is { } index) nodes = nodes.Where(n => n.Index == index);
        return Stage is { } stage ? nodes.Where(n => database.Points.Any(p => p.SweepId == n.SweepId && p.Number == n.Point && p.Stage == stage)) : nodes;
    }

    /// <summary>Those that failed or were cancelled themselves; what was skipped because of them is not among them.</summary>
    internal IQueryable<NodeRow> Ended(CoordinatorDatabase database) => Nodes(database).Where(n => n.Hold == NodeHold.Cancelled
        || database.Executions.Any(e => e.Id == n.ExecutionId && (e.State == RunState.Failed || e.State == RunState.Cancelled)));

    /// <summary>Those that may get other parameters: of a sweep that was stopped as a whole also what had not begun.</summary>
    internal IQueryable<NodeRow> Changeable(CoordinatorDatabase database, SweepState sweep) => sweep is SweepState.Cancelled or SweepState.Failed or SweepState.Interrupted
        ? Nodes(database).Where(n => n.Hold == NodeHold.Cancelled || (n.ExecutionId == null && n.BlockedBy == null)
            || database.Executions.Any(e => e.Id == n.ExecutionId && (e.State == RunState.Failed || e.State == RunState.Cancelled)))
        : Ended(database);
}
