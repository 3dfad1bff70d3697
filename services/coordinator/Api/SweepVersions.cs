using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.EntityFrameworkCore;
using Microsoft.Net.Http.Headers;

namespace Lathe.Coordinator;

/// <summary>
/// Weak ETags of sweeps, from a few rows and not from the answer: a client that asks every second costs little while nothing happens.
/// </summary>
internal sealed class SweepVersions(CoordinatorStore store, StageCatalog stages, CoordinatorOptions options, TimeProvider time)
{
    /// <summary>Sets the ETag of the answer. True if the client has that one already.</summary>
    public async Task<bool> IsKnownAsync(HttpContext context, Guid sweep, CancellationToken stop)
    {
        var tag = new EntityTagHeaderValue($"\"{await OfAsync(sweep, stop)}\"", isWeak: true);
        context.Response.GetTypedHeaders().ETag = tag;
        context.Response.Headers.CacheControl = "no-cache";
        return context.Request.GetTypedHeaders().IfNoneMatch.Any(known => known.Compare(tag, useStrongComparison: false) || known.Equals(EntityTagHeaderValue.Any));
    }

    private async Task<string> OfAsync(Guid id, CancellationToken stop)
    {
        await using var database = store.Open();
        var sweep = await database.Sweeps.AsNoTracking().SingleOrDefaultAsync(s => s.Id == id, stop) ?? throw ApiFault.NotFound($"there is no sweep {id}");
        var steps = await database.StepCounts.AsNoTracking().Where(c => c.SweepId == id).OrderBy(c => c.Step).ToListAsync(stop);
        var last = await database.Events.Where(e => e.SweepId == id).MaxAsync(e => (long?)e.Sequence, stop);
        // Progress is no event.
        var heard = await (
            from lease in database.Leases
            join node in database.Nodes on lease.ExecutionId equals node.ExecutionId
            where node.SweepId == id
            select (DateTimeOffset?)lease.HeardAt).MaxAsync(stop);
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{sweep.Id} {sweep.State} {sweep.Reason} {sweep.Priority} {sweep.Pinned} {sweep.FinishedAt:O} {sweep.IsAbandoned(time.GetUtcNow(), options)} {sweep.IsSilent(time.GetUtcNow(), options)} {last} {heard:O}");
        foreach (var s in steps)
        {
            text.Append(CultureInfo.InvariantCulture, $" {s.Waiting} {s.Ready} {s.Queued} {s.Running} {s.Completed} {s.Cached} {s.Failed} {s.Skipped} {s.Paused} {s.Cancelled}");
            text.Append(CultureInfo.InvariantCulture, $" {s.Seconds:R} {stages.HasWorker(WorkQueue.Of(s))}");
        }

        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())).AsSpan(0, 12));
    }
}
