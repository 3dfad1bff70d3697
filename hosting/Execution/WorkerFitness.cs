using MassTransit;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Lathe.Hosting;

/// <summary>
/// Keeps a broken worker from failing a sweep: it fails fastest and would take most of the work. After some failures of its own in a row it stops
/// taking messages for a while, then tries one.
/// </summary>
internal sealed class WorkerFitness(LatheBusBuilder parts, HostingSettings settings, IHostApplicationLifetime lifetime, TimeProvider time, ILogger<WorkerFitness> logger)
    : IReceiveEndpointObserver, IHealthCheck
{
    /// <summary>Failures in a row after which the worker pauses.</summary>
    public const int Patience = 3;

    /// <summary>First pause; each further one without a success between takes twice as long.</summary>
    public static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(30);

    /// <summary>No pause is longer.</summary>
    public static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(10);

    private readonly Lock _lock = new();
    private readonly Dictionary<Uri, IReceiveEndpoint> _endpoints = [];
    private int _failures;
    private TimeSpan _next = FirstPause;
    private string? _reason;

    /// <summary>Why this worker takes no work at present; null: it takes work.</summary>
    public string? Reason
    {
        get
        {
            lock (_lock) return _reason;
        }
    }

    /// <summary>The worker computed a result.</summary>
    public void Succeeded()
    {
        lock (_lock) (_failures, _next) = (0, FirstPause);
    }

    /// <summary>An execution failed for a reason of this worker.</summary>
    /// <param name="message">The failure.</param>
    public void Failed(string message)
    {
        TimeSpan pause;
        IReadOnlyList<IReceiveEndpoint> endpoints;
        lock (_lock)
        {
            if (++_failures < Patience || _reason is not null || _endpoints.Count == 0) return;
            (pause, _next) = (_next, _next * 2 < LongestPause ? _next * 2 : LongestPause);
            _reason = $"{_failures} executions in a row failed for a reason of this worker, the last one: {message}";
            endpoints = [.. _endpoints.Values];
        }

        logger.LogWarning("takes no work for {Seconds:0} s: {Reason}", pause.TotalSeconds, Reason);
        // Not awaited: the end of the queue's reader waits for the execution that called this.
        _ = PauseAsync(endpoints, Task.Delay(pause, time, lifetime.ApplicationStopping));
    }

    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(Reason is { } reason ? HealthCheckResult.Unhealthy($"takes no work: {reason}") : HealthCheckResult.Healthy());

    public Task Ready(ReceiveEndpointReady ready)
    {
        lock (_lock)
        {
            if (parts.IsStageQueue(ready.InputAddress.AbsolutePath.Split('/')[^1], settings.Pool)) _endpoints[ready.InputAddress] = ready.ReceiveEndpoint;
        }

        return Task.CompletedTask;
    }

    public Task Stopping(ReceiveEndpointStopping stopping) => Task.CompletedTask;

    public Task Completed(ReceiveEndpointCompleted completed) => Task.CompletedTask;

    public Task Faulted(ReceiveEndpointFaulted faulted) => Task.CompletedTask;

    private async Task PauseAsync(IReadOnlyList<IReceiveEndpoint> endpoints, Task pause)
    {
        try
        {
            await Task.WhenAll(endpoints.Select(endpoint => endpoint.Stop(lifetime.ApplicationStopping)));
            await pause;
            lock (_lock) _reason = null;
            logger.LogInformation("takes work again");
            foreach (var endpoint in endpoints) endpoint.Start(lifetime.ApplicationStopping);
        }
        catch (OperationCanceledException)
        {
            // The worker ends.
        }
#pragma warning disable CA1031 // A worker that can neither stop nor start reading goes on as it is: the next failures tell.
        catch (Exception e)
#pragma warning restore CA1031
        {
            lock (_lock) _reason = null;
            logger.LogError(e, "could not stop or start taking work");
        }
    }
}
