using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Lathe.Coordinator;

/// <summary>Submits sweeps, and checks them without.</summary>
internal static class SubmissionRoutes
{
    /// <summary>Header with the client's own name of a request: the same one again gives the sweep that was recorded.</summary>
    public const string IdempotencyKey = "Idempotency-Key";

    /// <summary>Checks a sweep and records it. Once it has arrived it is recorded, whether or not the client waits for the answer.</summary>
    public static async Task<Created<SubmissionAnswer>> SubmitAsync(HttpRequest request, Orchestrator orchestrator, StageCatalog stages, IHostApplicationLifetime lifetime)
    {
        var sent = await SentSweep.ReadAsync(request, stages, request.HttpContext.RequestAborted);
        if (sent.Problems.Count > 0) throw ApiFault.Unacceptable(sent.Placed(sent.Problems));
        var submission = sent.Submission with { RequestId = sent.Submission.RequestId ?? request.Headers[IdempotencyKey].FirstOrDefault() };
        var outcome = await orchestrator.SubmitAsync(submission, request.Headers[Headers.TraceParent].FirstOrDefault(), lifetime.ApplicationStopping);
        return outcome.Id is { } id
            ? TypedResults.Created($"/sweeps/{id}", new SubmissionAnswer(id, outcome.Notes))
            : throw ApiFault.Unacceptable(sent.Placed(outcome.Problems), outcome.Notes);
    }

    /// <summary>Says what is wrong with a sweep and how many executions it has; records nothing.</summary>
    public static async Task<Ok<CheckAnswer>> CheckAsync(HttpRequest request, Orchestrator orchestrator, StageCatalog stages, WorkerRoster workers, CancellationToken stop)
    {
        var sent = await SentSweep.ReadAsync(request, stages, stop);
        if (sent.Problems.Count > 0) return TypedResults.Ok(new CheckAnswer(sent.Placed(sent.Problems), [], 0));
        var (plan, problems, notes) = await orchestrator.CheckAsync(sent.Submission.Spec, stop);
        if (sent.Submission.Spec is { Device: { } device, Stages: not null } spec) notes = [.. notes, .. Unfit(spec, device, await workers.UpAsync(stop))];
        problems = [.. SubmissionTerms.Problems(sent.Submission), .. sent.Placed(problems)];
        return TypedResults.Ok(new CheckAnswer(
            problems, notes, problems.Count > 0 ? 0 : plan.Executions.Count, sent.Document?.Spec, sent.Document is null && IsWhole(sent.Submission.Spec) ? SweepYaml.Of(sent.Submission.Spec) : null));
    }

    /// <summary>Stages of which workers are up, and none computes on what the sweep asks for. Others may come, so that it is no problem yet.</summary>
    private static IEnumerable<string> Unfit(SweepSpec spec, DeviceKind device, IReadOnlyList<WorkerRow> workers)
    {
        foreach (var stage in spec.Stages.Select(s => s?.Stage).OfType<string>().Distinct())
        {
            var own = workers.Where(w => w.Stage == stage && w.About is not null).Select(w => JsonSerializer.Deserialize<WorkerAbout>(w.About!, LatheJson.Options)!.Device).ToList();
            if (own.Count > 0 && own.TrueForAll(d => d != "auto" && !d.StartsWith(device.ToString(), StringComparison.OrdinalIgnoreCase)))
                yield return $"the sweep asks for device {device.ToString().ToLowerInvariant()}, and no worker of {stage} that is up computes on it (they have {string.Join(", ", own.Distinct())}): its executions fail until one does";
        }
    }

    /// <summary>A sweep of JSON may lack what every sweep file has.</summary>
    private static bool IsWhole(SweepSpec spec) => spec is { Name: not null, Models: not null, Datasets: not null, Seeds: not null, Stages: not null }
        && spec.Models.Concat(spec.Datasets).All(n => n is not null) && spec.Stages.All(s => s?.Stage is not null);
}
