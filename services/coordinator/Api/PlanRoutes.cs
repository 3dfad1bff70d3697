using Lathe.Contracts;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Lathe.Coordinator;

/// <summary>Says what a sweep would do.</summary>
internal static class PlanRoutes
{
    private const string Spec = "/spec";
    private const int UsualLimit = 100;

    /// <summary>The forecast of a sweep; nothing is recorded.</summary>
    public static async Task<Ok<SweepForecast>> PlanAsync(HttpRequest request, int? limit, bool? why, Orchestrator orchestrator, CancellationToken stop)
    {
        if (limit is < 0 or > SweepPlanner.MaxExecutions)
            throw new ApiFault(StatusCodes.Status400BadRequest, $"limit is '{limit}', expected a whole number from 0 to {SweepPlanner.MaxExecutions}");
        var submission = await JsonBody.ReadAsync<SweepSubmission>(request, Spec, stop);
        if (submission.Spec is null) throw ApiFault.Unacceptable("", "no sweep in the submission");
        var forecast = await orchestrator.ForecastAsync(submission, limit ?? UsualLimit, why == true, stop);
        return TypedResults.Ok(forecast with { Problems = [.. SubmissionTerms.Problems(submission), .. forecast.Problems] });
    }
}
