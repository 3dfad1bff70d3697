using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>What of a sweep is paused by itself, and stays so when the sweep goes on.</summary>
internal static class PausedParts
{
    /// <summary>One line for each stage, with the command that resumes it; empty where nothing is.</summary>
    public static async Task<IReadOnlyList<string>> WordsAsync(CoordinatorDatabase database, SweepRow sweep, CancellationToken stop)
    {
        var paused = await (
            from node in database.Nodes
            join point in database.Points on new { node.SweepId, Number = node.Point } equals new { point.SweepId, point.Number }
            where node.SweepId == sweep.Id && node.Hold == NodeHold.Paused && node.ExecutionId == null && node.BlockedBy == null
            group node by new { point.Step, point.Stage } into held
            orderby held.Key.Step
            select new { held.Key.Step, held.Key.Stage, Count = held.Count(), First = held.Min(n => n.Index) }).ToListAsync(stop);
        if (paused.Count == 0) return [];
        var sizes = await database.StepCounts.AsNoTracking().Where(c => c.SweepId == sweep.Id).ToDictionaryAsync(c => c.Step, SweepView.All, stop);
        return paused.ConvertAll(part => part switch
        {
            _ when part.Count == sizes[part.Step] => $"{part.Stage} of sweep {sweep.Name} is still paused: lathe resume {sweep.Name} --stage {part.Stage}",
            { Count: 1 } => $"execution {part.First} ({part.Stage}) of sweep {sweep.Name} is still paused: lathe resume {sweep.Name} --execution {part.First}",
            _ => $"{part.Count} executions of {part.Stage} of sweep {sweep.Name} are still paused: lathe resume {sweep.Name} --stage {part.Stage}",
        });
    }
}
