using System.Diagnostics;
using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Lathe.Hosting;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>Whether a sweep was accepted.</summary>
/// <param name="Id">The sweep, or null.</param>
/// <param name="Problems">Its problems; empty if it was accepted.</param>
/// <param name="Notes">What could not be checked and why.</param>
public sealed record SubmissionOutcome(Guid? Id, IReadOnlyList<SweepProblem> Problems, IReadOnlyList<string> Notes);

/// <summary>
/// Runs sweeps: plans and records them, sends ready executions, and handles reports, which may arrive late, twice, out of order or never.
/// All changes go through here, one at a time.
/// </summary>
public sealed class Orchestrator(
    CoordinatorStore store,
    StageCatalog stages,
    IStageBus bus,
    CheckpointStore checkpoints,
    ResultStore results,
    Func<string, DataRef> findData,
    CoordinatorOptions options,
    TimeProvider time,
    ILogger<Orchestrator> log) : IDisposable
{
    private static readonly ActivitySource Source = new("Lathe.Coordinator");
    private static readonly TimeSpan SendPatience = TimeSpan.FromSeconds(30);

    private readonly SweepCheck _check = new((request, stop) => bus.CheckAsync(request, options.CheckPatience, stop));
    private readonly SemaphoreSlim _oneAtATime = new(1);
    private readonly SemaphoreSlim _wake = new(0, 1);

    /// <summary>Checks a sweep, records it and sends what can start.</summary>
    /// <param name="submission">The sweep.</param>
    /// <param name="traceParent">W3C trace context to be a child of; by default the current activity's.</param>
    /// <param name="stop">Gives up.</param>
    public async Task<SubmissionOutcome> SubmitAsync(SweepSubmission submission, string? traceParent = null, CancellationToken stop = default)
    {
        if (submission.Spec is not { } spec) return Refused([new SweepProblem("", "no sweep in the submission")]);
        using var span = StartSpan(spec, traceParent);
        await HearOfStagesAsync(spec, stop);
        var plan = SweepPlanner.Plan(spec, stages.Manifests);
        if (plan.Problems.Count > 0) return Refused(plan.Problems);
        var (problems, notes) = await _check.RunAsync(spec, plan, stop);
        if (problems.Count > 0) return new SubmissionOutcome(null, problems, notes);
        var (data, missing) = FindData(spec, plan);
        if (missing.Count > 0) return Refused(missing);

        var sweep = new SweepRow
        {
            Id = Guid.CreateVersion7(time.GetUtcNow()),
            Name = spec.Name,
            State = SweepState.Running,
            SubmittedAt = time.GetUtcNow(),
            Fresh = submission.Fresh,
            Threads = spec.Threads,
            Device = spec.Device,
            Owner = options.ReplyQueue,
            OwnerSeenAt = time.GetUtcNow(),
            TraceParent = span?.Id ?? traceParent ?? Activity.Current?.Id,
        };
        span?.SetTag("lathe.sweep.id", sweep.Id.ToString());
        await using (var database = store.Open())
        {
            database.Sweeps.Add(sweep);
            database.Executions.AddRange(plan.Executions.Select(e => RowOf(sweep.Id, e, data)));
            await database.SaveChangesAsync(stop);
        }

        // From here on the sweep is recorded and continues even if the client disconnects.
        await ChangeAsync(async (work, database) => await work.AdvanceAsync(await ReadyAsync(database, sweep.Id), CancellationToken.None));
        return new SubmissionOutcome(sweep.Id, [], notes);
    }

    /// <summary>Handles the report that a worker has started an execution.</summary>
    public Task StartedAsync(StageStarted report) =>
        ChangeAsync((work, _) => work.HearAsync(report.SweepId, report.Key, report.Worker, null, CancellationToken.None));

    /// <summary>Handles the heartbeat of an execution.</summary>
    public Task ProgressedAsync(StageProgressed report) =>
        ChangeAsync((work, _) => work.HearAsync(report.SweepId, report.Key, report.Worker, report.Progress, CancellationToken.None));

    /// <summary>Handles the report of a result.</summary>
    /// <param name="report">The report.</param>
    /// <param name="traceParent">W3C trace context of the stage's span, or null.</param>
    public Task CompletedAsync(StageCompleted report, string? traceParent) => ChangeAsync((work, _) =>
    {
        if (checkpoints.Has(report.Output))
        {
            return work.CompleteAsync(
                new StoredResult(report.Key, report.Stage, report.Output, report.Metrics, report.Seconds, report.SweepId, traceParent),
                toOthers: true,
                CancellationToken.None);
        }

        var message = $"{report.Stage} reported checkpoint {report.Output.Sha256}, which is not in the store {checkpoints.Place} or is damaged; "
            + $"coordinator and workers must share one store ({HostingSettings.StoreVariable} or --store)";
        return work.FailAsync(report.SweepId, report.Key, FailureKind.Transient, message, CancellationToken.None);
    });

    /// <summary>Handles the report that an execution failed.</summary>
    public Task FailedAsync(StageFailed report) =>
        ChangeAsync((work, _) => work.FailAsync(report.SweepId, report.Key, report.Kind, report.Message, CancellationToken.None));

    /// <summary>Resumes the sweeps that an earlier process left, and interrupts those that no coordinator will resume.</summary>
    public async Task ResumeAsync(CancellationToken stop = default)
    {
        await stages.LoadAsync(stop);
        await EndAbandonedAsync(stop);
        await ChangeAsync(async (work, database) => await work.AdvanceAsync(await ReadyAsync(database, null), stop));
        await ReconcileAsync(lookUpAll: true, stop);
    }

    /// <summary>Interrupts a sweep. Stop its workers first, so that their last results are recorded.</summary>
    /// <param name="id">The sweep.</param>
    public async Task InterruptAsync(Guid id)
    {
        await _oneAtATime.WaitAsync();
        try
        {
            await using var database = store.Open();
            var sweep = await database.Sweeps.SingleAsync(s => s.Id == id);
            if (sweep.State == SweepState.Running) await InterruptAsync(database, sweep, time.GetUtcNow(), CancellationToken.None);
            await database.SaveChangesAsync();
        }
        finally
        {
            _oneAtATime.Release();
        }
    }

    /// <summary>Compares database and bus: finds results whose reports were lost, and sends lost commands again.</summary>
    /// <param name="lookUpAll">True: look for the results of all executions, not only of silent ones.</param>
    /// <param name="stop">Gives up.</param>
    /// <returns>Time when the next execution must be sent again, or null.</returns>
    public async Task<DateTimeOffset?> ReconcileAsync(bool lookUpAll = false, CancellationToken stop = default)
    {
        var rows = await OwnActiveAsync(stop);
        var depths = await DepthsAsync(rows, stop);
        await ChangeAsync(async (work, database) =>
        {
            await database.Sweeps.Where(s => s.Owner == options.ReplyQueue && s.State == SweepState.Running)
                .ExecuteUpdateAsync(s => s.SetProperty(sweep => sweep.OwnerSeenAt, time.GetUtcNow()), stop);
            var active = await OwnActive(database).ToListAsync(stop);
            var leaders = active.Where(e => e.Attempt > 0).Select(e => e.Key).ToHashSet();
            // An execution that waits for the result of another one is sent only if no other one is left.
            foreach (var row in active.Where(e => e.Attempt > 0 || leaders.Add(e.Key)))
                await LookIntoAsync(work, row, active, depths, lookUpAll, stop);
        });
        return (await OwnActiveAsync(stop)).Min(e => e.SendAgainAt);
    }

    /// <summary>Waits until there is something to reconcile earlier than planned, or the time is over.</summary>
    internal async Task WaitAsync(TimeSpan patience, CancellationToken stop)
    {
        using var timeout = new CancellationTokenSource(patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, stop);
        try
        {
            await _wake.WaitAsync(either.Token);
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            // The time is over.
        }
    }

    public void Dispose()
    {
        _oneAtATime.Dispose();
        _wake.Dispose();
    }

    private async Task LookIntoAsync(
        SweepWork work, ExecutionRow row, List<ExecutionRow> active, Dictionary<string, long?> depths, bool lookUp, CancellationToken stop)
    {
        var now = time.GetUtcNow();
        var isDue = row.SendAgainAt is { } at ? at <= now : Silence.IsTooLong(row, now, options);
        if (!isDue && !lookUp) return;
        var sweep = await work.SweepAsync(row.SweepId, stop);
        if (work.StoredResult(row, sweep) is { } result)
        {
            log.LogInformation("Found the result of {Stage} {Key}, whose report did not come", row.Stage, row.Key);
            await work.CompleteAsync(result with { SweepId = row.SweepId }, toOthers: false, stop);
            return;
        }

        if (!isDue) return;
        var isRetry = row.SendAgainAt is not null;
        if (!isRetry && Silence.IsInQueue(row, active, depths.GetValueOrDefault(row.Stage), now, options)) return;
        log.LogWarning(
            "Sending {Stage} {Key} again, attempt {Attempt}: {Reason}",
            row.Stage, row.Key, row.Attempt + 1, isRetry ? row.Error : "nothing was heard of it");
        await work.SendAgainAsync(row, stop);
    }

    /// <summary>Makes one change in one transaction, and then sends the change's outbox.</summary>
    private async Task ChangeAsync(Func<SweepWork, CoordinatorDatabase, Task> change)
    {
        SweepWork work;
        await _oneAtATime.WaitAsync();
        try
        {
            await using var database = store.Open();
            await using var transaction = await database.Database.BeginTransactionAsync();
            work = new SweepWork(database, options, checkpoints, results, time.GetUtcNow());
            await change(work, database);
            foreach (var sweep in await work.FinishSweepsAsync(CancellationToken.None))
                log.LogInformation("Sweep {Name} ({Id}) {State}", sweep.Name, sweep.Id, sweep.State);
            await transaction.CommitAsync();
        }
        finally
        {
            _oneAtATime.Release();
        }

        if (work.HasRetry) Wake();
        foreach (var dispatch in work.Outbox) await SendAsync(dispatch);
    }

    private void Wake()
    {
        try
        {
            _wake.Release();
        }
        catch (SemaphoreFullException)
        {
            // Another change woke it.
        }
    }

    private async Task SendAsync(Dispatch dispatch)
    {
        using var patience = new CancellationTokenSource(SendPatience, time);
        try
        {
            await bus.SendAsync(dispatch.Command, dispatch.TraceParent, patience.Token);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // The database says that it was sent, so the reconciler will send it again.
            log.LogWarning("Could not send {Stage} {Key}: {Reason}; trying again later", dispatch.Command.Stage, dispatch.Command.Key, e.Message);
        }
    }

    private async Task HearOfStagesAsync(SweepSpec spec, CancellationToken stop)
    {
        try
        {
            var wanted = (spec.Stages ?? []).Select(s => s?.Stage ?? "").Distinct().ToList();
            await stages.AskAsync(bus, options.ReplyQueue, wanted, options.StageWait, stop);
        }
        catch (Exception e) when (e is not OutOfMemoryException && !stop.IsCancellationRequested)
        {
            log.LogWarning("Could not ask the workers for their stages: {Reason}", e.Message);
        }
    }

    private static SubmissionOutcome Refused(IReadOnlyList<SweepProblem> problems) => new(null, problems, []);

    /// <summary>Data sets that a stage of the sweep reads.</summary>
    private (Dictionary<string, DataRef> Data, List<SweepProblem> Missing) FindData(SweepSpec spec, SweepPlan plan)
    {
        var read = plan.Executions.Where(e => e.Manifest.ReadsData).Select(e => e.Dataset).ToHashSet();
        var data = new Dictionary<string, DataRef>(StringComparer.Ordinal);
        var missing = new List<SweepProblem>();
        for (var i = 0; i < spec.Datasets.Count; i++)
        {
            try
            {
                if (read.Remove(spec.Datasets[i])) data.Add(spec.Datasets[i], findData(spec.Datasets[i]));
            }
            catch (LatheException e)
            {
                missing.Add(new SweepProblem($"/datasets/{i}", e.Message));
            }
        }

        return (data, missing);
    }

    private async Task EndAbandonedAsync(CancellationToken stop)
    {
        await using var database = store.Open();
        var before = time.GetUtcNow() - options.AbandonedAfter;
        var abandoned = await database.Sweeps
            .Where(s => s.State == SweepState.Running && s.Owner != options.ReplyQueue && s.Owner != Queues.Coordinator && s.OwnerSeenAt < before)
            .ToListAsync(stop);
        foreach (var sweep in abandoned) await InterruptAsync(database, sweep, sweep.OwnerSeenAt, stop);
        await database.SaveChangesAsync(stop);
    }

    private static async Task InterruptAsync(CoordinatorDatabase database, SweepRow sweep, DateTimeOffset at, CancellationToken stop)
    {
        await database.Executions
            .Where(e => e.SweepId == sweep.Id
                && (e.State == ExecutionState.Waiting || e.State == ExecutionState.Queued || e.State == ExecutionState.Running))
            .ExecuteUpdateAsync(
                e => e.SetProperty(x => x.State, ExecutionState.Skipped).SetProperty(x => x.Error, ExecutionRow.InterruptedError),
                stop);
        sweep.State = SweepState.Interrupted;
        sweep.FinishedAt = at;
    }

    private async Task<Dictionary<string, long?>> DepthsAsync(List<ExecutionRow> rows, CancellationToken stop)
    {
        var now = time.GetUtcNow();
        var depths = new Dictionary<string, long?>(StringComparer.Ordinal);
        foreach (var stage in rows.Where(r => r.SendAgainAt is null && Silence.IsTooLong(r, now, options)).Select(r => r.Stage).Distinct())
        {
            try
            {
                using var patience = CancellationTokenSource.CreateLinkedTokenSource(stop);
                patience.CancelAfter(SendPatience);
                depths[stage] = await bus.QueueDepthAsync(stage, patience.Token);
            }
            catch (Exception e) when (e is not OutOfMemoryException && !stop.IsCancellationRequested)
            {
                log.LogDebug("Depth of the queue of {Stage} unknown: {Reason}", stage, e.Message);
            }
        }

        return depths;
    }

    private async Task<List<ExecutionRow>> OwnActiveAsync(CancellationToken stop)
    {
        await using var database = store.Open();
        return await OwnActive(database).ToListAsync(stop);
    }

    private IQueryable<ExecutionRow> OwnActive(CoordinatorDatabase database) =>
        from execution in database.Executions.AsNoTracking()
        join sweep in database.Sweeps on execution.SweepId equals sweep.Id
        where sweep.Owner == options.ReplyQueue && sweep.State == SweepState.Running
            && (execution.State == ExecutionState.Queued || execution.State == ExecutionState.Running)
        orderby sweep.SubmittedAt, execution.Index
        select execution;

    /// <summary>Executions that still wait although their input exists.</summary>
    private Task<List<ExecutionRow>> ReadyAsync(CoordinatorDatabase database, Guid? sweepId) => (
        from execution in database.Executions.AsNoTracking()
        join sweep in database.Sweeps on execution.SweepId equals sweep.Id
        where execution.State == ExecutionState.Waiting
            && sweep.Owner == options.ReplyQueue && sweep.State == SweepState.Running
            && (sweepId == null || sweep.Id == sweepId)
            && (execution.Parent == null || database.Executions.Any(parent =>
                parent.SweepId == execution.SweepId && parent.Index == execution.Parent
                && (parent.State == ExecutionState.Completed || parent.State == ExecutionState.Cached)))
        orderby sweep.SubmittedAt, execution.Index
        select execution).ToListAsync();

    private static Activity? StartSpan(SweepSpec spec, string? traceParent)
    {
        var current = Activity.Current?.Context ?? default;
        // If the web server records a span for the request, that span lies between the client's span and ours.
        var isBetween = Activity.Current is { Recorded: true } server && traceParent?.Contains(server.TraceId.ToHexString(), StringComparison.Ordinal) == true;
        var parent = !isBetween && ActivityContext.TryParse(traceParent, null, isRemote: true, out var remote) ? remote : current;
        return Source.StartActivity($"sweep {spec.Name}", ActivityKind.Internal, parent);
    }

    private static ExecutionRow RowOf(Guid sweepId, PlannedExecution execution, Dictionary<string, DataRef> data) => new()
    {
        SweepId = sweepId,
        Index = execution.Index,
        Parent = execution.Parent,
        Stage = execution.Manifest.Name,
        Version = execution.Manifest.Version,
        OnlyMeasures = execution.Manifest.Output == StageOutput.Metrics,
        Model = execution.Model,
        Dataset = execution.Dataset,
        DataFingerprint = execution.Manifest.ReadsData ? data[execution.Dataset].Fingerprint : "",
        Seed = execution.Seed,
        Parameters = execution.Parameters.GetRawText(),
        Varied = JsonSerializer.Serialize(execution.Varied),
        State = ExecutionState.Waiting,
    };
}
