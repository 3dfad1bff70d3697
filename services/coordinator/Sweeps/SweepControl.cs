using System.Text.Json;
using Lathe.Contracts;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>Pauses, resumes, cancels and retries. Every order may be given twice; the second time changes nothing.</summary>
internal sealed class SweepControl(SweepChanges changes, CoordinatorOptions options)
{
    private const int AtATime = 1000;

    /// <summary>Sends nothing more, and has what runs stop at the next batch with its training state kept. Nothing is lost.</summary>
    /// <returns>Number of executions that were paused; null for a whole sweep.</returns>
    public Task<int?> PauseAsync(ControlTarget target, CancellationToken stop) => target.IsWhole
        ? StopWholeAsync(target.Sweep, SweepState.Paused, s => s is SweepState.Running or SweepState.Preparing or SweepState.Paused, "pause", stop)
        : HoldAsync(target, NodeHold.Paused, "paused", stop);

    /// <summary>Calls off what has not finished. What runs stops at the next batch; finished results are kept.</summary>
    public Task<int?> CancelAsync(ControlTarget target, CancellationToken stop) => target.IsWhole
        ? StopWholeAsync(target.Sweep, SweepState.Cancelled, s => s is SweepState.Running or SweepState.Preparing or SweepState.Paused or SweepState.Cancelled, "cancel", stop)
        : HoldAsync(target, NodeHold.Cancelled, "cancelled", stop);

    /// <summary>Lets what was paused, or interrupted, run on.</summary>
    public async Task<int?> ResumeAsync(ControlTarget target, CancellationToken stop)
    {
        int? resumed = target.IsWhole ? null : 0;
        await changes.MakeAsync(
            async change =>
            {
                var sweep = await FindAsync(change, target, stop);
                var nodes = target.IsWhole ? [] : await NodesAsync(change, target, n => n.Hold == NodeHold.Paused, stop);
                if (target.IsWhole && sweep.State is not (SweepState.Paused or SweepState.Interrupted or SweepState.Running or SweepState.Preparing))
                    throw new LatheException($"sweep {sweep.Name} {Word(sweep.State)}; resume goes on with one that is paused or interrupted, and retry with one that failed or was cancelled");
                if (!target.IsWhole) resumed = nodes.Count;
                await change.ReleaseAsync(nodes, stop);
                if (target.IsWhole || nodes.Count > 0) await StartAsync(change, sweep, stop);
            },
            stop);
        // Not before the change is there: whoever looks then finds nothing, and looks again after a long time.
        changes.HasChores.Set();
        return resumed;
    }

    /// <summary>Runs failed and cancelled executions again, and what was skipped because of them. Finished ones stay.</summary>
    /// <param name="target">Which of them.</param>
    /// <param name="parameters">The parameters of a point of the grid after a person's mends; null: as they are.</param>
    /// <param name="stop">Gives up.</param>
    /// <returns>Number of executions that run again.</returns>
    public async Task<int> RetryAsync(ControlTarget target, Func<PointRow, JsonElement?>? parameters, CancellationToken stop)
    {
        var again = 0;
        await changes.MakeAsync(
            async change =>
            {
                var sweep = await FindAsync(change, target, stop);
                var nodes = await target.Ended(change.Database).OrderBy(n => n.Index).ToListAsync(stop);
                if (nodes.Count == 0 && sweep.State is not (SweepState.Failed or SweepState.Cancelled or SweepState.Interrupted))
                    throw new LatheException($"nothing of sweep {sweep.Name} failed or was cancelled{(target.IsWhole ? "" : " there")}; there is nothing to retry");
                if (parameters is not null && !await MendAsync(change, await target.Changeable(change.Database, sweep.State).ToListAsync(stop), parameters, stop))
                    throw new LatheException($"only executions that failed or were cancelled can get other parameters, and of sweep {sweep.Name} none has those{(target.IsWhole ? "" : " there")}");
                await change.ReleaseAsync(nodes, stop);
                again = nodes.Count;
                await StartAsync(change, sweep, stop);
            },
            stop);
        changes.HasChores.Set();
        return again;
    }

    /// <summary>Executions of a higher priority are sent first; what runs goes on.</summary>
    public Task PriorityAsync(Guid sweep, int priority, CancellationToken stop) => priority is < SweepLimits.LowestPriority or > SweepLimits.HighestPriority
        ? throw new LatheException($"priority is {priority}, expected a whole number from {SweepLimits.LowestPriority} to {SweepLimits.HighestPriority}")
        : ChangeAsync(sweep, row => row.Priority = priority, stop);

    /// <summary>Keeps everything of a sweep, whatever the retention rules say.</summary>
    public Task PinAsync(Guid sweep, bool isPinned, CancellationToken stop) => ChangeAsync(sweep, row => row.Pinned = isPinned, stop);

    /// <summary>Forgets a sweep that is over. Its results stay in the store until they are collected.</summary>
    /// <returns>Keys that no execution has any more.</returns>
    public async Task<IReadOnlyCollection<string>> DeleteAsync(Guid id, CancellationToken stop)
    {
        var forgotten = new HashSet<string>();
        await changes.MakeAsync(
            async change =>
            {
                forgotten.Clear();
                var sweep = await FindAsync(change, new ControlTarget(id), stop);
                if (sweep.State is SweepState.Running or SweepState.Preparing or SweepState.Paused)
                    throw new LatheException($"sweep {sweep.Name} {Word(sweep.State)}; cancel it first");
                if (sweep.Pinned) throw new LatheException($"sweep {sweep.Name} is pinned; take the pin away first");
                var database = change.Database;
                // Executions that another sweep's nodes use stay, on whichever account.
                var unused = await database.Executions
                    .Where(e => (e.SweepId == id || database.Nodes.Any(n => n.ExecutionId == e.Id && n.SweepId == id))
                        && !database.Nodes.Any(n => n.ExecutionId == e.Id && n.SweepId != id))
                    .Select(e => e.Id).ToListAsync(stop);
                await database.ProgressPoints.Where(p => unused.Contains(p.ExecutionId)).ExecuteDeleteAsync(stop);
                await database.Leases.Where(l => unused.Contains(l.ExecutionId)).ExecuteDeleteAsync(stop);
                var keys = await database.Executions.Where(e => unused.Contains(e.Id)).Select(e => e.Key).Distinct().ToListAsync(stop);
                await database.Executions.Where(e => unused.Contains(e.Id)).ExecuteDeleteAsync(stop);
                forgotten.UnionWith(keys.Except(await database.Executions.Where(e => keys.Contains(e.Key)).Select(e => e.Key).ToListAsync(stop)));
                await database.Nodes.Where(n => n.SweepId == id).ExecuteDeleteAsync(stop);
                await database.StepCounts.Where(c => c.SweepId == id).ExecuteDeleteAsync(stop);
                await database.Points.Where(p => p.SweepId == id).ExecuteDeleteAsync(stop);
                await database.Branches.Where(b => b.SweepId == id).ExecuteDeleteAsync(stop);
                await database.Events.Where(e => e.SweepId == id).ExecuteDeleteAsync(stop);
                database.Sweeps.Remove(sweep);
            },
            stop);
        changes.Facts.Forget(id);
        return forgotten;
    }

    /// <summary>Marks a sweep as interrupted: the process that ran it ends. Stop its workers first, so that their last results are recorded.</summary>
    public async Task InterruptAsync(Guid id, CancellationToken stop) => await changes.MakeAsync(
        async change =>
        {
            var sweep = await FindAsync(change, new ControlTarget(id), stop);
            if (sweep.State is SweepState.Running or SweepState.Preparing) await change.StopAsync(sweep, SweepState.Interrupted, null, stop);
        },
        stop);

    /// <summary>
    /// Makes this coordinator the owner of a sweep whose own process is gone. What that had under way is interrupted: resume or retry goes on with it.
    /// </summary>
    public async Task AdoptAsync(Guid id, CancellationToken stop) => await changes.MakeAsync(
        async change =>
        {
            var sweep = await FindAsync(change, new ControlTarget(id), stop);
            if (sweep.Owner == options.ReplyQueue) return;
            if (sweep.State is SweepState.Running or SweepState.Preparing) await change.StopAsync(sweep, SweepState.Interrupted, null, stop);
            await change.Database.Outbox.Where(o => o.Owner == sweep.Owner).ExecuteDeleteAsync(stop);
            (sweep.Owner, sweep.OwnerSeenAt) = (options.ReplyQueue, change.Now);
        },
        stop);

    private async Task<int?> StopWholeAsync(Guid id, SweepState state, Predicate<SweepState> isPossible, string verb, CancellationToken stop)
    {
        await changes.MakeAsync(
            async change =>
            {
                var sweep = await FindAsync(change, new ControlTarget(id), stop);
                if (!isPossible(sweep.State)) throw new LatheException($"sweep {sweep.Name} {Word(sweep.State)}; there is nothing to {verb}");
                if (sweep.State != state) await change.StopAsync(sweep, state, null, stop);
            },
            stop);
        return null;
    }

    private async Task<int?> HoldAsync(ControlTarget target, NodeHold hold, string reason, CancellationToken stop)
    {
        var held = 0;
        await changes.MakeAsync(
            async change =>
            {
                await FindAsync(change, target, stop);
                var nodes = await NodesAsync(change, target, n => n.Hold != hold && n.BlockedBy == null, stop);
                var ids = nodes.Select(n => n.ExecutionId).OfType<Guid>().ToHashSet();
                var over = new HashSet<Guid>();
                foreach (var some in ids.Chunk(AtATime))
                {
                    over.UnionWith(await change.Database.Executions
                        .Where(e => some.Contains(e.Id) && (e.State == RunState.Completed || e.State == RunState.Failed || e.State == RunState.Cancelled)).Select(e => e.Id).ToListAsync(stop));
                }

                var open = nodes.FindAll(n => n.ExecutionId is not { } id || !over.Contains(id));
                held = open.Count;
                foreach (var some in open.Chunk(AtATime)) await change.DetachAsync(some, hold, reason, stop);
                if (hold == NodeHold.Cancelled)
                {
                    await change.Database.SaveChangesAsync(stop);
                    await change.BlockAsync(open, stop);
                }
            },
            stop);
        return held;
    }

    private async Task ChangeAsync(Guid id, Action<SweepRow> set, CancellationToken stop) => await changes.MakeAsync(
        async change =>
        {
            var sweep = await FindAsync(change, new ControlTarget(id), stop);
            set(sweep);
            change.TellState(sweep);
        },
        stop);

    private static async Task StartAsync(SweepChange change, SweepRow sweep, CancellationToken stop)
    {
        // A sweep that was stopped before its data set was read goes on with that.
        var isUnread = await change.Database.Branches.AnyAsync(b => b.SweepId == sweep.Id && b.Fingerprint == null, stop);
        (sweep.State, sweep.Reason, sweep.FinishedAt, sweep.IsAdvancing) = (isUnread ? SweepState.Preparing : SweepState.Running, null, null, true);
        change.TellState(sweep);
    }

    private static async Task<bool> MendAsync(SweepChange change, List<NodeRow> nodes, Func<PointRow, JsonElement?> parameters, CancellationToken stop)
    {
        if (nodes.Count == 0) return false;
        var sweep = nodes[0].SweepId;
        var points = await change.Database.Points.AsNoTracking().Where(p => p.SweepId == sweep).ToDictionaryAsync(p => p.Number, stop);
        var next = points.Keys.Max() + 1;
        var mended = new Dictionary<int, int>();
        foreach (var node in nodes)
        {
            if (!mended.TryGetValue(node.Point, out var number))
            {
                var point = points[node.Point];
                number = node.Point;
                if (parameters(point) is { } changed)
                {
                    number = next++;
                    change.Database.Points.Add(new PointRow
                    {
                        SweepId = sweep, Number = number, Step = point.Step, Stage = point.Stage, Version = point.Version, OnlyMeasures = point.OnlyMeasures,
                        ReadsData = point.ReadsData, Parameters = changed.GetRawText(), Varied = point.Varied,
                    });
                }

                mended.Add(node.Point, number);
            }

            node.Point = number;
        }

        await change.Database.SaveChangesAsync(stop);
        return mended.Any(m => m.Key != m.Value);
    }

    private static async Task<SweepRow> FindAsync(SweepChange change, ControlTarget target, CancellationToken stop)
    {
        // On PostgreSQL no report of it may be applied meanwhile.
        if (change.Database is PostgreSqlDatabase)
            await change.Database.Database.ExecuteSqlAsync($"SELECT 1 FROM sweeps WHERE \"Id\" = {target.Sweep} FOR UPDATE", stop);
        if (!await change.Database.Sweeps.AnyAsync(s => s.Id == target.Sweep, stop)) throw new LatheException($"there is no sweep {target.Sweep}");
        if (target.Stage is { } stage && !await change.Database.StepCounts.AnyAsync(c => c.SweepId == target.Sweep && c.Stage == stage, stop))
            throw new LatheException($"the sweep has no stage '{stage}'");
        if (target.Index is { } index && !await change.Database.Nodes.AnyAsync(n => n.SweepId == target.Sweep && n.Index == index, stop))
            throw new LatheException($"the sweep has no execution {index}");
        return await change.SweepAsync(target.Sweep, stop);
    }

    private static Task<List<NodeRow>> NodesAsync(
        SweepChange change, ControlTarget target, System.Linq.Expressions.Expression<Func<NodeRow, bool>> which, CancellationToken stop) =>
        target.Nodes(change.Database).Where(which).OrderBy(n => n.Index).ToListAsync(stop);

    private static string Word(SweepState state) =>
        (state is SweepState.Failed or SweepState.Succeeded ? "has " : "is ") + state.ToString().ToLowerInvariant();
}
