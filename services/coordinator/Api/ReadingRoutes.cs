using System.Globalization;
using System.Text.Json;
using Lathe.Contracts;
using Lathe.Graph.Models;
using Lathe.Graph.Sizing;
using Lathe.Hosting;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>Reads sweeps. Lists come in pages.</summary>
internal static class ReadingRoutes
{
    /// <summary>Most items of a page.</summary>
    public const int MostAtATime = 1000;

    internal const int UsualPage = 100;
    private const int UsualBest = 20;
    private const int UsualCurves = 12;
    private const int MostCurves = 100;

    /// <summary>Sweeps, latest first.</summary>
    public static async Task<Ok<IReadOnlyList<SweepSummary>>> ListAsync(int? limit, string? before, string? state, string? search, SweepQueries queries, SweepTargets targets, CancellationToken stop)
    {
        CheckLimit(limit);
        Guid? from = before is null ? null : await targets.IdAsync(before, stop);
        return TypedResults.Ok(await queries.ListAsync(limit, from, state?.Split(',').Select(StateOf<SweepState>).ToList(), string.IsNullOrEmpty(search) ? null : search, stop));
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

    /// <summary>A sweep as it was submitted, with the parameters that its executions were given since.</summary>
    public static async Task<Ok<SpecAnswer>> SpecAsync(string reference, SweepTargets targets, CoordinatorStore store, CancellationToken stop)
    {
        var id = await targets.IdAsync(reference, stop);
        await using var database = store.Open();
        var row = await database.Sweeps.AsNoTracking().SingleAsync(s => s.Id == id, stop);
        if (row.Spec is null) throw ApiFault.NotFound($"sweep {row.Name} is of an older release, which kept no spec");
        var spec = JsonSerializer.Deserialize<SweepSpec>(row.Spec, LatheJson.Options)!;
        var mended = await MendedSpec.ReadAsync(database, id, spec, stop);
        return TypedResults.Ok(new SpecAnswer(
            mended.Spec, SweepYaml.Of(mended.Spec, mended.Notes), row.Fresh, row.Priority, row.ShareKey == id.ToString() ? null : row.ShareKey, row.ShareWeight, SweepRows.LimitsOf(row), mended.Notes));
    }

    /// <summary>Figures of the epochs of executions: of those that run, or of some that are named.</summary>
    public static async Task<Ok<CurvesAnswer>> CurvesAsync(string reference, int? limit, string? executions, SweepTargets targets, SweepQueries queries, CoordinatorStore store, CancellationToken stop)
    {
        if (limit is < 1 or > MostCurves) throw new ApiFault(StatusCodes.Status400BadRequest, $"limit is '{limit}', expected a whole number from 1 to {MostCurves}");
        var id = await targets.IdAsync(reference, stop);
        var indices = executions?.Split(',').Select(i => int.TryParse(i, NumberStyles.None, CultureInfo.InvariantCulture, out var index)
            ? index : throw new ApiFault(StatusCodes.Status400BadRequest, $"executions has '{i}', expected indices separated by commas")).Take(MostCurves).ToList();
        await using var database = store.Open();
        var view = await queries.ViewAsync(database, id, stop);
        var nodes = await NodeView.ReadAsync(
            database, view,
            all => (indices is not null ? all.Where(n => indices.Contains(n.Index)) : all.Where(n => database.Executions.Any(e => e.Id == n.ExecutionId && e.State == RunState.Running)))
                .OrderBy(n => n.Index).Take(limit ?? UsualCurves),
            stop);
        var ids = nodes.Select(n => n.Execution?.Id).OfType<Guid>().ToList();
        var points = (await database.ProgressPoints.AsNoTracking().Where(p => ids.Contains(p.ExecutionId)).OrderBy(p => p.Epoch).ToListAsync(stop)).ToLookup(p => p.ExecutionId);
        return TypedResults.Ok(new CurvesAnswer(nodes.ConvertAll(n => new ExecutionCurve(
            n.Index, n.Point.Stage, n.State, n.Point.Parameters, n.Point.Varied,
            n.Execution is null ? [] : [.. points[n.Execution.Id].Select(p => new EpochPoint(p.Epoch, p.Loss, p.Accuracy, p.At))]))));
    }

    /// <summary>Trials of a search, a page at a time.</summary>
    public static async Task<Ok<IReadOnlyList<TrialStatus>>> TrialsAsync(string reference, int? after, int? limit, SweepTargets targets, CoordinatorStore store, CancellationToken stop)
    {
        CheckLimit(limit);
        var id = await targets.IdAsync(reference, stop);
        await using var database = store.Open();
        return TypedResults.Ok(await TrialQueries.PageAsync(database, id, after ?? -1, limit ?? UsualPage, stop));
    }

    /// <summary>JSON Schema of a sweep file.</summary>
    public static IResult SweepSchemaOf(StageCatalog stages) => TypedResults.Text(SweepSchema.Of(stages.Manifests.Values).ToJsonString(), "application/schema+json");

    /// <summary>Models of the zoo.</summary>
    public static Ok<List<ModelAnswer>> Models() => TypedResults.Ok(Zoo.Entries.Select(entry =>
    {
        var size = Complexity.Of(Zoo.Build(entry.Name, entry.Input, entry.Classes));
        return new ModelAnswer(entry.Name, entry.Summary, entry.DataSet, size.Parameters, size.Multiplications);
    }).ToList());

    /// <summary>Data sets with names of their own.</summary>
    public static Ok<List<DatasetAnswer>> Datasets(HostingSettings settings) =>
        TypedResults.Ok(DataSetFiles.ByName.Keys.Order(StringComparer.Ordinal).Select(name => new DatasetAnswer(name, DataPlaces.Locate(name, settings) is not null)).ToList());

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

    internal static void CheckLimit(int? limit)
    {
        if (limit is < 1 or > MostAtATime) throw BadLimit(limit.Value);
    }

    private static ApiFault BadLimit(int limit) => new(StatusCodes.Status400BadRequest, $"limit is '{limit}', expected a whole number from 1 to {MostAtATime}");
}
