using System.Text.Json;
using System.Text.Json.Serialization;

namespace Lathe.Contracts;

/// <summary>One row of a sweep's results: a leaf of its tree of executions. Figures are null until they are known.</summary>
/// <param name="Model">As in <see cref="SweepSpec.Models"/>.</param>
/// <param name="Dataset">Data set name.</param>
/// <param name="Seed">Seed of the whole branch.</param>
/// <param name="Top1">Share of the test split classified right, a fraction of 1.</param>
/// <param name="Top1Dense">The same for the dense ancestor.</param>
/// <param name="Loss">Mean cross-entropy on the test split.</param>
/// <param name="Parameters">Trainable values.</param>
/// <param name="ParametersRatio">Parameters over those of the dense ancestor.</param>
/// <param name="Multiplications">Convolution and linear products for one input.</param>
/// <param name="MultiplicationsRatio">Multiplications over those of the dense ancestor.</param>
/// <param name="Bits">Bits of a weight; null for float.</param>
/// <param name="Bytes">Stored tensors, weights packed.</param>
/// <param name="State">State of the leaf's own execution.</param>
/// <param name="Stages">The way to this leaf, first stage first.</param>
public sealed record LeafResult(
    string Model,
    string Dataset,
    long Seed,
    double? Top1,
    double? Top1Dense,
    double? Loss,
    double? Parameters,
    double? ParametersRatio,
    double? Multiplications,
    double? MultiplicationsRatio,
    double? Bits,
    double? Bytes,
    ExecutionState State,
    IReadOnlyList<StageResult> Stages);

/// <summary>One execution on the way to a leaf.</summary>
/// <param name="Stage">Stage name.</param>
/// <param name="Parameters">Its parameters, defaults included.</param>
/// <param name="Key">Execution key; null until the input is known.</param>
/// <param name="Checkpoint">What it made; null until it has.</param>
/// <param name="Seconds">Time it took when it was computed.</param>
/// <param name="Cached">True where an earlier result was taken.</param>
/// <param name="Metrics">Everything the stage measured.</param>
/// <param name="Records">What the stage kept beside its figures; null: nothing, or its place in the store was not asked.</param>
public sealed record StageResult(
    string Stage,
    JsonElement Parameters,
    string? Key,
    CheckpointRef? Checkpoint,
    double? Seconds,
    bool Cached,
    IReadOnlyDictionary<string, double> Metrics,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] JsonElement? Records = null);
