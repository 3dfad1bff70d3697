using System.Text.Json;
using System.Text.Json.Serialization;

namespace Lathe.Contracts;

/// <summary>A sweep as its author wrote it. Every list is an axis of the grid, or of the search.</summary>
/// <param name="Name">Shown to people; need not be unique.</param>
/// <param name="Models">Zoo names, or networks of the store (<see cref="StoredModel"/>).</param>
/// <param name="Datasets">Data set names.</param>
/// <param name="Seeds">One whole grid for each seed.</param>
/// <param name="Stages">In order. A stage that only measures does not change what the next one starts from.</param>
/// <param name="Threads">
/// CPU threads of each computation, whoever runs it: the bits of a result depend on their number. Null: as many as the worker has.
/// </param>
/// <param name="Device">
/// Kind of processor that computes, <see cref="DeviceKind.Cpu"/> or <see cref="DeviceKind.Cuda"/>: a worker of another kind refuses. Null: whichever
/// the worker has.
/// </param>
/// <param name="Zip">
/// Groups of axes that advance together instead of making a product, each named <c>STAGE.PARAMETER</c>; the second stage of a name is <c>STAGE#2</c>. Null: none.
/// </param>
/// <param name="Search">Chooses what runs, in place of the whole grid; null: all of it runs.</param>
public sealed record SweepSpec(
    string Name,
    IReadOnlyList<string> Models,
    IReadOnlyList<string> Datasets,
    IReadOnlyList<long> Seeds,
    IReadOnlyList<StageSpec> Stages,
    int? Threads = null,
    DeviceKind? Device = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<IReadOnlyList<string>>? Zip = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] SearchSpec? Search = null)
{
    /// <summary>The most that <see cref="Threads"/> may be.</summary>
    public const int MostThreads = 1024;

    /// <summary>Pools of workers (<see cref="WorkerPool"/>) that compute stages, by the stage's name. Null, and for a stage that is left out: the workers that are in none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyDictionary<string, string>? Pool { get; init; }

    /// <summary>When trials of the search stop before their end; null: none does.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public EarlyStoppingSpec? EarlyStopping { get; init; }
}

/// <summary>One stage of a sweep.</summary>
/// <param name="Stage">Name of a stage, as in its manifest.</param>
/// <param name="Parameters">
/// JSON object; where the schema has a scalar, a list of scalars is an axis, and in a search a range such as <c>{ "uniform": [0, 1] }</c> may stand. Left out: all have their defaults.
/// </param>
public sealed record StageSpec(string Stage, JsonElement Parameters)
{
    private static readonly JsonElement None = JsonElement.Parse("{}");

    /// <summary>
    /// JSON object; where the schema has a scalar, a list of scalars is an axis, and in a search a range such as <c>{ "uniform": [0, 1] }</c> may stand. Left out: all have their defaults.
    /// </summary>
    public JsonElement Parameters { get; init; } = Parameters.ValueKind == JsonValueKind.Undefined ? None : Parameters;
}

/// <summary>One thing wrong with a sweep.</summary>
/// <param name="Path">JSON pointer into <see cref="SweepSpec"/> as its author wrote it: <c>/stages/1/prune/multiplications</c>.</param>
/// <param name="Message">What is wrong and what was expected; it does not repeat the path.</param>
public sealed record SweepProblem(string Path, string Message)
{
    /// <summary>Line of the text that the sweep was sent as, from 1; null: it was sent as JSON.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Line { get; init; }

    /// <summary>Column in that line, from 1.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Column { get; init; }
}

/// <summary>What a client sends to have a sweep run.</summary>
/// <param name="Spec">The sweep.</param>
/// <param name="Fresh">True: run everything again, whatever results there are.</param>
/// <param name="RequestId">
/// Chosen by the client, once for each submission: the same one again, after an answer that did not arrive, gives the sweep that was recorded. Null: none.
/// </param>
/// <param name="Priority">1 to 5; executions of a higher one are sent first. Null: 3.</param>
/// <param name="Share">Sweeps that name the same share divide it among them; null: the sweep has one of its own.</param>
/// <param name="Weight">Size of the share relative to those of other sweeps; null: 1.</param>
/// <param name="Limits">How much the sweep may take; null: no limits.</param>
/// <param name="Yaml">The sweep as the text of a sweep file, in place of <paramref name="Spec"/>; null: it is there.</param>
public sealed record SweepSubmission(
    SweepSpec Spec,
    bool Fresh = false,
    string? RequestId = null,
    int? Priority = null,
    string? Share = null,
    double? Weight = null,
    SweepLimits? Limits = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Yaml = null);
