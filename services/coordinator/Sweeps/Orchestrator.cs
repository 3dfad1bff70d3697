using Lathe.Contracts;

namespace Lathe.Coordinator;

/// <summary>Runs sweeps. Everything that changes their state goes through here.</summary>
internal sealed class Orchestrator : IDisposable
{
    private readonly SweepChanges _changes;
    private readonly Submissions _submissions;
    private readonly Dispatcher _dispatcher;
    private readonly Housekeeping _housekeeping;
    private readonly SweepControl _control;
    private readonly StageCatalog _stages;
    private readonly LostInputs _inputs;
    private readonly SweepForecasts _forecasts;
    private readonly RetryMends _mends;
    private readonly Hosting.TrainingStateStore? _states;

    public Orchestrator(
        CoordinatorStore store,
        StageCatalog stages,
        IStageBus bus,
        Hosting.CheckpointStore checkpoints,
        Hosting.ResultStore results,
        Func<string, DataRef> findData,
        CoordinatorOptions options,
        TimeProvider time,
        ILoggerFactory log,
        Hosting.TrainingStateStore? states = null,
        LookForData? lookForData = null)
    {
        _stages = stages;
        _states = states;
        _changes = new SweepChanges(store, options, time, log.CreateLogger<SweepChanges>());
        _submissions = new Submissions(store, _changes, stages, bus, findData, options, time, log.CreateLogger<Submissions>(), lookForData);
        _dispatcher = new Dispatcher(store, _changes, bus, checkpoints, results, options, time, log.CreateLogger<Dispatcher>());
        _housekeeping = new Housekeeping(store, _changes, _dispatcher, bus, stages, options, time, log.CreateLogger<Housekeeping>());
        _control = new SweepControl(_changes, options, log.CreateLogger<SweepControl>());
        _inputs = new LostInputs(store, checkpoints);
        _mends = new RetryMends(store, bus, options);
        _forecasts = new SweepForecasts(store, checkpoints, results, options.LookUps);
    }

    /// <summary>Raised after each change.</summary>
    public event Action Happened
    {
        add => _changes.Happened += value;
        remove => _changes.Happened -= value;
    }

    /// <summary>Set where there may be something to send.</summary>
    internal Signal MaySend => _changes.MaySend;

    /// <summary>Set where sweeps wait to be prepared or advanced.</summary>
    internal Signal HasChores => _changes.HasChores;

    /// <summary>Checks a sweep and records it.</summary>
    /// <param name="submission">The sweep.</param>
    /// <param name="traceParent">W3C trace context to be a child of; by default the current activity's.</param>
    /// <param name="stop">Gives up.</param>
    public Task<SubmissionOutcome> SubmitAsync(SweepSubmission submission, string? traceParent = null, CancellationToken stop = default) =>
        _submissions.SubmitAsync(submission, traceParent, stop);

    /// <summary>The plan of a sweep, or what is wrong with it. Records nothing.</summary>
    public Task<(SweepPlan Plan, IReadOnlyList<SweepProblem> Problems, IReadOnlyList<string> Notes)> CheckAsync(SweepSpec spec, CancellationToken stop = default) =>
        _submissions.CheckWithDataAsync(spec, stop);

    /// <summary>What a sweep would do, and how long it would take. Records nothing.</summary>
    /// <param name="submission">The sweep.</param>
    /// <param name="limit">Executions that are listed, the first ones.</param>
    /// <param name="why">True: of each listed execution that is computed, the nearest earlier one.</param>
    /// <param name="stop">Gives up.</param>
    public async Task<SweepForecast> ForecastAsync(SweepSubmission submission, int limit, bool why, CancellationToken stop = default)
    {
        var (plan, verdict) = await _submissions.JudgeAsync(submission.Spec, stop);
        if (verdict.Problems.Count > 0) return SweepForecast.Refused(verdict);
        var (data, missing) = await _submissions.FindDataAsync(submission.Spec, plan, stop);
        // What it would do with the data is of use, too: they may only be missing here.
        return await _forecasts.OfAsync(submission, plan, verdict, data, [.. missing.Select(m => m.Message)], limit, why, stop) with { Problems = missing };
    }

    /// <summary>Applies reports of workers, together, in their order. They may be late, come twice, out of order or never.</summary>
    public async Task ReportAsync(IReadOnlyList<Report> reports, CancellationToken stop = default) => await SendAsync(await TakeAsync(reports, stop), stop);

    /// <summary>The same, without sending anything.</summary>
    /// <returns>What to send now; the outbox has it too, in case that nobody gets to it.</returns>
    internal async Task<IReadOnlyList<Sending>> TakeAsync(IReadOnlyList<Report> reports, CancellationToken stop)
    {
        var checkedReports = await _inputs.CheckAsync(reports, stop);
        return (await _changes.MakeAsync(change => change.ReportAsync(checkedReports, stop), stop)).Sendings;
    }

    /// <summary>Sends what <see cref="TakeAsync"/> gave.</summary>
    internal Task SendAsync(IReadOnlyList<Sending> sendings, CancellationToken stop) => _dispatcher.SendAsync(sendings, stop);

    /// <inheritdoc cref="SweepControl.PauseAsync"/>
    public Task<OrderAnswer> PauseAsync(ControlTarget target, CancellationToken stop = default) => _control.PauseAsync(target, stop);

    /// <inheritdoc cref="SweepControl.CancelAsync"/>
    public Task<OrderAnswer> CancelAsync(ControlTarget target, CancellationToken stop = default) => _control.CancelAsync(target, stop);

    /// <inheritdoc cref="SweepControl.ResumeAsync"/>
    public Task<OrderAnswer> ResumeAsync(ControlTarget target, CancellationToken stop = default) => _control.ResumeAsync(target, stop);

    /// <inheritdoc cref="SweepControl.RetryAsync"/>
    public Task<OrderAnswer> RetryAsync(ControlTarget target, Func<PointRow, System.Text.Json.JsonElement?>? parameters = null, CancellationToken stop = default) =>
        _control.RetryAsync(target, parameters, stop);

    /// <inheritdoc cref="RetryMends.PrepareAsync"/>
    public Task<RetryChanges> CheckRetryAsync(ControlTarget target, IReadOnlyDictionary<string, System.Text.Json.JsonElement> set, CancellationToken stop = default) =>
        _mends.PrepareAsync(target, set, stop);

    /// <inheritdoc cref="SweepControl.PriorityAsync"/>
    public Task PriorityAsync(Guid sweep, int priority, CancellationToken stop = default) => _control.PriorityAsync(sweep, priority, stop);

    /// <inheritdoc cref="SweepControl.PinAsync"/>
    public Task PinAsync(Guid sweep, bool isPinned, CancellationToken stop = default) => _control.PinAsync(sweep, isPinned, stop);

    /// <inheritdoc cref="SweepControl.DeleteAsync"/>
    public async Task DeleteAsync(Guid sweep, CancellationToken stop = default)
    {
        var forgotten = await _control.DeleteAsync(sweep, stop);
        // What stays because the store is away is listed by a collection as what no record names.
        if (_states is not null) await Task.Run(() => _states.Forget(forgotten), stop);
    }

    /// <inheritdoc cref="SweepControl.InterruptAsync"/>
    public Task InterruptAsync(Guid sweep, CancellationToken stop = default) => _control.InterruptAsync(sweep, stop);

    /// <inheritdoc cref="SweepControl.AdoptAsync"/>
    public Task AdoptAsync(Guid sweep, CancellationToken stop = default) => _control.AdoptAsync(sweep, stop);

    /// <summary>Takes up the sweeps that an earlier process left, and interrupts those that no coordinator will take up.</summary>
    public async Task ResumeAsync(CancellationToken stop = default)
    {
        await _stages.LoadAsync(stop);
        await _housekeeping.EndAbandonedAsync(stop);
        await _submissions.DoChoresAsync(stop);
        await _housekeeping.RoundAsync(lookUpAll: true, stop);
    }

    /// <summary>Compares database, bus and clock.</summary>
    public async Task ReconcileAsync(CancellationToken stop = default)
    {
        await _submissions.HearOthersAsync(stop);
        await _housekeeping.RoundAsync(lookUpAll: false, stop);
    }

    /// <summary>Prepares and advances sweeps that wait for it.</summary>
    public Task DoChoresAsync(CancellationToken stop = default) => _submissions.DoChoresAsync(stop);

    /// <summary>Sends what may be sent, until nothing is left that may.</summary>
    public async Task DispatchAsync(CancellationToken stop = default)
    {
        await _dispatcher.FlushAsync(stop);
        while (await _dispatcher.RoundAsync(stop))
        {
        }
    }

    public void Dispose() => _changes.Dispose();
}
