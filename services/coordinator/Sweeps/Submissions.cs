using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.ExceptionServices;
using System.Text.Json;
using Lathe.Contracts;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>Whether a sweep was accepted.</summary>
/// <param name="Id">The sweep, or null.</param>
/// <param name="Problems">Its problems; empty if it was accepted.</param>
/// <param name="Notes">What could not be checked and why.</param>
public sealed record SubmissionOutcome(Guid? Id, IReadOnlyList<SweepProblem> Problems, IReadOnlyList<string> Notes);

/// <summary>Checks sweeps, records them, and prepares them to run.</summary>
internal sealed class Submissions(
    CoordinatorStore store,
    SweepChanges changes,
    StageCatalog stages,
    IStageBus bus,
    Func<string, DataRef> findData,
    CoordinatorOptions options,
    TimeProvider time,
    ILogger<Submissions> log)
{
    private const int AtATime = 500;

    // Fewer change no plan of the database.
    private const int ManyNodes = 1000;

    private static readonly ActivitySource Source = new("Lathe.Coordinator");

    private readonly SweepCheck _check = new((request, stop) => bus.CheckAsync(request, options.CheckPatience, stop));
    private readonly SearchRounds _searches = new(store, changes, (request, stop) => bus.CheckAsync(request, options.CheckPatience, stop), time, log);
    private readonly ConcurrentDictionary<string, Task<DataRef>> _fingerprints = new(StringComparer.Ordinal);

    /// <summary>The plan of a sweep with everything that is wrong with it; records nothing.</summary>
    public async Task<(SweepPlan Plan, IReadOnlyList<SweepProblem> Problems, IReadOnlyList<string> Notes)> CheckAsync(SweepSpec spec, CancellationToken stop)
    {
        var (plan, verdict) = await JudgeAsync(spec, stop);
        return (plan, verdict.Problems, verdict.Notes);
    }

    /// <summary>The plan of a sweep with everything that its stages say of it; records nothing.</summary>
    public async Task<(SweepPlan Plan, SweepVerdict Verdict)> JudgeAsync(SweepSpec spec, CancellationToken stop)
    {
        await HearOfStagesAsync(spec, stop);
        var plan = SweepPlanner.Plan(spec, stages.Manifests);
        if (plan.Problems.Count > 0) return (plan, new SweepVerdict(plan.Problems, [.. Refusals(spec)]));
        var verdict = await _check.RunAsync(spec, plan, stop);
        var twins = await stages.Namesakes.WordsAsync([.. plan.Executions.Select(e => e.Manifest).Distinct()], s => bus.AskForStagesAsync(options.ReplyQueue, s), stop);
        return (plan, twins.Count == 0 ? verdict : verdict with { Notes = [.. verdict.Notes, .. twins] });
    }

    /// <summary>Stages that are unknown only because what their workers say of them cannot hold.</summary>
    private IEnumerable<string> Refusals(SweepSpec spec) =>
        (spec.Stages ?? []).Select(s => s?.Stage ?? "").Distinct().Where(name => stages.Refusal(name) is not null).Select(name => $"a worker announced {name}, and was refused: {stages.Refusal(name)}");

    /// <summary>Checks a sweep and records it. What was recorded runs, whether or not the client hears of it.</summary>
    public async Task<SubmissionOutcome> SubmitAsync(SweepSubmission submission, string? traceParent, CancellationToken stop)
    {
        if (submission.Spec is not { } spec) return Refused([new SweepProblem("", "no sweep in the submission")]);
        if (await EarlierAsync(submission, stop) is { } earlier) return earlier;
        if (SubmissionTerms.Problems(submission) is { Count: > 0 } misstated) return Refused(misstated);
        using var span = StartSpan(spec, traceParent);
        var (plan, problems, notes) = await CheckAsync(spec, stop);
        if (problems.Count > 0) return new SubmissionOutcome(null, problems, notes);
        var (data, missing) = await FindDataAsync(spec, plan, stop);
        if (missing.Count > 0) return Refused(missing);

        var now = time.GetUtcNow();
        var id = Guid.CreateVersion7(now);
        var sweep = new SweepRow
        {
            Id = id,
            Name = spec.Name,
            Spec = JsonSerializer.Serialize(spec, LatheJson.Options),
            State = data.Values.Any(d => d is null) ? SweepState.Preparing : SweepState.Running,
            IsAdvancing = plan.Search is null,
            IsSearching = plan.Search is not null,
            SubmittedAt = now,
            Fresh = submission.Fresh,
            Threads = spec.Threads,
            Device = spec.Device,
            Owner = options.ReplyQueue,
            OwnerSeenAt = now,
            TraceParent = span?.Id ?? traceParent ?? Activity.Current?.Id,
            Priority = submission.Priority ?? SweepLimits.DefaultPriority,
            ShareKey = submission.Share ?? id.ToString(),
            ShareWeight = submission.Weight ?? 1,
            Limits = submission.Limits is null ? null : JsonSerializer.Serialize(submission.Limits, LatheJson.Options),
            RequestId = submission.RequestId,
        };
        if (sweep.State == SweepState.Preparing) sweep.Reason = "reading the data set for its fingerprint";
        span?.SetTag("lathe.sweep.id", id.ToString());
        try
        {
            await RecordAsync(sweep, plan.Search is { } search ? PlanRows.Of(id, search.Search, data) : PlanRows.Of(id, plan, data, spec.Pool), stop);
        }
        catch (DbUpdateException) when (submission.RequestId is not null)
        {
            // The same request at the same time, at another coordinator.
            if (await EarlierAsync(submission, stop) is { } twin) return twin;
            throw;
        }

        changes.HasChores.Set();
        log.LogInformation("Sweep {Name} ({Id}): submitted, executions: {Executions}, priority {Priority}", sweep.Name, id, plan.Executions.Count, sweep.Priority);
        return new SubmissionOutcome(id, [], notes);
    }

    /// <summary>Prepares and advances the sweeps that wait for it: new ones, resumed ones, and those that a coordinator left half-way.</summary>
    public async Task DoChoresAsync(CancellationToken stop)
    {
        List<Guid> preparing, advancing, searching;
        await using (var database = store.Open())
        {
            preparing = await database.Sweeps.Where(s => s.Owner == options.ReplyQueue && s.State == SweepState.Preparing).Select(s => s.Id).ToListAsync(stop);
            advancing = await database.Sweeps.Where(s => s.Owner == options.ReplyQueue && s.State == SweepState.Running && s.IsAdvancing)
                .OrderBy(s => s.SubmittedAt).Select(s => s.Id).ToListAsync(stop);
        }

        foreach (var id in preparing)
        {
            if (await PrepareAsync(id, stop)) advancing.Add(id);
        }

        // The next sweep reads them again: files may have changed.
        foreach (var (name, task) in _fingerprints.Where(f => f.Value.IsCompleted)) _fingerprints.TryRemove(new KeyValuePair<string, Task<DataRef>>(name, task));

        foreach (var id in advancing) await AdvanceAsync(id, stop);
        await using (var database = store.Open())
            searching = await database.Sweeps.Where(s => s.Owner == options.ReplyQueue && s.State == SweepState.Running && s.IsSearching).OrderBy(s => s.SubmittedAt).Select(s => s.Id).ToListAsync(stop);
        Exception? fault = null;
        foreach (var id in searching)
        {
            try
            {
                // What a search has chosen may be there already, and the next choice is then due.
                while (await _searches.RoundAsync(id, stop))
                {
                }
            }
            catch (Exception e) when (e is not OutOfMemoryException && !stop.IsCancellationRequested)
            {
                // One that cannot go on keeps none of the others.
                fault = e;
            }
        }

        if (fault is not null) ExceptionDispatchInfo.Throw(fault);
    }

    /// <summary>Records the executions of all nodes of a sweep whose input exists, some at a time.</summary>
    private async Task AdvanceAsync(Guid id, CancellationToken stop)
    {
        var (after, recorded) = (-1, 0);
        while (true)
        {
            var last = after;
            await changes.MakeAsync(
                async change =>
                {
                    last = after;
                    await change.RecordAloneAsync(stop);
                    // Read first: on PostgreSQL nobody resumes or retries from here to the commit.
                    var sweep = await change.SweepAsync(id, stop);
                    if (sweep.State != SweepState.Running) return;
                    var database = change.Database;
                    var some = await (
                        from node in database.Nodes
                        where node.SweepId == id && node.Index > after && node.ExecutionId == null && node.BlockedBy == null && node.Hold == NodeHold.None
                            && (node.Parent == null || database.Nodes.Any(p => p.SweepId == id && p.Index == node.Parent
                                && database.Executions.Any(e => e.Id == p.ExecutionId && e.State == RunState.Completed)))
                        orderby node.Index
                        select node).Take(AtATime).ToListAsync(stop);
                    if (some.Count == 0)
                    {
                        // A retry may have released earlier ones since their turn.
                        last = -1;
                        if (after >= 0) return;
                        sweep.IsAdvancing = false;
                        change.MayEnd(id);
                        return;
                    }

                    last = some[^1].Index;
                    recorded += some.Count;
                    var parents = some.Select(n => n.Parent).OfType<int>().ToHashSet();
                    var inputs = await (
                        from parent in database.Nodes.AsNoTracking()
                        join execution in database.Executions.AsNoTracking() on parent.ExecutionId equals execution.Id
                        where parent.SweepId == id && parents.Contains(parent.Index)
                        select new { parent.Index, execution }).ToDictionaryAsync(p => (id, p.Index), p => p.execution, stop);
                    await change.AdvanceAsync(some, inputs, stop);
                },
                stop);
            if (last == after) break;
            after = last;
        }

        if (recorded < ManyNodes) return;
        await using var counted = store.Open();
        await BulkInsert.AnalyzeAsync(counted, stop);
    }

    /// <summary>Takes the fingerprints that are ready. True once the sweep has all of them and runs.</summary>
    private async Task<bool> PrepareAsync(Guid id, CancellationToken stop)
    {
        List<string> wanted;
        await using (var database = store.Open())
            wanted = await database.Branches.Where(b => b.SweepId == id && b.Fingerprint == null).Select(b => b.Dataset).Distinct().ToListAsync(stop);
        var tasks = wanted.ToDictionary(name => name, FingerprintAsync);
        var failed = tasks.Values.FirstOrDefault(t => t.IsFaulted);
        if (failed is null && !tasks.Values.All(t => t.IsCompleted))
        {
            foreach (var task in tasks.Values) _ = task.ContinueWith(_ => changes.HasChores.Set(), stop, TaskContinuationOptions.None, TaskScheduler.Default);
            return false;
        }

        await changes.MakeAsync(
            async change =>
            {
                var sweep = await change.SweepAsync(id, stop);
                if (sweep.State != SweepState.Preparing) return;
                if (failed is not null)
                {
                    await change.StopAsync(sweep, SweepState.Failed, failed.Exception!.GetBaseException().Message, stop);
                    return;
                }

                foreach (var branch in await change.Database.Branches.Where(b => b.SweepId == id && b.Fingerprint == null).ToListAsync(stop))
                    branch.Fingerprint = tasks[branch.Dataset].Result.Fingerprint;
                (sweep.State, sweep.Reason, sweep.IsAdvancing) = (SweepState.Running, null, true);
                change.TellState(sweep);
            },
            stop);
        changes.Facts.Forget(id);
        return failed is null;
    }

    private async Task RecordAsync(SweepRow sweep, PlanRows rows, CancellationToken stop)
    {
        await using var database = store.Open();
        await using var transaction = await database.Database.BeginTransactionAsync(stop);
        database.Sweeps.Add(sweep);
        database.Points.AddRange(rows.Points);
        database.Branches.AddRange(rows.Branches);
        database.StepCounts.AddRange(rows.Steps);
        if (sweep.IsSearching) database.Searches.Add(new SearchRow { SweepId = sweep.Id });
        await database.SaveChangesAsync(stop);
        await BulkInsert.AddAsync(database, rows.Nodes, stop);
        await transaction.CommitAsync(stop);
        if (rows.Nodes.Count >= ManyNodes) await BulkInsert.AnalyzeAsync(database, stop);
    }

    private async Task<SubmissionOutcome?> EarlierAsync(SweepSubmission submission, CancellationToken stop)
    {
        if (submission.RequestId is not { } request || request.Contains('\0', StringComparison.Ordinal)) return null;
        await using var database = store.Open();
        var sweep = await database.Sweeps.AsNoTracking().FirstOrDefaultAsync(s => s.RequestId == request, stop);
        if (sweep is null) return null;
        return sweep.Spec == JsonSerializer.Serialize(submission.Spec, LatheJson.Options) && sweep.Fresh == submission.Fresh
            ? new SubmissionOutcome(sweep.Id, [], [])
            : Refused([new SweepProblem("/requestId", $"was the request for another sweep, {sweep.Name} ({sweep.Id}); choose a new one for each submission")]);
    }

    private async Task HearOfStagesAsync(SweepSpec spec, CancellationToken stop)
    {
        try
        {
            var wanted = (spec.Stages ?? []).Select(s => s?.Stage ?? "").Distinct().ToList();
            await HearOthersAsync(stop);
            await stages.AskAsync(bus, options.ReplyQueue, wanted, options.StageWait, stop);
            // The answer may have come to another coordinator.
            if (!wanted.TrueForAll(stages.HasHeard)) await HearOthersAsync(stop);
        }
        catch (Exception e) when (e is not OutOfMemoryException && !stop.IsCancellationRequested)
        {
            log.LogWarning("Could not ask the workers for their stages: {Reason}", e.Message);
        }
    }

    /// <summary>Takes over what stages announced to other coordinators. Those of a cluster share one queue; one of another queue is alone on it, and what others hear is not said to it.</summary>
    public Task HearOthersAsync(CancellationToken stop) => options.ReplyQueue == Contracts.Messages.Queues.Coordinator ? stages.HearOthersAsync(stop) : Task.CompletedTask;

    /// <summary>Data sets that a stage of the sweep reads. One whose fingerprint takes long is null, and the sweep waits for it once it is recorded.</summary>
    public async Task<(Dictionary<string, DataRef?> Data, List<SweepProblem> Missing)> FindDataAsync(SweepSpec spec, SweepPlan plan, CancellationToken stop)
    {
        var read = plan.Executions.Where(e => e.Manifest.ReadsData).Select(e => e.Dataset).ToHashSet();
        var data = new Dictionary<string, DataRef?>(StringComparer.Ordinal);
        var missing = new List<SweepProblem>();
        using var over = new CancellationTokenSource(options.FingerprintPatience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(over.Token, stop);
        for (var i = 0; i < spec.Datasets.Count; i++)
        {
            var name = spec.Datasets[i];
            if (!read.Remove(name)) continue;
            var task = FingerprintAsync(name);
            try
            {
                data.Add(name, await task.WaitAsync(either.Token));
                _fingerprints.TryRemove(name, out _);
            }
            catch (LatheException e)
            {
                missing.Add(new SweepProblem($"/datasets/{i}", e.Message));
                _fingerprints.TryRemove(name, out _);
            }
            catch (OperationCanceledException) when (!stop.IsCancellationRequested)
            {
                data.Add(name, null);
            }
        }

        return (data, missing);
    }

    /// <summary>Reads a data set once, however many sweeps wait for it.</summary>
    private Task<DataRef> FingerprintAsync(string name) => _fingerprints.GetOrAdd(name, n => Task.Run(() => findData(n)));

    private static SubmissionOutcome Refused(IReadOnlyList<SweepProblem> problems) => new(null, problems, []);

    private static Activity? StartSpan(SweepSpec spec, string? traceParent)
    {
        var current = Activity.Current?.Context ?? default;
        // If the web server records a span for the request, that span lies between the client's span and ours.
        var isBetween = Activity.Current is { Recorded: true } server && traceParent?.Contains(server.TraceId.ToHexString(), StringComparison.Ordinal) == true;
        var parent = !isBetween && ActivityContext.TryParse(traceParent, null, isRemote: true, out var remote) ? remote : current;
        return Source.StartActivity($"sweep {spec.Name}", ActivityKind.Internal, parent);
    }
}
