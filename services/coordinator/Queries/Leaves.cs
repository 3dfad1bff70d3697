using System.Text.Json;
using Lathe.Contracts;

namespace Lathe.Coordinator;

/// <summary>Makes the rows of a sweep's results from its executions. What a metric means, the stages' manifests say.</summary>
internal static class Leaves
{
    private static readonly IReadOnlyDictionary<string, double> None = new Dictionary<string, double>();

    // Members of a row that no metric may take the place of.
    private static readonly HashSet<string> Reserved =
        [.. typeof(LeafResult).GetProperties().Select(p => JsonNamingPolicy.CamelCase.ConvertName(p.Name))];

    /// <summary>One result for each execution without children, in the order of the tree.</summary>
    /// <param name="executions">All executions of one sweep by index.</param>
    /// <param name="metrics">What a version of a stage measures.</param>
    public static SweepResults Of(
        IReadOnlyList<ExecutionRow> executions, IReadOnlyDictionary<(string Stage, string Version), IReadOnlyList<MetricDescriptor>> metrics)
    {
        var parents = executions.Select(e => e.Parent).ToHashSet();
        // Where several stages describe a metric, the last one on the way has the say.
        var described = executions.Select(e => (e.Stage, e.Version)).Distinct().SelectMany(stage => metrics.GetValueOrDefault(stage) ?? [])
            .GroupBy(d => d.Name).Select(same => same.Last()).OrderBy(d => d.Rank);
        return new SweepResults(
            [.. described],
            [.. executions.Where(e => !parents.Contains(e.Index)).Select(leaf => Of(leaf, executions, metrics.GetValueOrDefault((leaf.Stage, leaf.Version)) ?? []))]);
    }

    /// <summary>Figures from the database's JSON.</summary>
    public static IReadOnlyDictionary<string, double> Figures(string? json) =>
        json is null ? None : JsonSerializer.Deserialize<Dictionary<string, double>>(json, LatheJson.Options)!;

    private static LeafResult Of(ExecutionRow leaf, IReadOnlyList<ExecutionRow> executions, IReadOnlyList<MetricDescriptor> metrics)
    {
        var way = new Stack<StageResult>();
        for (var row = leaf; row is not null; row = row.Parent is { } parent ? executions[parent] : null)
        {
            way.Push(new StageResult(
                row.Stage, row.ParametersJson(), row.Key, row.Output(), row.Seconds, row.State == ExecutionState.Cached, Figures(row.Metrics), row.OnlyMeasures));
        }

        var own = leaf.State is ExecutionState.Completed or ExecutionState.Cached ? Figures(leaf.Metrics) : None;
        var figures = new Dictionary<string, double?>();
        foreach (var metric in metrics.OrderBy(m => m.Rank))
        {
            foreach (var (name, value) in Figures(metric, own, [.. way]).Where(f => !Reserved.Contains(f.Name))) figures[name] = value;
        }

        return new LeafResult(leaf.Model, leaf.Dataset, leaf.Seed, leaf.State, [.. way]).With(figures);
    }

    /// <summary>
    /// The metric's value, that of the dense network, and for sizes and times the share of it. A column of the tables is there in any case,
    /// another metric only where it was measured.
    /// </summary>
    private static IEnumerable<(string Name, double? Value)> Figures(
        MetricDescriptor metric, IReadOnlyDictionary<string, double> own, IReadOnlyList<StageResult> way)
    {
        var value = Value(own, metric.Name);
        if (value is null && !metric.IsColumn) yield break;
        yield return (metric.Name, value);
        var dense = metric.DenseName is null ? null : Value(own, metric.DenseName);
        if (metric.DenseName is not null) yield return (metric.DenseName, dense);
        if (metric.Format is not (MetricFormat.Count or MetricFormat.Bytes or MetricFormat.Seconds) || metric is { IsColumn: false, DenseName: null }) yield break;
        // The first stage on the way that knows this figure made the dense network.
        yield return (metric.RatioName ?? LeafResult.RatioOf(metric.Name), value / (dense ?? way.Select(s => Value(s.Metrics, metric.Name)).FirstOrDefault(v => v is not null)));
    }

    private static double? Value(IReadOnlyDictionary<string, double> figures, string name) => figures.TryGetValue(name, out var value) ? value : null;
}
