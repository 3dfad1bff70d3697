using Microsoft.AspNetCore.Http.HttpResults;

namespace Lathe.Coordinator;

/// <summary>Says what a sweep would do.</summary>
internal static class PlanRoutes
{
    private const int UsualLimit = 100;

    /// <summary>The forecast of a sweep; nothing is recorded.</summary>
    public static async Task<Ok<SweepForecast>> PlanAsync(HttpRequest request, int? limit, bool? why, Orchestrator orchestrator, StageCatalog stages, CancellationToken stop)
    {
        if (limit is < 0 or > SweepPlanner.MaxExecutions)
            throw new ApiFault(StatusCodes.Status400BadRequest, $"limit is '{limit}', expected a whole number from 0 to {SweepPlanner.MaxExecutions}");
        var sent = await SentSweep.ReadAsync(request, stages, stop);
        if (sent.Problems.Count > 0) return TypedResults.Ok(SweepForecast.Refused(new SweepVerdict(sent.Placed(sent.Problems), [])));
        var forecast = await orchestrator.ForecastAsync(sent.Submission, limit ?? UsualLimit, why == true, stop);
        return TypedResults.Ok(forecast with { Problems = [.. SubmissionTerms.Problems(sent.Submission), .. sent.Placed(forecast.Problems)] });
    }
}
