using System.Text.Json;
using System.Text.Json.Serialization;
using Lathe.Contracts.Panels;

namespace Lathe.Contracts;

/// <summary>The results of a sweep, and what its metrics mean.</summary>
/// <param name="Metrics">One descriptor for each metric that a stage of the sweep describes, by rank.</param>
/// <param name="Leaves">One row for each leaf of the sweep's tree, in the tree's order.</param>
/// <param name="Next">Index to ask for the next page with; null: there is none.</param>
public sealed record SweepResults(
    IReadOnlyList<MetricDescriptor> Metrics,
    IReadOnlyList<LeafResult> Leaves,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] int? Next = null);

/// <summary>The results of a sweep that no other beats.</summary>
/// <param name="Results">Some of them from everywhere on the fronts, best first: each is on a front of the goal (the first metric of which more is better) against a cost (one of which less is better).</param>
/// <param name="Fronts">How many results are on a front, listed or not.</param>
/// <param name="Done">Results that are there.</param>
/// <param name="All">Results that the sweep will have.</param>
public sealed record BestResults(SweepResults Results, int Fronts, int Done, int All);

/// <summary>
/// One row of a sweep's results: a leaf of its tree of executions. As JSON, each figure is a member of the row under its own name:
/// <c>{ "model": "lenet5", ..., "top1": 0.91, "top1Dense": 0.92, "parametersRatio": 0.25 }</c>.
/// </summary>
/// <param name="Model">As in <see cref="SweepSpec.Models"/>.</param>
/// <param name="Dataset">Data set name.</param>
/// <param name="Seed">Seed of the whole branch.</param>
/// <param name="State">State of the leaf's own execution.</param>
/// <param name="Stages">The way to this leaf, first stage first.</param>
public sealed record LeafResult(string Model, string Dataset, long Seed, ExecutionState State, IReadOnlyList<StageResult> Stages)
{
    private const string Ratio = "Ratio";

    /// <summary>The members of the row that no other property holds: its figures. Null until they are known.</summary>
    [JsonExtensionData]
    public IDictionary<string, JsonElement> Members { get; init; } = new Dictionary<string, JsonElement>();

    /// <summary>A figure of the row; null where it is not known.</summary>
    /// <param name="name">Name of a metric, of a dense metric, or <see cref="RatioOf"/> a metric.</param>
    public double? Figure(string name) =>
        Members.TryGetValue(name, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : null;

    /// <summary>The row with these figures.</summary>
    public LeafResult With(IEnumerable<KeyValuePair<string, double?>> figures) =>
        this with { Members = figures.ToDictionary(f => f.Key, f => JsonSerializer.SerializeToElement(f.Value)) };

    /// <summary>Name of a metric's share of the dense network's: <c>parametersRatio</c>.</summary>
    public static string RatioOf(string metric) => metric + Ratio;
}

/// <summary>One execution on the way to a leaf.</summary>
/// <param name="Stage">Stage name.</param>
/// <param name="Parameters">Its parameters, defaults included.</param>
/// <param name="Key">Execution key; null until the input is known.</param>
/// <param name="Checkpoint">What it made; null until it has.</param>
/// <param name="Seconds">Time it took when it was computed.</param>
/// <param name="Cached">True where an earlier result was taken.</param>
/// <param name="Metrics">Everything the stage measured.</param>
/// <param name="OnlyMeasures">True for a stage that leaves figures and no checkpoint.</param>
/// <param name="Records">What the stage kept beside its figures; null: nothing, or its place in the store was not asked.</param>
/// <param name="Panels">Pictures and tables that the stage made of its result; null as for <paramref name="Records"/>.</param>
public sealed record StageResult(
    string Stage,
    JsonElement Parameters,
    string? Key,
    CheckpointRef? Checkpoint,
    double? Seconds,
    bool Cached,
    IReadOnlyDictionary<string, double> Metrics,
    bool OnlyMeasures = false,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] JsonElement? Records = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<Panel>? Panels = null);
