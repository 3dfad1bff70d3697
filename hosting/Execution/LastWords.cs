using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Lathe.Hosting;

/// <summary>
/// An exception that nobody catches ends the process: one on a thread that a stage has started itself, for example. Before that a worker says which execution it was,
/// reports it as failed and gives its message back to the broker as done, so that it does not end the next worker too.
/// </summary>
/// <remarks>Add this hosted service before the bus: it is then there as long as the bus is.</remarks>
internal sealed class LastWords(HostingSettings settings, OngoingExecutions ongoing, IHostApplicationLifetime lifetime, ILogger<LastWords> logger) : IHostedService
{
    /// <summary>How long a report may take, and then the end of the bus.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private int _isEnding;

    /// <summary>The process ends for an exception that nobody caught.</summary>
    public bool IsEnding => Volatile.Read(ref _isEnding) > 0;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        AppDomain.CurrentDomain.UnhandledException += OnUnhandled;
        NativeExceptions.Watch();
        NativeExceptions.Ending += Say;
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken)
    {
        AppDomain.CurrentDomain.UnhandledException -= OnUnhandled;
        NativeExceptions.Ending -= Say;
        return Task.CompletedTask;
    }

    private void OnUnhandled(object sender, UnhandledExceptionEventArgs args) =>
        Say(args.ExceptionObject as Exception ?? new InvalidOperationException($"{args.ExceptionObject.GetType().Name} was thrown"));

    /// <summary>Runs on the thread that threw. When it returns, the process ends.</summary>
    private void Say(Exception e)
    {
        if (Interlocked.Exchange(ref _isEnding, 1) > 0) return;
        var running = ongoing.Running;
        if (running.Count == 0) logger.LogCritical(e, "an exception that nobody catches ends this worker");
        foreach (var command in running.Select(execution => execution.Command))
        {
            logger.LogCritical(
                e, "an exception that nobody catches ends this worker, on a thread that is not the stage's own, while it computed {Stage} {Key}: {Message}",
                command.Stage, command.Key, StageFailure.Line(e));
        }

        // Without a broker whoever would hear of it ends too.
        if (settings.Broker is null) return;
        foreach (var execution in running) execution.Break(new StageFailure.Uncaught(e));
        Task.WaitAll([.. running.Select(execution => Ended(execution.Task))], Patience);
        // The message is acknowledged with the end of the bus.
        lifetime.StopApplication();
        lifetime.ApplicationStopped.WaitHandle.WaitOne(Patience);
    }

    private static async Task Ended(Task execution) => await execution.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
}
