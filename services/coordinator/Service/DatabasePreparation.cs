using Lathe.Contracts;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Polly;
using Polly.Retry;

namespace Lathe.Coordinator;

/// <summary>Creates the tables before anything else starts. Waits for a database that is still starting.</summary>
internal sealed class DatabasePreparation(CoordinatorStore store, CoordinatorOptions options, TimeProvider time, ILogger<DatabasePreparation> log)
    : IHostedLifecycleService
{
    public async Task StartingAsync(CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        string? said = null;
        await new ResiliencePipelineBuilder { TimeProvider = time }
            .AddRetry(new RetryStrategyOptions
            {
                ShouldHandle = new PredicateBuilder().Handle<LatheException>(
                    e => e.Kind == FailureKind.Transient && time.GetElapsedTime(began) < options.StartPatience),
                MaxRetryAttempts = int.MaxValue,
                BackoffType = DelayBackoffType.Exponential,
                Delay = TimeSpan.FromSeconds(1),
                MaxDelay = TimeSpan.FromSeconds(8),
                OnRetry = failed =>
                {
                    // Once for each reason.
                    var reason = failed.Outcome.Exception!.Message;
                    if (reason != said) log.LogWarning("{Reason}; trying again for {Patience:0} s", reason, options.StartPatience.TotalSeconds);
                    said = reason;
                    return default;
                },
            })
            .Build()
            .ExecuteAsync(async stop => await store.PrepareAsync(stop), cancellationToken);
        if (said is not null) log.LogInformation("The database answers");
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}

/// <summary>Ready means: the database answers.</summary>
internal sealed class DatabaseHealth(CoordinatorStore store, ILogger<DatabaseHealth> log) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        try
        {
            return await store.ExistsAsync(cancellationToken) ? HealthCheckResult.Healthy() : HealthCheckResult.Unhealthy("no tables");
        }
        catch (LatheException e)
        {
            // Everybody may ask for the health; where the database lies is for the log.
            log.LogDebug("{Reason}", e.Message);
            return HealthCheckResult.Unhealthy(e.Kind == FailureKind.Transient ? "the coordinator's database does not answer; its log says more" : "the coordinator's database cannot be used; its log says more");
        }
    }
}
