using Lathe.Contracts;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>Chooses what is sent next: for each queue as much as it has room for, from the sweeps that have something ready, by priority and shares.</summary>
internal static class NextExecutions
{
    /// <summary>Executions of all queues that are to go next, those of a queue one after the other.</summary>
    public static async Task<IReadOnlyList<ExecutionRow>> ChooseAsync(CoordinatorDatabase database, CoordinatorOptions options, DateTimeOffset now, CancellationToken stop)
    {
        var steps = await ReadyStepsAsync(database, options, stop);
        if (steps.Count == 0) return [];
        var underWay = await UnderWayAsync(database, options, stop);
        var ofSweep = underWay.GroupBy(u => u.Sweep).ToDictionary(g => g.Key, g => g.Sum(u => u.Count));
        var chosen = new List<ExecutionRow>();
        foreach (var queue in steps.GroupBy(s => WorkQueue.Of(s.Count)))
        {
            var here = underWay.FindAll(u => u.Queue == queue.Key);
            var free = LoadOf(queue, here).Free(options);
            if (free == 0) continue;
            var inQueue = here.GroupBy(u => u.Sweep).ToDictionary(g => g.Key, g => g.Sum(u => u.Count));
            var claims = queue.GroupBy(s => s.Sweep.Id).Select(its =>
            {
                var sweep = its.First().Sweep;
                return ShareClaim.Of(sweep, its.Sum(s => s.Count.Ready), Room(sweep, queue.Key.Stage, ofSweep.GetValueOrDefault(sweep.Id), inQueue.GetValueOrDefault(sweep.Id)));
            }).ToList();
            foreach (var (sweep, places) in FairShares.Divide(claims, inQueue, free))
            {
                var taken = await FirstAsync(database, options, sweep, queue.Key, places, now, stop);
                ofSweep[sweep] = ofSweep.GetValueOrDefault(sweep) + taken.Count;
                chosen.AddRange(taken);
            }
        }

        return chosen;
    }

    private static QueueLoad LoadOf(IEnumerable<ReadyStep> steps, List<UnderWay> here) => new(
        steps.Sum(s => s.Count.Ready),
        here.Where(u => u.State == RunState.Queued).Sum(u => u.Count),
        here.Where(u => u.State == RunState.Running).Sum(u => u.Count),
        steps.Sum(s => s.Count.Completed),
        steps.Sum(s => s.Count.Seconds));

    /// <summary>How many more executions of a stage the sweep's own limits allow.</summary>
    private static int Room(SweepRow sweep, string stage, int ofSweep, int inQueue)
    {
        var limits = SweepRows.LimitsOf(sweep);
        var room = (limits?.Parallel ?? int.MaxValue) - ofSweep;
        if (limits?.ParallelOf?.TryGetValue(stage, out var most) == true) room = Math.Min(room, most - inQueue);
        return Math.Max(0, room);
    }

    /// <summary>Steps of running sweeps that have something to send, in the order of their submission.</summary>
    private static Task<List<ReadyStep>> ReadyStepsAsync(CoordinatorDatabase database, CoordinatorOptions options, CancellationToken stop) => (
        from count in database.StepCounts.AsNoTracking()
        join sweep in database.Sweeps.AsNoTracking() on count.SweepId equals sweep.Id
        where sweep.Owner == options.ReplyQueue && sweep.State == SweepState.Running && count.Ready > 0
        orderby sweep.SubmittedAt, sweep.Id
        select new ReadyStep(sweep, count)).ToListAsync(stop);

    private static async Task<List<UnderWay>> UnderWayAsync(CoordinatorDatabase database, CoordinatorOptions options, CancellationToken stop) => await database.Executions.AsNoTracking()
        .Where(e => e.Owner == options.ReplyQueue && (e.State == RunState.Queued || e.State == RunState.Running))
        .GroupBy(e => new { e.Stage, e.StageVersion, e.Pool, e.SweepId, e.State })
        .Select(g => new UnderWay(new WorkQueue(g.Key.Stage, g.Key.StageVersion, g.Key.Pool), g.Key.SweepId, g.Key.State, g.Count()))
        .ToListAsync(stop);

    private static Task<List<ExecutionRow>> FirstAsync(
        CoordinatorDatabase database, CoordinatorOptions options, Guid sweep, WorkQueue queue, int most, DateTimeOffset now, CancellationToken stop) =>
        database.Executions.AsNoTracking()
            .Where(e => e.Owner == options.ReplyQueue && e.State == RunState.Ready && e.SweepId == sweep
                && e.Stage == queue.Stage && e.StageVersion == queue.Version && (e.NotBefore == null || e.NotBefore <= now))
            .OrderBy(e => e.NodeIndex)
            .Take(most)
            .ToListAsync(stop);

    private sealed record ReadyStep(SweepRow Sweep, StepCountRow Count);

    /// <summary>Executions of a sweep that are with workers or in the queue.</summary>
    private sealed record UnderWay(WorkQueue Queue, Guid Sweep, RunState State, int Count);
}
