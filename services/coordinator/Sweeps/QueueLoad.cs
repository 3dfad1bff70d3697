using Lathe.Contracts;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>What running sweeps have in one queue, together.</summary>
/// <param name="Ready">Executions that wait to be sent.</param>
/// <param name="Queued">Executions that wait for a worker.</param>
/// <param name="Running">Executions that workers have in hand.</param>
/// <param name="Completed">Executions that were computed.</param>
/// <param name="Seconds">Time that those took.</param>
internal sealed record QueueLoad(int Ready, int Queued, int Running, int Completed, double Seconds)
{
    /// <summary>True where something waits for a worker, or is with one.</summary>
    public bool IsOpen => Ready + Queued + Running > 0;

    /// <summary>How many more may be sent now.</summary>
    public int Free(CoordinatorOptions options) => Math.Max(0, FairShares.Backlog(Running, Completed > 0 ? Seconds / Completed : null, options) - Queued);

    /// <summary>All queues of a coordinator's sweeps, from the kept counts: a few rows, however large the sweeps are.</summary>
    public static async Task<IReadOnlyDictionary<WorkQueue, QueueLoad>> ReadAsync(CoordinatorDatabase database, CoordinatorOptions options, CancellationToken stop) =>
        await (
            from count in database.StepCounts.AsNoTracking()
            join sweep in database.Sweeps.AsNoTracking() on count.SweepId equals sweep.Id
            where sweep.Owner == options.ReplyQueue && sweep.State == SweepState.Running
            group count by new { count.Stage, count.Version, count.Pool } into queue
            select new
            {
                queue.Key, Ready = queue.Sum(c => c.Ready), Queued = queue.Sum(c => c.Queued), Running = queue.Sum(c => c.Running),
                Completed = queue.Sum(c => c.Completed), Seconds = queue.Sum(c => c.Seconds),
            }).ToDictionaryAsync(q => new WorkQueue(q.Key.Stage, q.Key.Version, q.Key.Pool), q => new QueueLoad(q.Ready, q.Queued, q.Running, q.Completed, q.Seconds), stop);
}
