using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;

namespace Lathe.Hosting;

/// <summary>/health/live: the process answers. /health/ready: the bus is up, so work can be taken.</summary>
internal sealed class HealthEndpoint(HostingSettings settings, IBusControl bus) : IHostedService, IAsyncDisposable
{
    private WebApplication? _web;

    /// <summary>Addresses it listens on.</summary>
    public IReadOnlyCollection<string> Addresses => [.. _web?.Urls ?? []];

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls($"http://*:{settings.HealthPort}");
        _web = builder.Build();
        _web.Run(async context =>
        {
            var (status, text) = context.Request.Path.Value switch
            {
                "/health/live" => (StatusCodes.Status200OK, "alive"),
                "/health/ready" => bus.CheckHealth() is { Status: BusHealthStatus.Healthy }
                    ? (StatusCodes.Status200OK, "ready")
                    : (StatusCodes.Status503ServiceUnavailable, "the bus is not up"),
                _ => (StatusCodes.Status404NotFound, "not found"),
            };
            context.Response.StatusCode = status;
            await context.Response.WriteAsync(text, context.RequestAborted);
        });
        await _web.StartAsync(cancellationToken);
    }

    public Task StopAsync(CancellationToken cancellationToken) => _web?.StopAsync(cancellationToken) ?? Task.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        if (_web is not null) await _web.DisposeAsync();
    }
}
