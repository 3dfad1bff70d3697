using System.Globalization;
using Lathe.Contracts;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>Orders about a sweep, a stage of it or one execution. Every order may be given twice. One that arrived is carried out, whether or not the client waits.</summary>
internal sealed class ControlRoutes(Orchestrator orchestrator, SweepTargets targets, CoordinatorStore store, CoordinatorOptions options, TimeProvider time, IHostApplicationLifetime lifetime)
{
    private CancellationToken Stop => lifetime.ApplicationStopping;

    public Task<Ok<OrderAnswer>> PauseAsync(string reference, string? stage, int? execution) => OrderAsync(reference, stage, execution, orchestrator.PauseAsync);

    public Task<Ok<OrderAnswer>> ResumeAsync(string reference, string? stage, int? execution) => OrderAsync(reference, stage, execution, async (target, stop) =>
    {
        await AdoptAsync(target.Sweep, stop);
        return await orchestrator.ResumeAsync(target, stop);
    });

    public Task<Ok<OrderAnswer>> CancelAsync(string reference, string? stage, int? execution) => OrderAsync(reference, stage, execution, orchestrator.CancelAsync);

    public async Task<Ok<OrderAnswer>> RetryAsync(string reference, string? stage, int? execution, HttpRequest request)
    {
        var order = JsonBody.IsThere(request) ? await JsonBody.ReadAsync<RetryOrder>(request, stop: request.HttpContext.RequestAborted) : new RetryOrder();
        return await RetryAsync(reference, stage, execution, order);
    }

    public Task<Ok<OrderAnswer>> RetryAsync(string reference, string? stage, int? execution, RetryOrder order) =>
        OrderAsync(reference, stage, execution, async (target, stop) =>
        {
            var changes = order.Set is { Count: > 0 } set ? await orchestrator.CheckRetryAsync(target, set, stop) : null;
            if (changes?.Problems.Count > 0) throw ApiFault.Unacceptable(changes.Problems);
            await AdoptAsync(target.Sweep, stop);
            return await orchestrator.RetryAsync(target, changes?.Parameters, stop);
        });

    public async Task<NoContent> PriorityAsync(string reference, HttpRequest request)
    {
        var order = await JsonBody.ReadAsync<PriorityOrder>(request, stop: request.HttpContext.RequestAborted);
        if (order.Priority is not (>= SweepLimits.LowestPriority and <= SweepLimits.HighestPriority and var priority))
            throw ApiFault.Unacceptable("/priority", $"is {order.Priority?.ToString(CultureInfo.InvariantCulture) ?? "missing"}, expected a whole number from {SweepLimits.LowestPriority} to {SweepLimits.HighestPriority}");
        await orchestrator.PriorityAsync(await targets.IdAsync(reference, Stop), priority, Stop);
        return TypedResults.NoContent();
    }

    public Task<NoContent> PinAsync(string reference) => PinAsync(reference, isPinned: true);

    public Task<NoContent> UnpinAsync(string reference) => PinAsync(reference, isPinned: false);

    public async Task<NoContent> DeleteAsync(string reference)
    {
        await orchestrator.DeleteAsync(await targets.IdAsync(reference, Stop), Stop);
        return TypedResults.NoContent();
    }

    /// <summary>A sweep of a <c>lathe run</c> that is over goes on here: nobody else would run it.</summary>
    private async Task AdoptAsync(Guid sweep, CancellationToken stop)
    {
        await using var database = store.Open();
        if (await database.Sweeps.AsNoTracking().SingleOrDefaultAsync(s => s.Id == sweep, stop) is { } row && row.IsWithoutOwner(time.GetUtcNow(), options))
            await orchestrator.AdoptAsync(sweep, stop);
    }

    private async Task<NoContent> PinAsync(string reference, bool isPinned)
    {
        await orchestrator.PinAsync(await targets.IdAsync(reference, Stop), isPinned, Stop);
        return TypedResults.NoContent();
    }

    private async Task<Ok<OrderAnswer>> OrderAsync(string reference, string? stage, int? execution, Func<ControlTarget, CancellationToken, Task<OrderAnswer>> order)
    {
        var target = await targets.FindAsync(reference, stage, execution, Stop);
        return TypedResults.Ok(await order(target, Stop));
    }
}
