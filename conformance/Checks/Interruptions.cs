using System.Diagnostics;
using Lathe.Conformance.Wire;
using Lathe.Contracts;
using Lathe.Contracts.Messages;

namespace Lathe.Conformance.Checks;

/// <summary>An execution that was cancelled while it ran.</summary>
/// <param name="Sent">Its first attempt, which was cancelled.</param>
/// <param name="Model">Network that it started from; null: that of the options.</param>
/// <param name="StoppedAfter">Time from the order to the report.</param>
/// <param name="Answered">A question that was asked while it ran was answered.</param>
internal sealed record InterruptedRun(SentExecution Sent, string? Model, TimeSpan StoppedAfter, bool Answered);

/// <summary>What happens to an execution that is stopped.</summary>
internal static class Interruptions
{
    // Whoever ends within this time had nothing left to stop.
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Settled = TimeSpan.FromSeconds(2.5);

    // For stages that would be done with a small network before an order can reach them.
    private static readonly string?[] Larger = [null, "resnet18", "resnet50"];

    public static IReadOnlyList<StageCheckOf> All { get; } =
    [
        new("cancels", "stops what is cancelled within the limit, and reports it", async (runs, stop) => $"after {(await CancelledAsync(runs, stop)).StoppedAfter.TotalSeconds:0.0} s"),
        new("busy", "answers questions while it computes", BusyAsync),
        new("resumes", "goes on with what was cancelled, to the bits of a run that nothing disturbed", ResumesAsync),
        new("killed", "ends with the same bits when its process dies and the message comes again", KilledAsync),
    ];

    private static Task<InterruptedRun> CancelledAsync(Runs runs, CancellationToken stop) => runs.Interrupted ??= InterruptAsync(runs, stop);

    private static async Task<InterruptedRun> InterruptAsync(Runs runs, CancellationToken stop)
    {
        var manifest = (await runs.AnnouncedAsync(stop)).Manifest;
        var parameters = await runs.ParametersAsync(isLong: true, stop);
        // What reads data needs a network that fits them.
        var models = manifest.ReadsData || manifest.Input != StageInput.Checkpoint ? [null] : Larger;
        foreach (var model in models)
        {
            var sent = await runs.SendAsync(await runs.CommandAsync(parameters, model, stop), stop);
            if (await RunningAsync(runs, sent, stop) is not { } end)
            {
                var asked = Questions.AskAsync(runs, [await runs.ParametersAsync(isLong: false, stop)], stop);
                var answered = await Task.WhenAny(asked, Task.Delay(Grace, stop)) == asked && asked.IsCompletedSuccessfully;
                await asked.ContinueWith(_ => { }, TaskScheduler.Default);
                var began = Stopwatch.GetTimestamp();
                await runs.Seat.CancelAsync(sent.Command.ExecutionId, 1, stop);
                end = await runs.NextAsync(sent, Reports.IsEnd, runs.Options.Limit, stop)
                    ?? throw new RefutedException($"it reported no end within {runs.Options.Limit.TotalSeconds:0} s of the order to stop");
                var took = Stopwatch.GetElapsedTime(began);
                if (end.Message is StageCancelled) return new InterruptedRun(sent, model, took, answered);
                if (end.Message is StageCompleted && took > Grace) throw new RefutedException($"it went on for {took.TotalSeconds:0.0} s after the order to stop, and completed");
            }

            // The parameters are for the small network.
            if (end.Message is StageFailed && model is not null) break;
            if (end.Message is StageFailed failed) throw new RefutedException($"it failed ({failed.Kind}): {failed.Message}");
        }

        throw new NotAskedException("it is done before it could be stopped; give parameters with which it computes for ten seconds at least, with --long");
    }

    /// <summary>Waits until an execution is well under way.</summary>
    /// <returns>How it ended; null: it runs.</returns>
    private static async Task<Heard?> RunningAsync(Runs runs, SentExecution sent, CancellationToken stop)
    {
        var started = await runs.NextAsync(sent, r => r is StageStarted || Reports.IsEnd(r), runs.Options.Limit, stop)
            ?? throw new RefutedException($"it did not start an execution within {runs.Options.Limit.TotalSeconds:0} s");
        if (Reports.IsEnd(started.Message)) return started;
        // A stage without data may be done soon: what matters there is that the order finds it at work.
        var isSlow = (await runs.AnnouncedAsync(stop)).Manifest.ReadsData;
        var next = isSlow ? await runs.NextAsync(sent, r => Reports.IsEnd(r) || r is StageProgressed { Progress: { IsWaiting: false, Epoch: > 0 } }, Settled, stop) : null;
        return next is not null && Reports.IsEnd(next.Message) ? next : null;
    }

    private static async Task<string> BusyAsync(Runs runs, CancellationToken stop) =>
        (await Interrupted(runs, stop)).Answered ? "" : throw new RefutedException($"a question was not answered within {Grace.TotalSeconds:0} s while an execution ran; the author of a sweep would wait until it ends");

    private static async Task<string> ResumesAsync(Runs runs, CancellationToken stop)
    {
        var interrupted = await Interrupted(runs, stop);
        var second = await runs.SendAsync(interrupted.Sent.Command with { Attempt = 2, SentAt = DateTimeOffset.UtcNow }, stop);
        await runs.NextAsync(second, _ => true, runs.Options.Limit, stop);
        // An order about an attempt that is over stops none that came later.
        await runs.Seat.CancelAsync(second.Command.ExecutionId, 1, stop);
        var completed = await runs.CompletedAsync(second, runs.Options.RunLimit, stop);
        await SameAsync(runs, completed, interrupted.Model, stop);
        return "";
    }

    private static async Task<string> KilledAsync(Runs runs, CancellationToken stop)
    {
        if (runs.Options.Restart is not { } restart) throw new NotAskedException("the kit cannot kill a worker; give a command that kills it and starts it again with --restart");
        var interrupted = await Interrupted(runs, stop);
        var sent = await runs.SendAsync(interrupted.Sent.Command with { ExecutionId = Guid.NewGuid(), SweepId = Guid.NewGuid(), SentAt = DateTimeOffset.UtcNow }, stop);
        if (await RunningAsync(runs, sent, stop) is not null) throw new NotAskedException("it is done before it could be killed; give longer parameters with --long");
        var before = runs.Seat.Inbox.All.Count;
        await restart(stop);
        var again = await runs.Seat.Inbox.NextAsync(
            before, h => h.Message is IStageReport report && report.ExecutionId == sent.Command.ExecutionId && report is StageStarted or StageCompleted, runs.Options.Limit * 2, stop);
        if (again is null) throw new RefutedException($"within {runs.Options.Limit.TotalSeconds * 2:0} s of the restart no worker took the message again: it was acknowledged before its result was there, or no worker is up");
        if (again.Message is StageCompleted) throw new NotAskedException("it was done before it was killed; give longer parameters with --long");
        var completed = await runs.CompletedAsync(sent, runs.Options.RunLimit, stop);
        await SameAsync(runs, completed, interrupted.Model, stop);
        return "";
    }

    /// <summary>The run that was cancelled; without one the other checks cannot be asked.</summary>
    private static async Task<InterruptedRun> Interrupted(Runs runs, CancellationToken stop)
    {
        try
        {
            return await CancelledAsync(runs, stop);
        }
        catch (RefutedException e)
        {
            throw new NotAskedException($"it cannot be stopped: {e.Message}");
        }
    }

    /// <summary>Compares a result with that of a run that nothing disturbed.</summary>
    private static async Task SameAsync(Runs runs, StageCompleted completed, string? model, CancellationToken stop)
    {
        runs.Undisturbed ??= UndisturbedAsync();
        var undisturbed = await runs.Undisturbed;
        if (completed.Output != undisturbed.Output)
            throw new RefutedException($"it ended with {completed.Output.Sha256[..12]}, and without interruption with {undisturbed.Output.Sha256[..12]}: what it draws and keeps must not depend on where it was stopped");

        async Task<StageCompleted> UndisturbedAsync()
        {
            if (model is null && runs.Options.Long is null) return (await runs.PlainAsync(stop)).Completed;
            var sent = await runs.SendAsync(await runs.CommandAsync(await runs.ParametersAsync(isLong: true, stop), model, stop), stop);
            return await runs.CompletedAsync(sent, runs.Options.RunLimit, stop);
        }
    }
}
