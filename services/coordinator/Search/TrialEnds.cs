using System.Text.Json;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>What came of a trial whose executions have all ended.</summary>
/// <param name="Number">Number of the trial.</param>
/// <param name="State">Done or failed.</param>
/// <param name="Losses">One for each objective; empty if it failed.</param>
/// <param name="Violation">How far it breaks the constraints.</param>
/// <param name="Reason">Why it failed; null: it did not.</param>
internal sealed record TrialEnd(int Number, TrialState State, IReadOnlyList<double> Losses, double Violation, string? Reason)
{
    /// <summary>When the last of its executions ended.</summary>
    public DateTimeOffset At { get; init; }
}

/// <summary>Finds the trials that have ended.</summary>
internal static class TrialEnds
{
    private static readonly IReadOnlyDictionary<string, double> Nothing = new Dictionary<string, double>();

    /// <summary>The trials that have ended among the open ones, in the order of their ends.</summary>
    /// <returns>And the numbers of those that are under way.</returns>
    public static async Task<(IReadOnlyList<TrialEnd> Ended, IReadOnlySet<int> UnderWay)> OfAsync(CoordinatorDatabase database, SweepSearch search, IReadOnlyList<TrialRow> open, CancellationToken stop)
    {
        var underWay = new HashSet<int>();
        if (open.Count == 0) return ([], underWay);
        var sweep = open[0].SweepId;
        var ways = open.ToDictionary(t => t.Number, t => JsonSerializer.Deserialize<List<List<int>>>(t.Ways)!);
        var indices = ways.Values.SelectMany(w => w).SelectMany(i => i).ToHashSet();
        var nodes = await (
            from node in database.Nodes.AsNoTracking()
            join execution in database.Executions.AsNoTracking() on node.ExecutionId equals (Guid?)execution.Id into executions
            from execution in executions.DefaultIfEmpty()
            where node.SweepId == sweep && indices.Contains(node.Index)
            select new { node, execution }).ToDictionaryAsync(n => n.node.Index, n => (Node: n.node, Execution: (ExecutionRow?)n.execution), stop);
        var ended = new List<(TrialEnd End, DateTimeOffset At)>();
        foreach (var trial in open)
        {
            var its = ways[trial.Number].ConvertAll(way => way.ConvertAll(i => nodes[i]));
            var states = its.SelectMany(way => way).Select(n => NodeStates.Of(n.Node, n.Execution)).ToList();
            // What starts from a paused one waits for it.
            if (states.Exists(s => s is NodeState.Ready or NodeState.Queued or NodeState.Running) || (states.Contains(NodeState.Waiting) && !states.Contains(NodeState.Paused))) underWay.Add(trial.Number);
            if (states.Exists(NodeStates.IsOpen)) continue;
            // A person may have called it off, or its search ended.
            if (trial.State == TrialState.Stopped && !states.TrueForAll(s => s is NodeState.Completed or NodeState.Cached)) continue;
            var at = its.SelectMany(way => way).Max(n => n.Execution?.FinishedAt ?? DateTimeOffset.MinValue);
            var failed = its.SelectMany(way => way).FirstOrDefault(n => n.Execution?.State != RunState.Completed);
            ended.Add((failed.Node is null
                ? Measured(search, trial.Number, its.ConvertAll(way => way.ConvertAll(n => NodeView.Figures(n.Execution!.Metrics))))
                : new TrialEnd(trial.Number, TrialState.Failed, [], 0, $"execution {failed.Node.Index} {(failed.Execution?.Error is { } error ? $"failed: {error}" : "has no result")}"), at));
        }

        return ([.. ended.OrderBy(e => e.At).ThenBy(e => e.End.Number).Select(e => e.End with { At = e.At })], underWay);
    }

    /// <summary>Losses and violation of a trial: each figure is the mean over its seeds.</summary>
    /// <param name="search">Names the figures.</param>
    /// <param name="number">Number of the trial.</param>
    /// <param name="ways">For each seed what each stage measured, first stage first.</param>
    public static TrialEnd Measured(SweepSearch search, int number, IReadOnlyList<IReadOnlyList<IReadOnlyDictionary<string, double>>> ways)
    {
        var losses = new List<double>();
        foreach (var objective in search.Objectives)
        {
            if (Mean(objective.Figure) is not { } figure) return Without(objective.Figure);
            losses.Add(objective.Loss(figure));
        }

        var violation = 0.0;
        foreach (var constraint in search.Constraints)
        {
            if (Mean(constraint.Figure) is not { } figure) return Without(constraint.Figure);
            violation += constraint.Violation(figure);
        }

        return new TrialEnd(number, TrialState.Done, losses, violation, null);

        double? Mean(SearchFigure figure)
        {
            var values = ways.Select(way => figure.Of(way.Select(m => m ?? Nothing).ToList())).ToList();
            return values.TrueForAll(v => v is not null) ? values.Average() : null;
        }

        TrialEnd Without(SearchFigure figure) => new(number, TrialState.Failed, [], 0, $"no stage of it measured {figure.Name} as a finite number");
    }
}
