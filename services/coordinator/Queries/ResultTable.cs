using System.Text.Json;
using System.Text.Json.Serialization;
using Lathe.Contracts;

namespace Lathe.Coordinator;

/// <summary>What a column of a <see cref="ResultTable"/> holds.</summary>
public enum ColumnKind
{
    /// <summary>What the leaf is: its place, state, model, data set, seed, time, checkpoint.</summary>
    Fact,

    /// <summary>A parameter that differs between leaves.</summary>
    Parameter,

    /// <summary>A figure that a stage measured.</summary>
    Metric,

    /// <summary>The same figure of the dense network.</summary>
    Dense,

    /// <summary>A figure over that of the dense network.</summary>
    Ratio,
}

/// <summary>A column of a <see cref="ResultTable"/>.</summary>
/// <param name="Name">Unique in the table: <c>model</c>, <c>prune.multiplications</c>, <c>top1</c>.</param>
/// <param name="Kind">What it holds.</param>
/// <param name="IsText">True: its values are texts; otherwise numbers.</param>
/// <param name="Metric">What the figure means; null for facts and parameters.</param>
/// <param name="IsSought">True: an objective or a constraint of the sweep's search names it.</param>
public sealed record ResultColumn(
    string Name, ColumnKind Kind, bool IsText, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] MetricDescriptor? Metric = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] bool IsSought = false);

/// <summary>Results of a sweep as a table, a row for each leaf of its tree.</summary>
/// <param name="Columns">From left to right.</param>
/// <param name="Rows">A value for each column: text, number or null where nothing is known.</param>
/// <param name="Next">Index to ask for the next page with; null: there is none.</param>
public sealed record ResultTable(IReadOnlyList<ResultColumn> Columns, IReadOnlyList<IReadOnlyList<object?>> Rows, int? Next)
{
    private static readonly string[] Texts = ["state", "model", "dataset", "checkpoint"];
    private static readonly string[] Facts = ["index", "state", "model", "dataset", "seed", "seconds", "checkpoint"];

    /// <summary>The table of results.</summary>
    /// <param name="results">Of one sweep.</param>
    /// <param name="indices">Index of each leaf, in the same order.</param>
    /// <param name="sought">Figures that the sweep's search names; null: none.</param>
    public static ResultTable Of(SweepResults results, IReadOnlyList<int> indices, IReadOnlyList<string>? sought = null)
    {
        var ways = results.Leaves.Select(Parameters).ToList();
        var parameters = ways.SelectMany(w => w.Keys).Distinct().Where(name => Differs(name, ways)).Select(name => (
            Column: new ResultColumn(name, ColumnKind.Parameter, ways.Exists(w => w.TryGetValue(name, out var value) && value.ValueKind is not (JsonValueKind.Number or JsonValueKind.Null))), Name: name)).ToList();
        var figures = results.Leaves.SelectMany(l => l.Members.Keys).Distinct().Select(name => Figure(name, results.Metrics) with { IsSought = sought?.Contains(name) == true }).OrderBy(f => f.Metric?.Rank ?? int.MaxValue).ToList();
        var rows = results.Leaves.Select((leaf, i) => (IReadOnlyList<object?>)
        [
            indices[i], JsonNamingPolicy.CamelCase.ConvertName(leaf.State.ToString()), StoredModel.Shown(leaf.Model), leaf.Dataset, leaf.Seed,
            leaf.Stages.Any(s => s.Seconds is not null) ? leaf.Stages.Sum(s => s.Seconds ?? 0) : null,
            leaf.Stages.LastOrDefault(s => s.Checkpoint is not null)?.Checkpoint?.Sha256,
            .. parameters.Select(p => ways[i].TryGetValue(p.Name, out var value) ? Value(value, p.Column.IsText) : null),
            .. figures.Select(f => (object?)leaf.Figure(f.Name)),
        ]).ToList();
        return new ResultTable(
            [.. Facts.Select(f => new ResultColumn(f, ColumnKind.Fact, Texts.Contains(f))), .. parameters.Select(p => p.Column), .. figures], rows, results.Next);
    }

    /// <summary>Some columns and rows of it, in the order in which they are named.</summary>
    /// <param name="columns">Names; null: all.</param>
    /// <param name="indices">Indices of leaves; null: all.</param>
    /// <exception cref="ApiFault">422: there is no such column or leaf.</exception>
    public ResultTable Of(IReadOnlyList<string>? columns, IReadOnlyList<int>? indices)
    {
        var places = Columns.Select((c, i) => (c.Name, i)).ToDictionary(c => c.Name, c => c.i, StringComparer.Ordinal);
        var rows = indices is null ? null : Rows.ToDictionary(r => (int)r[0]!);
        var chosen = (columns ?? [.. Columns.Select(c => c.Name)]).Select((name, i) => places.TryGetValue(name, out var place) ? place
            : throw ApiFault.Unacceptable($"/columns/{i}", $"is '{name}', expected one of {string.Join(", ", places.Keys)}")).ToList();
        var kept = indices?.Select((index, i) => rows!.TryGetValue(index, out var row) ? row
            : throw ApiFault.Unacceptable($"/rows/{i}", $"is {index}, expected the index of a result; execution {index} of this sweep is none")) ?? Rows;
        return new ResultTable([.. chosen.Select(c => Columns[c])], [.. kept.Select(row => (IReadOnlyList<object?>)[.. chosen.Select(c => row[c])])], null);
    }

    private static ResultColumn Figure(string name, IReadOnlyList<MetricDescriptor> metrics)
    {
        if (metrics.FirstOrDefault(m => m.Name == name) is { } own) return new ResultColumn(name, ColumnKind.Metric, false, own);
        if (metrics.FirstOrDefault(m => m.DenseName == name) is { } dense) return new ResultColumn(name, ColumnKind.Dense, false, dense);
        return new ResultColumn(name, ColumnKind.Ratio, false, metrics.FirstOrDefault(m => (m.RatioName ?? LeafResult.RatioOf(m.Name)) == name));
    }

    /// <summary>Parameters of the way to a leaf by <c>stage.parameter</c>; a stage that comes again has its number: <c>prune#2.epochs</c>.</summary>
    private static Dictionary<string, JsonElement> Parameters(LeafResult leaf)
    {
        var all = new Dictionary<string, JsonElement>();
        var seen = new Dictionary<string, int>();
        foreach (var stage in leaf.Stages)
        {
            var times = seen[stage.Stage] = seen.GetValueOrDefault(stage.Stage) + 1;
            if (stage.Parameters.ValueKind != JsonValueKind.Object) continue;
            foreach (var parameter in stage.Parameters.EnumerateObject()) all[$"{stage.Stage}{(times > 1 ? $"#{times}" : "")}.{parameter.Name}"] = parameter.Value;
        }

        return all;
    }

    private static bool Differs(string name, List<Dictionary<string, JsonElement>> ways)
    {
        string? Text(Dictionary<string, JsonElement> way) => way.TryGetValue(name, out var value) ? value.GetRawText() : null;
        // The model has a column of its own.
        return !name.EndsWith(".model", StringComparison.Ordinal) && ways.Exists(w => Text(w) != Text(ways[0]));
    }

    private static object? Value(JsonElement value, bool isText) => value.ValueKind switch
    {
        JsonValueKind.Null => null,
        JsonValueKind.Number when !isText => value.GetDouble(),
        JsonValueKind.String => value.GetString(),
        _ => value.GetRawText(),
    };
}
