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

    /// <summary>One result for each leaf, in the order of the tree.</summary>
    /// <param name="nodes">Leaves and everything on the way to them.</param>
    /// <param name="steps">Stages of the sweep in order.</param>
    /// <param name="metrics">What a version of a stage measures.</param>
    /// <param name="wanted">Figures by which a search judges: they are there whichever stage measures them.</param>
    public static SweepResults Of(
        IReadOnlyList<NodeView> nodes, IReadOnlyList<StepCountRow> steps, IReadOnlyDictionary<(string Stage, string Version), IReadOnlyList<MetricDescriptor>> metrics,
        IReadOnlyList<string> wanted)
    {
        var byIndex = nodes.ToDictionary(n => n.Index);
        return new SweepResults(
            [.. Described(steps, metrics)],
            [.. nodes.Where(n => n.Node.IsLeaf).Select(leaf => Of(leaf, byIndex, metrics, wanted))]);
    }

    /// <summary>What the stages of a sweep measure, by rank. Where several describe a metric, the last one on the way has the say.</summary>
    public static IEnumerable<MetricDescriptor> Described(
        IReadOnlyList<StepCountRow> steps, IReadOnlyDictionary<(string Stage, string Version), IReadOnlyList<MetricDescriptor>> metrics) =>
        steps.Select(s => (s.Stage, s.Version)).Distinct().SelectMany(stage => metrics.GetValueOrDefault(stage) ?? [])
            .GroupBy(d => d.Name).Select(same => same.Last()).OrderBy(d => d.Rank);

    private static LeafResult Of(
        NodeView leaf, Dictionary<int, NodeView> nodes, IReadOnlyDictionary<(string Stage, string Version), IReadOnlyList<MetricDescriptor>> metrics, IReadOnlyList<string> wanted)
    {
        var way = new Stack<StageResult>();
        var earlier = new List<MetricDescriptor>();
        for (var node = leaf; node is not null; node = node.Node.Parent is { } parent ? nodes[parent] : null)
        {
            way.Push(new StageResult(
                node.Point.Stage, node.Point.Parameters, node.Execution?.Key, node.Execution?.Output(), node.Execution?.Seconds,
                node.State == ExecutionState.Cached, node.Metrics, node.Point.OnlyMeasures));
            if (node != leaf) earlier.AddRange(Described(node).Where(m => m.IsColumn || wanted.Contains(m.Name) || wanted.Contains(m.RatioName ?? LeafResult.RatioOf(m.Name))));
        }

        var own = leaf.State is ExecutionState.Completed or ExecutionState.Cached ? leaf.Metrics : None;
        var figures = new Dictionary<string, double?>();
        foreach (var metric in Described(leaf).OrderBy(m => m.Rank)) Add(metric, own);

        // A column of an earlier stage that the last one does not measure anew, such as the error of an approximation. The latest one has the say.
        foreach (var metric in earlier.DistinctBy(m => m.Name).OrderBy(m => m.Rank).Where(m => !figures.ContainsKey(m.Name)))
            Add(metric, own == None ? None : way.LastOrDefault(s => s.Metrics.ContainsKey(metric.Name))?.Metrics ?? None);

        return new LeafResult(leaf.Branch.Model, leaf.Branch.Dataset, leaf.Branch.Seed, leaf.State, [.. way]).With(figures);

        IReadOnlyList<MetricDescriptor> Described(NodeView node) => metrics.GetValueOrDefault((node.Point.Stage, node.Point.Version)) ?? [];

        void Add(MetricDescriptor metric, IReadOnlyDictionary<string, double> measured)
        {
            foreach (var (name, value) in Figures(metric, measured, [.. way]).Where(f => !Reserved.Contains(f.Name))) figures[name] = value;
        }
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
