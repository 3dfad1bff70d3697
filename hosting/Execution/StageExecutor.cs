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
    OngoingExecutions ongoing,
    TimeProvider time,
    ILogger<StageExecutor> logger)
{
    // errno's ENOSPC, which .NET hands on as it is.
    private const int NoSpaceLeft = 28;

    /// <summary>Handles one message; returning acknowledges it, throwing sends it back to its queue.</summary>
    public async Task Take(StageEntry stage, ConsumeContext<ExecuteStage> message)
    {
        var command = message.Message;
        if (shutdown.Stopping.IsCancellationRequested)
        {
            // The bus is about to stop taking messages. One that went back too quickly would only be handed out to this process again.
            await Task.Delay(TimeSpan.FromSeconds(1), message.CancellationToken);
            throw new OperationCanceledException("the worker is shutting down");
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
            logger.LogInformation("{Stage} {Key} is cancelled", command.Stage, command.Key);
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
            var (kind, message) = Failure(command, e);
            await EndAsync(attempt => new StageFailed(
                command.ExecutionId, attempt, command.Key, command.Stage, kind, message, WorkerName.Of(command.Stage)));
            return;
        }

        await EndAsync(
            attempt => new StageCompleted(
                command.ExecutionId, attempt, command.Key, command.Stage, result.Output, result.Metrics, result.Seconds, found),
            result.TraceParent);

        Task EndAsync<T>(Func<int, T> report, string? span = null)
            where T : class, IStageReport =>
            reports.SendAsync(command.ReplyTo, report(execution.End()), span, ongoing.BusStopped);
    }

    private (FailureKind Kind, string Message) Failure(ExecuteStage command, Exception e)
    {
        var (kind, text) = e switch
        {
            // Without a broker there is no other worker.
            LatheException { Kind: FailureKind.Elsewhere } here when settings.Broker is null => (FailureKind.Permanent, here.Message),
            LatheException known => (known.Kind, known.Message),
            // Trying again fills no less.
            IOException { HResult: NoSpaceLeft } => (FailureKind.Permanent, "the disk is full; make room where checkpoints and states are kept (lathe doctor shows where), and run the same again"),
            IOException io => (FailureKind.Transient, $"input or output failed: {io.Message}"),
            // libtorch's messages go on with the frames of its own stack.
            _ => (FailureKind.Permanent, $"{e.GetType().Name}: {e.Message.Split('\n')[0].TrimEnd()} (a fault in the stage; the worker's log has the details)"),
        };
        if (e is LatheException) logger.LogWarning("{Stage} {Key} failed: {Message}", command.Stage, command.Key, text);
        else logger.LogError(e, "{Stage} {Key} failed", command.Stage, command.Key);
        return (kind, text);
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
        await reports.SendAsync(
            command.ReplyTo,
            new StageStarted(command.ExecutionId, execution.Attempt, command.Key, command.Stage, worker, queued),
            null,
            either.Token);
        await using var progress = new ProgressForwarder(
            new StageProgress(StageProgress.Taken),
            (value, stop) => reports.SendAsync(
                command.ReplyTo, new StageProgressed(command.ExecutionId, execution.Attempt, command.Key, command.Stage, worker, value), null, stop),
            time,
            logger);
        using var alone = await keys.EnterAsync(
            command.Key, () => progress.Report(new StageProgress(StageProgress.WaitingForSame)), either.Token);
        if (Accepted(command) is { } meanwhile) return (meanwhile, true);
        var work = stage.Prepare(command.Parameters);
        using var slot = await slots.TakeAsync(
            Threads(command), () => progress.Report(new StageProgress(StageProgress.WaitingForCpu)), either.Token);
        progress.Report(new StageProgress("starting"));
        var stop = (execution.Cancelled, either.Token);
        return (await Compute(command, attempt => Prepare(stage.Manifest, command, attempt, progress, stop), work, parent, either.Token), false);
    }

    private async Task<StoredResult> Compute(
        ExecuteStage command, Func<TrainingAttempt, StageRun> prepare, Func<StageRun, StageOutcome> work, string? parent, CancellationToken stop)
    {
        using var span = StartSpan(command, parent);
        var began = time.GetTimestamp();
        var attempt = states.Begin(command.Key, command.Fresh ? command.SweepId : null, time, logger);
        var ending = "failed";
        try
        {
            var run = prepare(attempt);
            var outcome = await StageThread.Run(command.Stage, () => work(run));
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
            attempt.CalledOff();
            throw;
        }
        catch (Exception e)
        {
            // It ended by itself and is reported: only attempts that took their worker with them stay on the record.
            attempt.CalledOff();
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

    private StageRun Prepare(
        StageManifest manifest, ExecuteStage command, TrainingAttempt attempt, ProgressForwarder progress, (CancellationToken Cancelled, CancellationToken Either) stop)
    {
        var tag = new KeyValuePair<string, object?>(LatheTelemetry.Stage, command.Stage);
        return new StageRun(checkpoints, shared, images => LatheTelemetry.Images.Add(images, tag))
        {
            Key = command.Key,
            Stage = command.Stage,
            Version = command.Version,
            Parameters = command.Parameters,
            Input = command.Input,
            InputPath = command.Input is { } input ? checkpoints.PathOf(input) : null,
            FoundData = manifest.ReadsData ? FindData(command) : null,
            Seed = command.Seed,
            Threads = Threads(command),
            Device = settings.Device.Fit(command.Device) ?? settings.Device,
            Fresh = command.Fresh ? command.SweepId : null,
            Cancelled = stop.Cancelled,
            ShuttingDown = shutdown.Stopping,
            Stop = stop.Either,
            State = attempt,
            Progress = new MeasuredProgress(progress, tag),
            Logger = logger,
        };
    }

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
            throw new LatheException(
                $"the sweep asks for stage {command.Stage} version {command.Version}; this worker ({Environment.MachineName}) runs {manifest.Name} version {manifest.Version}. "
                + $"Start a worker of {command.Stage} version {command.Version}, or submit the sweep again to workers of the new release",
                FailureKind.Elsewhere);
        }
    }

    private void CheckDevice(ExecuteStage command)
    {
        if (settings.Device.Fit(command.Device) is null)
        {
            throw new LatheException(
                $"the sweep asks for device {command.Device!.Value.ToString().ToLowerInvariant()}, and this worker ({Environment.MachineName}) computes on {settings.Device} "
                + $"({HostingSettings.DeviceVariable} or --device). Start a worker of {command.Stage} that computes there, or take device out of the sweep",
                FailureKind.Elsewhere);
        }
    }

    private sealed class MeasuredProgress(ProgressForwarder forward, KeyValuePair<string, object?> tag) : IProgress<StageProgress>
    {
        public void Report(StageProgress value)
        {
            if (value.ImagesPerSecond is { } speed) LatheTelemetry.ImagesPerSecond.Record(speed, tag);
            forward.Report(value);
        }
    }
}
