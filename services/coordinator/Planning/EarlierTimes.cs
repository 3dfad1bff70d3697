using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>How long executions took that were computed before.</summary>
internal sealed class EarlierTimes
{
    private readonly Dictionary<(string Stage, string Version, string Model, string Dataset, string Parameters), double> _same;
    private readonly Dictionary<(string Stage, string Version, string Model, string Dataset), double> _alike;
    private readonly Dictionary<(string Stage, string Version), double> _any;

    private EarlierTimes(IReadOnlyList<Group> groups)
    {
        _same = Means(groups, g => (g.Stage, g.Version, g.Model, g.Dataset, g.Parameters));
        _alike = Means(groups, g => (g.Stage, g.Version, g.Model, g.Dataset));
        _any = Means(groups, g => (g.Stage, g.Version));
    }

    /// <summary>
    /// Mean seconds of the same version of the stage: with the same model, data set and parameters, else with the same model and data set, else of all; null: there
    /// were none.
    /// </summary>
    public double? Of(PlannedExecution execution)
    {
        if (_same.TryGetValue(KeyOf(execution), out var same)) return same;
        var (stage, version) = (execution.Manifest.Name, execution.Manifest.Version);
        return _alike.TryGetValue((stage, version, execution.Model, execution.Dataset), out var alike) ? alike : _any.TryGetValue((stage, version), out var any) ? any : null;
    }

    /// <summary>True where the time is that of executions with other parameters, of which the number of epochs may be one.</summary>
    public bool IsRough(PlannedExecution execution) => Of(execution) is not null && !_same.ContainsKey(KeyOf(execution));

    private static (string Stage, string Version, string Model, string Dataset, string Parameters) KeyOf(PlannedExecution execution) =>
        (execution.Manifest.Name, execution.Manifest.Version, execution.Model, execution.Dataset, execution.Parameters.GetRawText());

    private static Dictionary<TKey, double> Means<TKey>(IReadOnlyList<Group> groups, Func<Group, TKey> by)
        where TKey : notnull =>
        groups.GroupBy(by).ToDictionary(g => g.Key, g => g.Sum(s => s.Seconds) / g.Sum(s => s.Count));

    public static async Task<EarlierTimes> ReadAsync(CoordinatorStore? store, SweepPlan plan, CancellationToken stop)
    {
        if (store is null) return new EarlierTimes([]);
        var names = plan.Executions.Select(e => e.Manifest.Name).Distinct().ToList();
        await using var database = store.Open();
        var groups = await (
            from execution in database.Executions
            join node in database.Nodes on new { execution.SweepId, Index = execution.NodeIndex } equals new { node.SweepId, node.Index }
            join branch in database.Branches on new { node.SweepId, Number = node.Branch } equals new { branch.SweepId, branch.Number }
            join point in database.Points on new { node.SweepId, Number = node.Point } equals new { point.SweepId, point.Number }
            where execution.State == RunState.Completed && !execution.Found && execution.Seconds != null && names.Contains(execution.Stage)
            group execution by new { execution.Stage, execution.StageVersion, branch.Model, branch.Dataset, point.Parameters } into same
            select new Group(same.Key.Stage, same.Key.StageVersion, same.Key.Model, same.Key.Dataset, same.Key.Parameters, same.Sum(e => e.Seconds!.Value), same.Count())).ToListAsync(stop);
        return new EarlierTimes(groups);
    }

    private sealed record Group(string Stage, string Version, string Model, string Dataset, string Parameters, double Seconds, int Count);
}
