using System.Diagnostics;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using MassTransit;
using Microsoft.Extensions.Logging;
using Headers = Lathe.Contracts.Messages.Headers;

namespace Lathe.Hosting;

/// <summary>
/// Takes executions from their queue and ends each one with a result under its key, a failure report, or its message back in the
/// queue. A result is looked up before it is computed, so a message that comes twice costs a look-up.
/// </summary>
internal sealed class StageExecutor(
    HostingSettings settings,
    CheckpointStore checkpoints,
    ResultStore results,
    TrainingStateStore states,
    SharedValues shared,
    ComputeSlots slots,
    KeyLocks keys,
    ReportSender reports,
    WorkerShutdown shutdown,
    WorkerActivity activity,
    WorkerFitness fitness,
    OngoingExecutions ongoing,
    ExecutionLogs logs,
    Secrets secrets,
    TimeProvider time,
    ILogger<StageExecutor> logger)
{
    /// <summary>Handles one message; returning acknowledges it, throwing sends it back to its queue.</summary>
    public async Task Take(StageEntry stage, ConsumeContext<ExecuteStage> message)
    {
        var command = message.Message;
        if (CommandCheck.Problem(command) is { } problem) throw new MalformedMessageException(problem);
        message.ReceiveContext.AddOrUpdatePayload(() => UnderstoodMessage.Instance, known => known);
        if (shutdown.Stopping.IsCancellationRequested || fitness.Reason is not null)
        {
            // The bus is about to stop taking messages. One that went back too quickly would only be handed out to this process again.
            await Task.Delay(TimeSpan.FromSeconds(1), message.CancellationToken);
            throw new OperationCanceledException(fitness.Reason ?? "the worker is shutting down");
        }

        var traceParent = message.Headers.Get<string>(Headers.TraceParent);
        try
        {
            await ongoing.Join(command, execution => Execute(stage, command, traceParent, execution)).WaitAsync(message.CancellationToken);
        }
        catch (OperationCanceledException) when (message.CancellationToken.IsCancellationRequested && !shutdown.Stopping.IsCancellationRequested)
        {
            logger.LogWarning("the connection that brought {Stage} {Key} is lost; it goes on, and its message comes again", command.Stage, command.Key);
            throw;
        }
    }

    private async Task Execute(StageEntry stage, ExecuteStage command, string? traceParent, OngoingExecution execution)
    {
        using var busy = activity.Begin();
        var queued = Math.Max(0, (time.GetUtcNow() - command.SentAt).TotalSeconds);
        LatheTelemetry.QueueWait.Record(queued, new KeyValuePair<string, object?>(LatheTelemetry.Stage, stage.Manifest.Name));
        StoredResult result;
        bool found;
        try
        {
            (result, found) = await FindOrCompute(stage, command, traceParent, queued, execution);
        }
        catch (OperationCanceledException) when (execution.Cancelled.IsCancellationRequested)
        {
            logger.LogInformation("{Stage} {Key} stops and keeps its training state: {Reason}", command.Stage, command.Key, execution.Reason);
            await EndAsync(attempt => new StageCancelled(command.ExecutionId, attempt, command.Key, command.Stage, WorkerName.Of(command.Stage)));
            return;
        }
        catch (OperationCanceledException) when (shutdown.Stopping.IsCancellationRequested)
        {
            logger.LogInformation("{Stage} {Key} is interrupted and goes back to its queue", command.Stage, command.Key);
            throw;
        }
#pragma warning disable CA1031 // A stage may throw anything; whatever it is ends as a report, not as a loop through the queue.
        catch (Exception e)
#pragma warning restore CA1031
        {
            var failure = Failure(command, e);
            await EndAsync(attempt => new StageFailed(
                command.ExecutionId, attempt, command.Key, command.Stage, failure.Kind, failure.Message, WorkerName.Of(command.Stage)));
            if (e is NativeException) LeaveStanding(command);
            return;
        }

        await EndAsync(
            attempt => new StageCompleted(
                command.ExecutionId, attempt, command.Key, command.Stage, result.Output, result.Metrics, result.Seconds, found),
            result.TraceParent);
        if (!found) fitness.Succeeded();

        Task EndAsync<T>(Func<int, T> report, string? span = null)
            where T : class, IStageReport =>
            reports.SendAsync(command.ReplyTo, report(execution.End()), span, ongoing.BusStopped);
    }

    /// <summary>What a run held whose thread stands still is free again only when the process ends.</summary>
    private void LeaveStanding(ExecuteStage command)
    {
        logger.LogWarning("{Stage} {Key} failed in the middle of native code: what it held stays in memory until this process ends", command.Stage, command.Key);
        if (settings.Broker is null || StageThread.Standing < WorkerShutdown.MostStanding) return;
        logger.LogWarning("the worker ends, so that the memory of {Count} such executions is free; start it again", StageThread.Standing);
        shutdown.Stop();
    }

    private StageFailure Failure(ExecuteStage command, Exception e)
    {
        var failure = StageFailure.Of(e, hasOtherWorkers: settings.Broker is not null);
        if (failure.IsExplained) logger.LogWarning("{Stage} {Key} failed: {Message}", command.Stage, command.Key, failure.Message);
        else logger.LogError(e, "{Stage} {Key} failed", command.Stage, command.Key);
        if (failure.IsOfThisWorker) fitness.Failed(failure.Message);
        return failure;
    }

    /// <summary>The result, and whether it was there already.</summary>
    private async Task<(StoredResult Result, bool Found)> FindOrCompute(
        StageEntry stage, ExecuteStage command, string? parent, double queued, OngoingExecution execution)
    {
        execution.Cancelled.ThrowIfCancellationRequested();
        CheckVersion(stage.Manifest, command);
        if (Accepted(command) is { } known) return (known, true);
        CheckDevice(command);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(execution.Cancelled, shutdown.Stopping);
        var worker = WorkerName.Of(stage.Manifest.Name);
        await SendStartedAsync(command, new StageStarted(command.ExecutionId, execution.Attempt, command.Key, command.Stage, worker, queued), either.Token);
        await using var progress = new ProgressForwarder(
            new StageProgress(StageProgress.Taken),
            settings.Broker is null ? ProgressForwarder.Near : ProgressForwarder.Far,
            (value, stop) => reports.SendAsync(
                command.ReplyTo, new StageProgressed(command.ExecutionId, execution.Attempt, command.Key, command.Stage, worker, value), null, stop),
            time,
            logger);
        using var alone = await keys.EnterAsync(
            command.Key, () => progress.Report(new StageProgress(StageProgress.WaitingForSame)), either.Token);
        if (Accepted(command) is { } meanwhile) return (meanwhile, true);
        // Only now: whoever computed the same wrote its log until here.
        await using var log = new ExecutionLog(logs, command.Key, worker, execution.Attempt, logger, secrets, time);
        log.Add(LogLevel.Information, $"taken after {queued:0.0} s in the queue; {Threads(command)} thread{(Threads(command) == 1 ? "" : "s")}, device {settings.Device.Fit(command.Device) ?? settings.Device}");
        try
        {
            var work = stage.Prepare(command.Parameters);
            using var slot = await slots.TakeAsync(
                Threads(command), () => progress.Report(new StageProgress(StageProgress.WaitingForCpu)), either.Token);
            progress.Report(new StageProgress("starting"));
            var stop = (execution.Cancelled, either.Token);
            var result = await Compute(stage.Manifest, execution, attempt => Prepare(stage.Manifest, command, attempt, progress, log, stop), work, parent, log, either.Token);
            log.Add(LogLevel.Information, $"made {result.Output.Sha256} in {result.Seconds:0.0} s");
            return (result, false);
        }
        catch (OperationCanceledException) when (either.IsCancellationRequested)
        {
            log.Add(LogLevel.Information, execution.Cancelled.IsCancellationRequested ? "stopped: nobody wants it any more, or it is paused" : "interrupted: the worker stops, and another one goes on");
            throw;
        }
        catch (Exception e)
        {
            log.Add(LogLevel.Error, StageFailure.Of(e, hasOtherWorkers: settings.Broker is not null).Message);
            throw;
        }
    }

    /// <summary>Progress follows it and says the same: that it cannot be sent is no reason not to compute.</summary>
    private async Task SendStartedAsync(ExecuteStage command, StageStarted report, CancellationToken stop)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(stop);
        patience.CancelAfter(ProgressForwarder.Heartbeat);
        try
        {
            await reports.SendAsync(command.ReplyTo, report, null, patience.Token);
        }
#pragma warning disable CA1031 // Whatever the bus says, the execution goes on.
        catch (Exception e) when (!stop.IsCancellationRequested)
#pragma warning restore CA1031
        {
            var why = e is OperationCanceledException ? "nothing took the report in time" : e.Message;
            logger.LogWarning("the start of {Stage} {Key} could not be reported: {Why}", command.Stage, command.Key, why);
        }
    }

    private async Task<StoredResult> Compute(
        StageManifest manifest, OngoingExecution execution, Func<TrainingAttempt, StageRun> prepare, Func<StageRun, StageOutcome> work, string? parent, ExecutionLog log, CancellationToken stop)
    {
        var command = execution.Command;
        using var span = StartSpan(command, parent);
        var began = time.GetTimestamp();
        var attempt = states.Begin(command.Key, command.Fresh ? command.SweepId : null, time, log);
        var ending = "failed";
        try
        {
            var run = prepare(attempt);
            var outcome = await await Task.WhenAny(StageThread.Run(command.Stage, () => work(run)), execution.Broken);
            OutcomeCheck.ThrowUnlessSound(manifest, outcome);
            var result = new StoredResult(
                command.Key, command.Stage, outcome.Output, outcome.Metrics, attempt.Seconds, command.SweepId, span?.Id ?? parent,
                outcome.Records, outcome.Panels);
            results.Commit(result);
            attempt.Finished();
            ending = "completed";
            span?.SetTag(LatheTelemetry.CheckpointSha256, result.Output.Sha256);
            logger.LogInformation("{Stage} {Key} made {Checkpoint} in {Seconds:0.0} s", command.Stage, command.Key, result.Output.Sha256, result.Seconds);
            return result;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            ending = "interrupted";
            TryCallOff(attempt);
            throw;
        }
        catch (Exception e)
        {
            // It ended by itself and is reported: only attempts that took their worker with them stay on the record.
            TryCallOff(attempt);
            span?.SetStatus(ActivityStatusCode.Error, e.Message);
            throw;
        }
        finally
        {
            LatheTelemetry.StageDuration.Record(
                time.GetElapsedTime(began).TotalSeconds,
                new KeyValuePair<string, object?>(LatheTelemetry.Stage, command.Stage),
                new KeyValuePair<string, object?>(LatheTelemetry.Outcome, ending));
        }
    }

    /// <summary>A store that has failed once may fail again; the first failure says more.</summary>
    private void TryCallOff(TrainingAttempt attempt)
    {
        try
        {
            attempt.CalledOff();
        }
        catch (Exception e) when (e is LatheException or IOException or UnauthorizedAccessException)
        {
            logger.LogDebug(e, "the end of an attempt could not be recorded");
        }
    }

    private StageRun Prepare(
        StageManifest manifest, ExecuteStage command, TrainingAttempt attempt, ProgressForwarder progress, ExecutionLog log, (CancellationToken Cancelled, CancellationToken Either) stop)
    {
        var tag = new KeyValuePair<string, object?>(LatheTelemetry.Stage, command.Stage);
        return new StageRun(checkpoints, shared, images => LatheTelemetry.Images.Add(images, tag))
        {
            Key = command.Key,
            Stage = command.Stage,
            Version = command.Version,
            Parameters = command.Parameters,
            Input = command.Input,
            InputPath = command.Input is { } input ? StageFailure.OfThisWorker(() => InputPath(input)) : null,
            FoundData = manifest.ReadsData ? StageFailure.OfThisWorker(() => FindData(command)) : null,
            Seed = command.Seed,
            Threads = Threads(command),
            Device = settings.Device.Fit(command.Device) ?? settings.Device,
            Fresh = command.Fresh ? command.SweepId : null,
            Cancelled = stop.Cancelled,
            ShuttingDown = shutdown.Stopping,
            Stop = stop.Either,
            State = attempt,
            Progress = new MeasuredProgress(progress, log, tag),
            Logger = log,
        };
    }

    /// <summary>One that is missing or damaged is computed again, and then this execution.</summary>
    private string InputPath(CheckpointRef input) =>
        checkpoints.TryPathOf(input, out var path, out var problem) ? path : throw new LatheException(problem, FailureKind.InputLost);

    private (DataRef Data, DataPlace Place) FindData(ExecuteStage command)
    {
        if (command.Data is not { } wanted) throw new LatheException($"stage {command.Stage} reads data, and the message names none; start workers and coordinator of the same release");
        var place = DataPlaces.Find(wanted.Name, settings);
        if (DataPlaces.Elsewhere(wanted.Name, place, settings) is { } elsewhere) logger.LogInformation("{Found}", elsewhere);
        var found = DataFingerprint.Compute(wanted.Name, place, settings);
        return found == wanted ? (found, place) : throw new LatheException(
            $"data set {wanted.Name} in {place} has fingerprint {found.Fingerprint}; the sweep was planned for {wanted.Fingerprint}: "
            + "coordinator and workers see different files");
    }

    private int Threads(ExecuteStage command) => command.Threads ?? settings.Threads;

    private static Activity? StartSpan(ExecuteStage command, string? parent)
    {
        ActivityContext.TryParse(parent, null, isRemote: true, out var context);
        // The lineage is the parent, not the transport of the message; without one the span starts a trace of its own.
        Activity.Current = null;
        var span = LatheTelemetry.StageSource.StartActivity($"stage {command.Stage}", ActivityKind.Consumer, context);
        span?.SetTag(LatheTelemetry.SweepId, command.SweepId.ToString());
        span?.SetTag(LatheTelemetry.Stage, command.Stage);
        span?.SetTag(LatheTelemetry.ExecutionKey, command.Key);
        if (command.Input is { } input) span?.SetTag(LatheTelemetry.InputSha256, input.Sha256);
        return span;
    }

    private StoredResult? Accepted(ExecuteStage command) =>
        results.Find(command.Key) is { } result
        && (!command.Fresh || result.SweepId == command.SweepId)
        && checkpoints.Has(result.Output)
            ? result
            : null;

    private static void CheckVersion(StageManifest manifest, ExecuteStage command)
    {
        if (command.Stage != manifest.Name || command.Version != manifest.Version)
        {
            throw new StageFailure.Mismatch(
                $"the sweep asks for stage {command.Stage} version {command.Version}; this worker ({Environment.MachineName}) runs {manifest.Name} version {manifest.Version}. "
                + $"Start a worker of {command.Stage} version {command.Version}, or submit the sweep again to workers of the new release");
        }
    }

    private void CheckDevice(ExecuteStage command)
    {
        if (settings.Device.Fit(command.Device) is null)
        {
            throw new StageFailure.Mismatch(
                $"the sweep asks for device {command.Device!.Value.ToString().ToLowerInvariant()}, and this worker ({Environment.MachineName}) computes on {settings.Device} "
                + $"({HostingSettings.DeviceVariable} or --device). Start a worker of {command.Stage} that computes there, or take device out of the sweep");
        }
    }

    private sealed class MeasuredProgress(ProgressForwarder forward, ExecutionLog log, KeyValuePair<string, object?> tag) : IProgress<StageProgress>
    {
        public void Report(StageProgress value)
        {
            if (value.ImagesPerSecond is { } speed) LatheTelemetry.ImagesPerSecond.Record(speed, tag);
            log.Report(value);
            forward.Report(value);
        }
    }
}
