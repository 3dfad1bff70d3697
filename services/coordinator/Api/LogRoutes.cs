using Lathe.Contracts;
using Lathe.Hosting;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>Reads the log of an execution from the store, where its worker writes it.</summary>
internal static class LogRoutes
{
    public static async Task<Ok<LogPage>> ReadAsync(string execution, long? after, int? limit, SweepTargets targets, CoordinatorStore store, ExecutionLogs logs, CancellationToken stop)
    {
        if (limit is < 1 or > ExecutionLogs.MostLines)
            throw new ApiFault(StatusCodes.Status400BadRequest, $"limit is '{limit}', expected a whole number from 1 to {ExecutionLogs.MostLines}");
        return TypedResults.Ok(await PageAsync(execution, after ?? 0, limit ?? ExecutionLogs.MostLines, targets, store, logs, stop));
    }

    /// <summary>Lines after one of them.</summary>
    public static async Task<LogPage> PageAsync(string execution, long after, int limit, SweepTargets targets, CoordinatorStore store, ExecutionLogs logs, CancellationToken stop)
    {
        var (sweep, index) = await targets.ExecutionAsync(execution, stop);
        await using var database = store.Open();
        // Before the lines: what is written until it ends is then in a later answer.
        var run = await (
            from node in database.Nodes
            join found in database.Executions on node.ExecutionId equals (Guid?)found.Id
            where node.SweepId == sweep && node.Index == index
            select new { found.Key, found.State }).FirstOrDefaultAsync(stop);
        // What was paused or cancelled has no execution until it goes on; the last one that began left its lines.
        var key = run?.Key ?? await database.Executions.Where(e => e.SweepId == sweep && e.NodeIndex == index)
            .OrderByDescending(e => e.ReadyAt).Select(e => e.Key).FirstOrDefaultAsync(stop);
        if (key is null) return new LogPage([], after, IsOpen: true);
        var lines = await Task.Run(() => logs.Read(key).Where(l => l.Line > after).Take(limit).ToList(), stop);
        return new LogPage(lines, lines is [.., var last] ? last.Line : after, run is null || !RunLife.IsOver(run.State) || lines.Count == limit);
    }
}
