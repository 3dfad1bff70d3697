using System.Net;
using Lathe.Contracts;
using Lathe.Coordinator;

namespace Lathe.Cli.Sources;

/// <summary>What a coordinator would do: with a sweep, and with what the store need not keep.</summary>
internal sealed partial class CoordinatorClient
{
    /// <summary>What a sweep would do; nothing is recorded.</summary>
    /// <param name="submission">The sweep.</param>
    /// <param name="limit">Executions that are listed, the first ones.</param>
    /// <param name="why">True: with the nearest earlier executions.</param>
    /// <param name="stop">Gives up.</param>
    public async Task<SweepForecast> ForecastAsync(SweepSubmission submission, int limit, bool why, CancellationToken stop)
    {
        var path = $"sweeps/plan{Query(("limit", limit), ("why", why ? "true" : null))}";
        using var response = await SendAsync(HttpMethod.Post, path, () => Content(submission), SubmissionPatience, stop, HttpStatusCode.UnprocessableEntity);
        if (response.StatusCode != HttpStatusCode.UnprocessableEntity) return await ReadAsync<SweepForecast>(response, stop);
        var problem = await ReadAsync<ApiProblem>(response, stop);
        return SweepForecast.Refused(new SweepVerdict(problem.Problems ?? [new SweepProblem("", problem.Detail ?? problem.Title)], problem.Notes ?? []));
    }

    /// <summary>Deletes what the store need not keep, or says what would go.</summary>
    public async Task<CollectionReport> CollectAsync(CollectionOrder order, CancellationToken stop)
    {
        // A bucket with a million objects takes its time.
        using var response = await SendAsync(HttpMethod.Post, "gc", () => Content(order), Timeout.InfiniteTimeSpan, stop);
        return await ReadAsync<CollectionReport>(response, stop);
    }
}
