using System.Text.Json.Serialization;

namespace Lathe.Contracts;

/// <summary>
/// A search instead of a grid: trials are chosen one after the other by what came of the earlier ones. Lists of parameters are choices, and
/// <c>{ uniform: [a, b] }</c>, <c>{ loguniform: [a, b] }</c>, <c>{ int: [a, b] }</c> and <c>{ choice: [...] }</c> may stand wherever a scalar may.
/// </summary>
/// <param name="Strategy">grid, random, sobol, tpe or nsga2.</param>
/// <param name="Objectives">At least one.</param>
/// <param name="Trials">Number of trials that are computed; null: with grid all of them, otherwise it must be there.</param>
/// <param name="Seed">The same seed and the same order of results give the same trials.</param>
/// <param name="Constraints">What a result must keep, for example <c>multiplications &lt;= 0.3</c> or <c>bytes &lt;= 40 KiB</c>; null: nothing.</param>
/// <param name="Parallel">Trials that are computed at one time; null: <see cref="DefaultParallel"/>.</param>
public sealed record SearchSpec(
    string Strategy,
    IReadOnlyList<SearchObjective> Objectives,
    int? Trials = null,
    long Seed = 1,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? Constraints = null,
    int? Parallel = null)
{
    /// <summary>Trials at one time where the search does not say.</summary>
    public const int DefaultParallel = 4;

    /// <summary>The most trials of a search.</summary>
    public const int MostTrials = 2_000;
}

/// <summary>What a search is to reach; one of the two names a metric of a stage.</summary>
/// <param name="Maximize">Metric of which more is better.</param>
/// <param name="Minimize">Metric of which less is better.</param>
public sealed record SearchObjective(
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Maximize = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Minimize = null);
