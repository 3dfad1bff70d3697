using System.Text.Json;
using System.Text.Json.Serialization;
using Lathe.Contracts;

namespace Lathe.Coordinator;

/// <summary>What a sweep would do if it were submitted now.</summary>
/// <param name="Problems">Why it cannot run; empty: it can, as far as anybody knows. With problems the rest is empty.</param>
/// <param name="Notes">What could not be found out and why, one sentence each.</param>
/// <param name="Steps">The stages in order, with counts.</param>
/// <param name="Executions">The first executions, parents before children.</param>
/// <param name="Size">Number of all executions.</param>
/// <param name="Seconds">Time that the uncached executions would take one after the other; null: of none is a time known, or none runs.</param>
/// <param name="IsPart">True: of some that would run no time is known, so that <paramref name="Seconds"/> leaves them out.</param>
public sealed record SweepForecast(
    IReadOnlyList<SweepProblem> Problems,
    IReadOnlyList<string> Notes,
    IReadOnlyList<StepForecast> Steps,
    IReadOnlyList<ExecutionForecast> Executions,
    int Size,
    double? Seconds,
    bool IsPart)
{
    /// <summary>What a search chooses from, and its first trials, which the executions are of; null: the sweep is a grid, and the executions are all of it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public SearchForecast? Search { get; init; }

    /// <summary>A sweep that cannot run.</summary>
    public static SweepForecast Refused(SweepVerdict verdict) => new(verdict.Problems, verdict.Notes, [], [], 0, null, false);
}

/// <summary>A search before it runs.</summary>
/// <param name="Strategy">Name of the strategy.</param>
/// <param name="Trials">Number of trials that are computed.</param>
/// <param name="Parallel">Trials at one time.</param>
/// <param name="Axes">What is chosen.</param>
/// <param name="First">The first trials: those that are chosen before there is a result.</param>
public sealed record SearchForecast(string Strategy, int Trials, int Parallel, IReadOnlyList<AxisForecast> Axes, IReadOnlyList<TrialForecast> First);

/// <summary>One thing that a search chooses.</summary>
/// <param name="Name"><c>prune.multiplications</c>.</param>
/// <param name="Range">As it stands in the sweep: <c>{ "uniform": [0.2, 0.8] }</c>; a list is a choice.</param>
public sealed record AxisForecast(string Name, JsonElement Range);

/// <summary>One of the first trials.</summary>
/// <param name="Values">By name of the axis.</param>
/// <param name="Executions">Indices of its executions.</param>
/// <param name="Refused">Why it would not be computed; null: nothing is known against it.</param>
public sealed record TrialForecast(IReadOnlyDictionary<string, JsonElement> Values, IReadOnlyList<int> Executions, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Refused);

/// <summary>One stage of a sweep before it runs.</summary>
/// <param name="Step">Place in the sweep's list of stages.</param>
/// <param name="Stage">Its name.</param>
/// <param name="Version">Its version.</param>
/// <param name="Executions">Number of its executions.</param>
/// <param name="Cached">Those whose result is in the store.</param>
/// <param name="Seconds">Time that the others would take one after the other; null: unknown.</param>
/// <param name="Sizes">Ranges over all its executions, by metric name; a size that is not known of all of them is left out.</param>
public sealed record StepForecast(
    int Step, string Stage, string Version, int Executions, int Cached, double? Seconds, IReadOnlyDictionary<string, SizeRange> Sizes);

/// <summary>One execution before it runs.</summary>
/// <param name="Index">Place in the sweep's tree.</param>
/// <param name="Parent">Index of the execution that makes its input.</param>
/// <param name="Step">Place of its stage in the sweep's list of stages.</param>
/// <param name="Stage">Stage that runs.</param>
/// <param name="Model">Model of the branch.</param>
/// <param name="Dataset">Data set of the branch.</param>
/// <param name="Seed">Seed of the branch.</param>
/// <param name="Parameters">Every parameter.</param>
/// <param name="Varied">Names of those that differ between siblings.</param>
/// <param name="IsCached">True: its result is in the store, so that it would not be computed.</param>
/// <param name="Key">Execution key; null: unknown until its input is computed.</param>
/// <param name="Sizes">Sizes of the network that leaves it, by metric name; least and most are the same where it is known exactly.</param>
/// <param name="Seconds">Mean time of earlier executions of the stage; null: none, or it is cached.</param>
/// <param name="Nearest">The earlier execution that differs least; null: none, it is cached, or nobody asked.</param>
public sealed record ExecutionForecast(
    int Index,
    int? Parent,
    int Step,
    string Stage,
    string Model,
    string Dataset,
    long Seed,
    JsonElement Parameters,
    IReadOnlyList<string> Varied,
    bool IsCached,
    string? Key,
    IReadOnlyDictionary<string, SizeRange> Sizes,
    double? Seconds,
    EarlierExecution? Nearest);

/// <summary>An execution of the same stage that has a result.</summary>
/// <param name="Sweep">Its sweep.</param>
/// <param name="SweepName">The sweep's name.</param>
/// <param name="Index">Its place there.</param>
/// <param name="Differences">Parts of the key that differ; empty: none, but its result is no longer in the store.</param>
public sealed record EarlierExecution(Guid Sweep, string SweepName, int Index, IReadOnlyList<KeyDifference> Differences);

/// <summary>A part of an execution key that is not the same.</summary>
/// <param name="Part">Name of a parameter, or one of version, model, dataset, fingerprint, seed, threads, device, input.</param>
/// <param name="Before">Value of the earlier execution.</param>
/// <param name="Now">Value of the planned one.</param>
public sealed record KeyDifference(string Part, string Before, string Now);
