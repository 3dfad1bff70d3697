using Lathe.Contracts;
using Lathe.Hosting;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Lathe.Coordinator;

/// <summary>Reads sweeps. Lists come in pages.</summary>
internal static class ReadingRoutes
{
    /// <summary>Most items of a page.</summary>
    public const int MostAtATime = 1000;

    private const int UsualPage = 100;
    private const int UsualBest = 20;

    /// <summary>Sweeps, latest first.</summary>
    public static async Task<Ok<IReadOnlyList<SweepSummary>>> ListAsync(int? limit, string? before, string? state, string? search, SweepQueries queries, SweepTargets targets, CancellationToken stop)
    {
        CheckLimit(limit);
        Guid? from = before is null ? null : await targets.IdAsync(before, stop);
        return TypedResults.Ok(await queries.ListAsync(limit, from, stop, state?.Split(',').Select(StateOf<SweepState>).ToList(), string.IsNullOrEmpty(search) ? null : search));
    }

    /// <summary>A sweep: its state, its counts, and the executions that a person looks for first.</summary>
    public static async Task<IResult> StatusAsync(string reference, int? limit, HttpContext context, SweepQueries queries, SweepTargets targets, SweepVersions versions, CancellationToken stop)
    {
        if (limit is < 0 or > MostAtATime) throw BadLimit(limit.Value);
        var id = await targets.IdAsync(reference, stop);
        if (await versions.IsKnownAsync(context, id, stop)) return TypedResults.StatusCode(StatusCodes.Status304NotModified);
        return TypedResults.Ok(await queries.StatusAsync(id.ToString(), limit ?? SweepQueries.Listed, stop));
    }

    /// <summary>Executions of a sweep in the order of its tree, a page at a time.</summary>
    public static async Task<Ok<ExecutionPage>> ExecutionsAsync(
        string reference, int? after, int? limit, string? state, string? stage, SweepQueries queries, SweepTargets targets, CancellationToken stop)
    {
        CheckLimit(limit);
        ExecutionState? wanted = state is null ? null : StateOf<ExecutionState>(state);
        var target = await targets.FindAsync(reference, stage, null, stop);
        return TypedResults.Ok(await queries.PageAsync(target.Sweep.ToString(), after, limit ?? UsualPage, wanted, stage, stop));
    }

    /// <summary>Results of a sweep, one for each leaf of its tree; without a limit all.</summary>
    public static async Task<IResult> ResultsAsync(
        string reference, int? after, int? limit, bool? details, HttpContext context, SweepQueries queries, SweepTargets targets, SweepVersions versions, ResultStore results,
        CancellationToken stop)
    {
        CheckLimit(limit);
        var id = await targets.IdAsync(reference, stop);
        if (await versions.IsKnownAsync(context, id, stop)) return TypedResults.StatusCode(StatusCodes.Status304NotModified);
        // A page needs both; without a limit what came before a leaf is left out too.
        var found = await queries.ResultsAsync(id.ToString(), after, limit ?? (after is null ? null : int.MaxValue), stop);
        return TypedResults.Ok(details == true ? StoredDetails.AddTo(found, results) : found);
    }

    /// <summary>The results of a sweep that no other beats.</summary>
    public static async Task<Ok<BestResults>> BestAsync(string reference, int? limit, SweepQueries queries, SweepTargets targets, CancellationToken stop)
    {
        CheckLimit(limit);
        return TypedResults.Ok(await queries.BestAsync((await targets.IdAsync(reference, stop)).ToString(), limit ?? UsualBest, stop));
    }

    /// <summary>Stages that workers have announced.</summary>
    public static Ok<List<StageManifest>> Stages(StageCatalog stages) =>
        TypedResults.Ok(stages.Manifests.Values.OrderBy(m => m.Name, StringComparer.Ordinal).ToList());

    private static T StateOf<T>(string state)
        where T : struct, Enum
    {
        // As a number it would be parsed, too.
        if (state.All(char.IsLetter) && Enum.TryParse<T>(state, ignoreCase: true, out var known)) return known;
        throw new ApiFault(StatusCodes.Status400BadRequest, $"state is '{state}', expected one of {string.Join(", ", Enum.GetNames<T>().Select(n => n.ToLowerInvariant()))}");
    }

    private static void CheckLimit(int? limit)
    {
        if (limit is < 1 or > MostAtATime) throw BadLimit(limit.Value);
    }

    private static ApiFault BadLimit(int limit) => new(StatusCodes.Status400BadRequest, $"limit is '{limit}', expected a whole number from 1 to {MostAtATime}");
}
