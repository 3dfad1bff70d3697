using Lathe.Contracts;

namespace Lathe.Coordinator;

/// <summary>Makes the orchestrator compare database and bus: at the start, at intervals, and when a retry is due.</summary>
public sealed class Reconciler(
    Orchestrator orchestrator, CoordinatorOptions options, TimeProvider time, IHostApplicationLifetime lifetime, ILogger<Reconciler> log)
    : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!await StartedAsync(stoppingToken)) return;
        var isResumed = false;
        var next = time.GetUtcNow();
        while (!stoppingToken.IsCancellationRequested)
        {
            DateTimeOffset? retry = null;
            try
            {
                if (!isResumed) await orchestrator.ResumeAsync(stoppingToken);
                isResumed = true;
                retry = await orchestrator.ReconcileAsync(stop: stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                // The database may be unreachable for a while; the next round tries again.
                log.LogError(e is LatheException ? null : e, "Could not look after the sweeps: {Reason}", e.GetBaseException().Message);
            }

            var now = time.GetUtcNow();
            next = now + options.ReconcileInterval;
            if (retry < next) next = retry.Value;
            if (next > now) await orchestrator.WaitAsync(next - now, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

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
