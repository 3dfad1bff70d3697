using System.Text.Json;
using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Coordinator;

/// <summary>The coordinator over HTTP, JSON as <see cref="LatheJson"/> writes it.</summary>
public static class SweepApi
{
    /// <summary>Adds the routes.</summary>
    public static void MapSweeps(this IEndpointRouteBuilder routes)
    {
        routes.MapPost("/sweeps", SubmitAsync);
        routes.MapGet("/sweeps", async (int? limit, Guid? before, SweepQueries queries, CancellationToken stop) => Json(await queries.ListAsync(limit, before, stop)));
        routes.MapGet("/sweeps/{reference}/executions", (string reference, int? after, int? limit, ExecutionState? state, string? stage, SweepQueries queries, CancellationToken stop) =>
            FoundAsync(() => queries.PageAsync(reference, after, limit ?? 100, state, stage, stop)));
        routes.MapGet("/sweeps/{reference}", (string reference, SweepQueries queries, CancellationToken stop) =>
            FoundAsync(() => queries.StatusAsync(reference, stop: stop)));
        routes.MapGet("/sweeps/{reference}/results", (string reference, int? after, int? limit, bool? details, SweepQueries queries, ResultStore results, CancellationToken stop) =>
            FoundAsync(async () =>
            {
                var found = await queries.ResultsAsync(reference, after, limit, stop);
                return details == true ? StoredDetails.AddTo(found, results) : found;
            }));
        routes.MapGet("/sweeps/{reference}/best", (string reference, int? limit, SweepQueries queries, CancellationToken stop) =>
            FoundAsync(() => queries.BestAsync(reference, Math.Clamp(limit ?? 20, 1, 1000), stop)));
        routes.MapGet("/stages", (StageCatalog stages) =>
            Json(stages.Manifests.Values.OrderBy(m => m.Name, StringComparer.Ordinal).ToList()));
    }

    private static async Task<IResult> SubmitAsync(HttpRequest request, Orchestrator orchestrator, CancellationToken stop)
    {
        SweepSubmission? submission;
        try
        {
            submission = await JsonSerializer.DeserializeAsync<SweepSubmission>(request.Body, LatheJson.Options, stop);
        }
        catch (JsonException e)
        {
            return Json(new { problems = new[] { new SweepProblem(e.Path ?? "", $"not a submission: {e.Message}") } }, 422);
        }

        var outcome = await orchestrator.SubmitAsync(
            submission ?? new SweepSubmission(null!), request.Headers[Contracts.Messages.Headers.TraceParent].FirstOrDefault(), stop);
        if (outcome.Id is not { } id) return Json(new { problems = outcome.Problems, notes = outcome.Notes }, 422);
        request.HttpContext.Response.Headers.Location = $"/sweeps/{id}";
        return Json(new { id, notes = outcome.Notes }, 201);
    }

    private static async Task<IResult> FoundAsync<T>(Func<Task<T>> query)
    {
        try
        {
            return Json(await query());
        }
        catch (LatheException e) when (e.Kind == FailureKind.Permanent)
        {
            return Json(new { error = e.Message }, 404);
        }
    }

    private static IResult Json<T>(T value, int status = 200) => Results.Json(value, LatheJson.Options, statusCode: status);
}
