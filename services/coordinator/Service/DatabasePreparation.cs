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
        await new ResiliencePipelineBuilder { TimeProvider = time }
            .AddRetry(new RetryStrategyOptions
            {
                ShouldHandle = new PredicateBuilder().Handle<LatheException>(
                    e => e.Kind == FailureKind.Transient && time.GetElapsedTime(began) < options.StartPatience),
                MaxRetryAttempts = int.MaxValue,
                Delay = TimeSpan.FromSeconds(1),
                OnRetry = failed =>
                {
                    log.LogWarning("{Reason}; trying again", failed.Outcome.Exception!.Message);
                    return default;
                },
            })
            .Build()
            .ExecuteAsync(async stop => await store.PrepareAsync(stop), cancellationToken);
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}

/// <summary>Ready means: the database answers.</summary>
internal sealed class DatabaseHealth(CoordinatorStore store) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        try
        {
            return await store.ExistsAsync(cancellationToken) ? HealthCheckResult.Healthy() : HealthCheckResult.Unhealthy("no tables");
        }
        catch (LatheException e)
        {
            return HealthCheckResult.Unhealthy(e.Message);
        }
    }
}
