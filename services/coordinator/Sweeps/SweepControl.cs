using System.Text.Json;
using Lathe.Contracts;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>Pauses, resumes, cancels and retries. Every order may be given twice; the second time changes nothing.</summary>
internal sealed class SweepControl(SweepChanges changes, CoordinatorOptions options, ILogger<SweepControl> log)
{
    private const int AtATime = 1000;

    /// <summary>Sends nothing more, and has what runs stop at the next batch with its training state kept. Nothing is lost.</summary>
    /// <exception cref="LatheException">There is no such sweep or part, or its state allows no such order; <see cref="SweepOrders"/> decides.</exception>
    public Task<OrderAnswer> PauseAsync(ControlTarget target, CancellationToken stop) => CarryOutAsync(Order.Pause, target, null, stop);

    /// <summary>Lets what was paused, or interrupted, run on. What is paused by itself stays so when its whole sweep goes on.</summary>
    /// <inheritdoc cref="PauseAsync"/>
    public Task<OrderAnswer> ResumeAsync(ControlTarget target, CancellationToken stop) => CarryOutAsync(Order.Resume, target, null, stop);

    /// <summary>Calls off what has not finished. What runs stops at the next batch; finished results are kept.</summary>
    /// <inheritdoc cref="PauseAsync"/>
    public Task<OrderAnswer> CancelAsync(ControlTarget target, CancellationToken stop) => CarryOutAsync(Order.Cancel, target, null, stop);

    /// <summary>Runs failed and cancelled executions again, and what was skipped because of them. Finished ones stay.</summary>
    /// <param name="target">Which of them.</param>
    /// <param name="parameters">The parameters of a point of the grid after a person's mends; null: as they are.</param>
    /// <param name="stop">Gives up.</param>
    /// <inheritdoc cref="PauseAsync"/>
    public Task<OrderAnswer> RetryAsync(ControlTarget target, Func<PointRow, JsonElement?>? parameters, CancellationToken stop) =>
        CarryOutAsync(Order.Retry, target, parameters, stop);

    /// <summary>Executions of a higher priority are sent first; what runs goes on.</summary>
    public Task PriorityAsync(Guid sweep, int priority, CancellationToken stop) => priority is < SweepLimits.LowestPriority or > SweepLimits.HighestPriority
        ? throw new LatheException($"priority is {priority}, expected a whole number from {SweepLimits.LowestPriority} to {SweepLimits.HighestPriority}")
        : ChangeAsync(sweep, row => row.Priority = priority, $"priority {priority}", stop);

    /// <summary>Keeps everything of a sweep, whatever the retention rules say.</summary>
    public Task PinAsync(Guid sweep, bool isPinned, CancellationToken stop) => ChangeAsync(sweep, row => row.Pinned = isPinned, isPinned ? "pinned" : "no longer pinned", stop);

    /// <summary>Forgets a sweep that is over. Its results stay in the store until they are collected.</summary>
    /// <returns>Keys that no execution has any more.</returns>
    public async Task<IReadOnlyCollection<string>> DeleteAsync(Guid id, CancellationToken stop)
    {
        var forgotten = new HashSet<string>();
        var name = "";
        await changes.MakeAsync(
            async change =>
            {
                forgotten.Clear();
                var sweep = await FindAsync(change, new ControlTarget(id), stop);
                name = sweep.Name;
                if (SweepOrders.KeepsFromDeleting(sweep.Name, sweep.State, sweep.Pinned) is { } reason) throw new LatheException(reason);
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
                await database.Trials.Where(t => t.SweepId == id).ExecuteDeleteAsync(stop);
                await database.Searches.Where(s => s.SweepId == id).ExecuteDeleteAsync(stop);
                await database.Nodes.Where(n => n.SweepId == id).ExecuteDeleteAsync(stop);
                await database.StepCounts.Where(c => c.SweepId == id).ExecuteDeleteAsync(stop);
                await database.Points.Where(p => p.SweepId == id).ExecuteDeleteAsync(stop);
                await database.Branches.Where(b => b.SweepId == id).ExecuteDeleteAsync(stop);
                await database.Events.Where(e => e.SweepId == id).ExecuteDeleteAsync(stop);
                database.Sweeps.Remove(sweep);
            },
            stop);
        changes.Facts.Forget(id);
        log.LogInformation("Sweep {Name} ({Id}): deleted", name, id);
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

    private async Task<OrderAnswer> CarryOutAsync(Order order, ControlTarget target, Func<PointRow, JsonElement?>? parameters, CancellationToken stop)
    {
        var answer = new OrderAnswer(0, []);
        var name = "";
        await changes.MakeAsync(
            async change =>
            {
                var sweep = await FindAsync(change, target, stop);
                name = sweep.Name;
                var effect = SweepOrders.On(order, sweep.State, target.IsWhole);
                if (effect == OrderEffect.Refused) throw new LatheException(SweepOrders.Refusal(order, sweep, target.IsWhole));
                var open = await change.Database.StepCounts.AsNoTracking().Where(c => c.SweepId == sweep.Id).ToListAsync(stop);
                var moved = effect switch
                {
                    OrderEffect.Nothing => 0,
                    OrderEffect.Pauses => open.Sum(Going),
                    OrderEffect.Cancels => open.Sum(s => Going(s) + s.Paused),
                    _ => order == Order.Retry ? await TryAgainAsync(change, sweep, target, effect, parameters, stop) : await MoveAsync(change, order, target, stop),
                };
                // It ends the pauses of single parts too: a retry runs all of it.
                if (effect == OrderEffect.Cancels) await change.ReleaseAsync(await target.Nodes(change.Database).Where(n => n.Hold == NodeHold.Paused && n.ExecutionId == null).ToListAsync(stop), stop);
                if (effect is OrderEffect.Pauses or OrderEffect.Cancels) await change.StopAsync(sweep, effect == OrderEffect.Pauses ? SweepState.Paused : SweepState.Cancelled, null, stop);
                if (effect == OrderEffect.Runs) moved += open.Sum(Going);
                if (order == Order.Retry || effect is OrderEffect.Runs or OrderEffect.RunsPart) await SearchAgainAsync(change, sweep, stop);
                if (effect is OrderEffect.Runs or OrderEffect.RunsPart) await StartAsync(change, sweep, stop);
                // What is released is recorded anew; of a sweep that stands still, once it goes on.
                else if (effect == OrderEffect.Executions && moved > 0 && sweep.State == SweepState.Running) sweep.IsAdvancing = true;
                await change.Database.SaveChangesAsync(stop);
                answer = new OrderAnswer(moved, order is Order.Resume or Order.Retry ? await LeftToDoAsync(change, sweep, stop) : []);
            },
            stop);
        // Not before the change is there: whoever looks then finds nothing, and looks again after a long time.
        changes.HasChores.Set();
        log.LogInformation(
            "Sweep {Name} ({Id}): order to {Order} {Part}, executions changed: {Executions}", name, target.Sweep, SweepOrders.Word(order),
            target.Index is { } index ? $"execution {index}" : target.Stage is { } stage ? $"stage {stage}" : "all of it", answer.Executions);
        return answer;

        static int Going(StepCountRow step) => step.Waiting + step.Ready + step.Queued + step.Running;
    }

    /// <summary>What keeps a sweep, or a part of it, from running although it was told to.</summary>
    private static async Task<IReadOnlyList<string>> LeftToDoAsync(SweepChange change, SweepRow sweep, CancellationToken stop) =>
        sweep.State == SweepState.Paused
            ? [$"sweep {sweep.Name} is still paused as a whole: lathe resume {sweep.Name}"]
            : await PausedParts.WordsAsync(change.Database, sweep, stop);

    /// <summary>Moves the executions of a target that an order changes.</summary>
    /// <returns>Number of them.</returns>
    private static async Task<int> MoveAsync(SweepChange change, Order order, ControlTarget target, CancellationToken stop)
    {
        if (target.IsWhole) return 0;
        var nodes = await target.Nodes(change.Database).OrderBy(n => n.Index).ToListAsync(stop);
        var ids = nodes.Select(n => n.ExecutionId).OfType<Guid>().ToHashSet();
        var states = new Dictionary<Guid, RunState>();
        foreach (var some in ids.Chunk(AtATime))
        {
            foreach (var execution in await change.Database.Executions.Where(e => some.Contains(e.Id)).Select(e => new { e.Id, e.State }).ToListAsync(stop)) states.Add(execution.Id, execution.State);
        }

        var moved = nodes.FindAll(n => SweepOrders.After(order, NodeStates.Of(n, n.ExecutionId is { } id ? states[id] : null, isCached: false)) is not null);
        if (order == Order.Resume)
        {
            await change.ReleaseAsync(moved, stop);
            return moved.Count;
        }

        foreach (var some in moved.Chunk(AtATime)) await change.DetachAsync(some, order == Order.Pause ? NodeHold.Paused : NodeHold.Cancelled, order == Order.Pause ? "paused" : "cancelled", stop);
        if (order == Order.Cancel)
        {
            await change.Database.SaveChangesAsync(stop);
            await change.BlockAsync(moved, stop);
        }

        return moved.Count;
    }

    /// <summary>Gives executions that ended without a result another chance.</summary>
    /// <returns>Number of them.</returns>
    private static async Task<int> TryAgainAsync(
        SweepChange change, SweepRow sweep, ControlTarget target, OrderEffect effect, Func<PointRow, JsonElement?>? parameters, CancellationToken stop)
    {
        var changeable = parameters is null ? [] : await target.Changeable(change.Database, sweep.State).ToListAsync(stop);
        // What is open in a sweep that was cancelled as a whole counts as cancelled, and the rest of it stays so.
        if (effect == OrderEffect.RunsPart) await change.CancelOpenAsync(sweep.Id, stop);
        var nodes = await target.Ended(change.Database).OrderBy(n => n.Index).ToListAsync(stop);
        if (nodes.Count == 0 && effect != OrderEffect.Runs)
        {
            var by = await target.Nodes(change.Database).Where(n => n.BlockedBy != null).MinAsync(n => n.BlockedBy, stop);
            throw new LatheException(by is { } before
                ? $"what is named of sweep {sweep.Name} was skipped, as execution {before} before it has no result; it follows by itself: lathe retry {sweep.Name} --execution {before}"
                : $"nothing of sweep {sweep.Name} failed or was cancelled{(target.IsWhole ? "" : " there")}; there is nothing to retry");
        }

        if (parameters is not null && !await MendAsync(change, changeable, parameters, stop))
            throw new LatheException($"only executions that failed or were cancelled can get other parameters, and of sweep {sweep.Name} none has those{(target.IsWhole ? "" : " there")}");
        await change.ReleaseAsync(nodes, stop);
        return nodes.Count;
    }

    private async Task ChangeAsync(Guid id, Action<SweepRow> set, string what, CancellationToken stop)
    {
        var name = "";
        await changes.MakeAsync(
            async change =>
            {
                var sweep = await FindAsync(change, new ControlTarget(id), stop);
                name = sweep.Name;
                set(sweep);
                change.TellState(sweep);
            },
            stop);
        log.LogInformation("Sweep {Name} ({Id}): {What}", name, id, what);
    }

    /// <summary>Has a search look again at the trials that failed: what is retried may give them figures.</summary>
    private static async Task SearchAgainAsync(SweepChange change, SweepRow sweep, CancellationToken stop)
    {
        if (await change.Database.Searches.FirstOrDefaultAsync(s => s.SweepId == sweep.Id, stop) is not { } search) return;
        search.Version++;
        sweep.IsSearching = true;
        foreach (var trial in await change.Database.Trials.Where(t => t.SweepId == sweep.Id && t.State == TrialState.Failed).ToListAsync(stop))
            (trial.State, trial.Reason) = (TrialState.Open, null);
    }

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
        if (await target.ProblemAsync(change.Database, stop) is { } problem) throw new LatheException(problem);
        return await change.SweepAsync(target.Sweep, stop);
    }
}
