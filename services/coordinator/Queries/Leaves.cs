using System.Text.Json;
using Lathe.Contracts;

namespace Lathe.Coordinator;

/// <summary>Makes the rows of a sweep's results from its executions.</summary>
internal static class Leaves
{
    private static readonly IReadOnlyDictionary<string, double> None = new Dictionary<string, double>();

    /// <summary>One result for each execution without children, in the order of the tree.</summary>
    /// <param name="executions">All executions of one sweep by index.</param>
    public static IReadOnlyList<LeafResult> Of(IReadOnlyList<ExecutionRow> executions)
    {
        var parents = executions.Select(e => e.Parent).ToHashSet();
        return [.. executions.Where(e => !parents.Contains(e.Index)).Select(leaf => Of(leaf, executions))];
    }

    /// <summary>Figures from the database's JSON.</summary>
    public static IReadOnlyDictionary<string, double> Figures(string? json) =>
        json is null ? None : JsonSerializer.Deserialize<Dictionary<string, double>>(json, LatheJson.Options)!;

    private static LeafResult Of(ExecutionRow leaf, IReadOnlyList<ExecutionRow> executions)
    {
        var way = new Stack<StageResult>();
        for (var row = leaf; row is not null; row = row.Parent is { } parent ? executions[parent] : null)
        {
            way.Push(new StageResult(
                row.Stage, row.ParametersJson(), row.Key, row.Output(), row.Seconds, row.State == ExecutionState.Cached, Figures(row.Metrics)));
        }

        // A training stage's loss is no test loss: only a stage that measures fills those columns. Its size any stage may know.
        var isDone = leaf.State is ExecutionState.Completed or ExecutionState.Cached;
        var own = isDone ? Figures(leaf.Metrics) : None;
        var measured = leaf.OnlyMeasures ? own : None;
        return new LeafResult(
            leaf.Model,
            leaf.Dataset,
            leaf.Seed,
            Measured("top1"),
            Measured("top1Dense"),
            Measured("loss"),
            Size("parameters"),
            Ratio("parameters"),
            Size("multiplications"),
            Ratio("multiplications"),
            Size("bits"),
            Size("bytes"),
            leaf.State,
            [.. way]);

        double? Measured(string name) => Value(measured, name);

        double? Size(string name) => Value(own, name);

        // The first stage on the way that knows its size made the dense network.
        double? Ratio(string name) =>
            Measured($"{name}Ratio") ?? Size(name) / way.Select(s => Value(s.Metrics, name)).FirstOrDefault(v => v is not null);

        static double? Value(IReadOnlyDictionary<string, double> figures, string name) => figures.TryGetValue(name, out var value) ? value : null;
    }
}
