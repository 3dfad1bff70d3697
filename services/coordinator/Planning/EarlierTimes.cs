using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>How long executions took that were computed before.</summary>
internal sealed class EarlierTimes
{
    private readonly Dictionary<(string Stage, string Version, string Model, string Dataset), double> _exact;
    private readonly Dictionary<(string Stage, string Version), double> _any;

    private EarlierTimes(IReadOnlyList<Group> groups)
    {
        _exact = groups.ToDictionary(g => (g.Stage, g.Version, g.Model, g.Dataset), g => g.Seconds / g.Count);
        _any = groups.GroupBy(g => (g.Stage, g.Version)).ToDictionary(g => g.Key, g => g.Sum(s => s.Seconds) / g.Sum(s => s.Count));
    }

    /// <summary>Mean seconds of the same version of the stage: with the same model and data set, else of all; null: there were none.</summary>
    public double? Of(PlannedExecution execution)
    {
        var (stage, version) = (execution.Manifest.Name, execution.Manifest.Version);
        return _exact.TryGetValue((stage, version, execution.Model, execution.Dataset), out var exact) ? exact : _any.TryGetValue((stage, version), out var any) ? any : null;
    }

    public static async Task<EarlierTimes> ReadAsync(CoordinatorStore? store, SweepPlan plan, CancellationToken stop)
    {
        if (store is null) return new EarlierTimes([]);
        var names = plan.Executions.Select(e => e.Manifest.Name).Distinct().ToList();
        await using var database = store.Open();
        var groups = await (
            from execution in database.Executions
            join node in database.Nodes on new { execution.SweepId, Index = execution.NodeIndex } equals new { node.SweepId, node.Index }
            join branch in database.Branches on new { node.SweepId, Number = node.Branch } equals new { branch.SweepId, branch.Number }
            where execution.State == RunState.Completed && !execution.Found && execution.Seconds != null && names.Contains(execution.Stage)
            group execution by new { execution.Stage, execution.StageVersion, branch.Model, branch.Dataset } into same
            select new Group(same.Key.Stage, same.Key.StageVersion, same.Key.Model, same.Key.Dataset, same.Sum(e => e.Seconds!.Value), same.Count())).ToListAsync(stop);
        return new EarlierTimes(groups);
    }

    private sealed record Group(string Stage, string Version, string Model, string Dataset, double Seconds, int Count);
}
