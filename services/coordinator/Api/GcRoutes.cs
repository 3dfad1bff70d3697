using Microsoft.AspNetCore.Http.HttpResults;

namespace Lathe.Coordinator;

/// <summary>Body of a collection. Without days, count and bytes only what nobody can use any more goes.</summary>
/// <param name="KeepDays">Checkpoints of sweeps that are over for longer go.</param>
/// <param name="KeepLast">Checkpoints of all but the newest so many sweeps go.</param>
/// <param name="BudgetBytes">Bytes that the store may take.</param>
/// <param name="Orphans">True: what no record of the coordinator's database names goes too.</param>
/// <param name="DryRun">True: nothing is deleted.</param>
public sealed record CollectionOrder(int? KeepDays = null, int? KeepLast = null, long? BudgetBytes = null, bool Orphans = false, bool DryRun = false);

/// <summary>Deletes what the store need not keep.</summary>
internal static class GcRoutes
{
    public static async Task<Ok<CollectionReport>> CollectAsync(HttpRequest request, StoreCollector collector, IHostApplicationLifetime lifetime)
    {
        var order = await JsonBody.ReadAsync<CollectionOrder>(request, stop: request.HttpContext.RequestAborted);
        if (order.KeepDays < 0) throw ApiFault.Unacceptable("/keepDays", $"is {order.KeepDays}, expected 0 or more");
        if (order.KeepLast < 0) throw ApiFault.Unacceptable("/keepLast", $"is {order.KeepLast}, expected 0 or more");
        if (order.BudgetBytes < 0) throw ApiFault.Unacceptable("/budgetBytes", $"is {order.BudgetBytes}, expected 0 or more");
        return TypedResults.Ok(await collector.CollectAsync(
            new RetentionRule(order.KeepDays, order.KeepLast, order.BudgetBytes, order.Orphans), order.DryRun, lifetime.ApplicationStopping));
    }
}
