using Lathe.Contracts;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Lathe.Hosting;

/// <summary>Ends a worker that was started for the work there is, once its queue has been empty for a while.</summary>
internal sealed class StopWhenDrained(
    HostingSettings settings,
    LatheBusBuilder parts,
    BrokerClient broker,
    WorkerActivity activity,
    IHostApplicationLifetime lifetime,
    TimeProvider time,
    ILogger<StopWhenDrained> logger) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var patience = settings.Drain!.Value;
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(Math.Clamp(patience.TotalMilliseconds / 4, 50, 5000)), time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                if (activity.Idle < patience || !await NothingWaitsAsync(stoppingToken)) continue;
                logger.LogInformation("no work for {Seconds:0} s; ending", patience.TotalSeconds);
                lifetime.StopApplication();
                return;
            }
        }
        catch (OperationCanceledException)
        {
            // Stopped for another reason.
        }
    }

    private async Task<bool> NothingWaitsAsync(CancellationToken stop)
    {
        try
        {
            foreach (var stage in parts.Stages)
            {
                if (await broker.ReadyMessagesAsync(stage.QueueIn(settings.Pool), stop) is > 0) return false;
            }

            return true;
        }
        catch (LatheException e)
        {
            // An unreachable broker does not mean that the queue is empty.
            logger.LogWarning("{Message}", e.Message);
            return false;
        }
    }
}
