using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Lathe.Coordinator;

/// <summary>Submits sweeps, and checks them without.</summary>
internal static class SubmissionRoutes
{
    /// <summary>Header with the client's own name of a request: the same one again gives the sweep that was recorded.</summary>
    public const string IdempotencyKey = "Idempotency-Key";

    // Problems are told by their place in the sweep.
    private const string Spec = "/spec";

    /// <summary>Checks a sweep and records it. Once it has arrived it is recorded, whether or not the client waits for the answer.</summary>
    public static async Task<Created<SubmissionAnswer>> SubmitAsync(HttpRequest request, Orchestrator orchestrator, IHostApplicationLifetime lifetime)
    {
        var submission = await JsonBody.ReadAsync<SweepSubmission>(request, Spec, request.HttpContext.RequestAborted);
        submission = submission with { RequestId = submission.RequestId ?? request.Headers[IdempotencyKey].FirstOrDefault() };
        var outcome = await orchestrator.SubmitAsync(submission, request.Headers[Headers.TraceParent].FirstOrDefault(), lifetime.ApplicationStopping);
        return outcome.Id is { } id
            ? TypedResults.Created($"/sweeps/{id}", new SubmissionAnswer(id, outcome.Notes))
            : throw ApiFault.Unacceptable(outcome.Problems, outcome.Notes);
    }

    /// <summary>Says what is wrong with a sweep and how many executions it has; records nothing.</summary>
    public static async Task<Ok<CheckAnswer>> CheckAsync(HttpRequest request, Orchestrator orchestrator, CancellationToken stop)
    {
        var submission = await JsonBody.ReadAsync<SweepSubmission>(request, Spec, stop);
        if (submission.Spec is not { } spec) throw ApiFault.Unacceptable("", "no sweep in the submission");
        var (plan, problems, notes) = await orchestrator.CheckAsync(spec, stop);
        problems = [.. SubmissionTerms.Problems(submission), .. problems];
        return TypedResults.Ok(new CheckAnswer(problems, notes, problems.Count > 0 ? 0 : plan.Executions.Count));
    }
}
