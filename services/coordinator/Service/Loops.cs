using Lathe.Contracts;

namespace Lathe.Coordinator;

/// <summary>Work that goes on while the coordinator runs, and outlives a database, broker or store that is away for a while.</summary>
public abstract class Loop(IHostApplicationLifetime lifetime, TimeProvider time, ILogger log) : BackgroundService
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(2);

    /// <summary>What it waits for to pass; null: nothing.</summary>
    public Exception? Trouble { get; private set; }

    /// <summary>For the log: what could not be done.</summary>
    protected abstract string Purpose { get; }

    /// <summary>One round; waits for the next one itself.</summary>
    protected abstract Task RoundAsync(CancellationToken stop);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!await StartedAsync(stoppingToken)) return;
        string? said = null;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await RoundAsync(stoppingToken);
                if (said is not null) log.LogInformation("{Purpose} works again", Purpose);
                (said, Trouble) = (null, null);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                var reason = e.GetBaseException().Message;
                // Once for each reason, not every two seconds while a database is away.
                if (reason != said) log.LogError(e is LatheException || IsAway(e) ? null : e, "{Purpose} has to wait: {Reason}; trying again", Purpose, reason);
                (said, Trouble) = (reason, e);
                await Task.Delay(Pause, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private static bool IsAway(Exception e) => e.GetBaseException() is System.Data.Common.DbException or IOException or System.Net.Sockets.SocketException or TimeoutException;

    /// <summary>Waits until database and bus are up.</summary>
    private async Task<bool> StartedAsync(CancellationToken stop)
    {
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var onStarted = lifetime.ApplicationStarted.Register(() => started.TrySetResult());
        using var onStop = stop.Register(() => started.TrySetCanceled(stop));
        await started.Task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return !stop.IsCancellationRequested;
    }
}

/// <summary>Sends executions as soon as there are some to send.</summary>
internal sealed class DispatchLoop(Orchestrator orchestrator, CoordinatorOptions options, IHostApplicationLifetime lifetime, TimeProvider time, ILogger<DispatchLoop> log)
    : Loop(lifetime, time, log)
{
    private readonly TimeProvider _time = time;

    protected override string Purpose => "Sending executions";

    protected override async Task RoundAsync(CancellationToken stop)
    {
        await orchestrator.DispatchAsync(stop);
        await orchestrator.MaySend.WaitAsync(options.DispatchInterval, _time, stop);
    }
}

/// <summary>Prepares and advances sweeps.</summary>
internal sealed class ChoresLoop(Orchestrator orchestrator, CoordinatorOptions options, IHostApplicationLifetime lifetime, TimeProvider time, ILogger<ChoresLoop> log)
    : Loop(lifetime, time, log)
{
    private readonly TimeProvider _time = time;

    protected override string Purpose => "Preparing sweeps";

    protected override async Task RoundAsync(CancellationToken stop)
    {
        await orchestrator.DoChoresAsync(stop);
        await orchestrator.HasChores.WaitAsync(options.DispatchInterval, _time, stop);
    }
}

/// <summary>Compares database, bus and clock: at the start and at intervals.</summary>
internal sealed class Reconciler(Orchestrator orchestrator, CoordinatorOptions options, IHostApplicationLifetime lifetime, TimeProvider time, ILogger<Reconciler> log)
    : Loop(lifetime, time, log)
{
    private readonly TimeProvider _time = time;
    private bool _isResumed;

    protected override string Purpose => "Looking after the sweeps";

    protected override async Task RoundAsync(CancellationToken stop)
    {
        if (_isResumed) await orchestrator.ReconcileAsync(stop);
        else await orchestrator.ResumeAsync(stop);
        _isResumed = true;
        await Task.Delay(options.ReconcileInterval, _time, stop);
    }
}
