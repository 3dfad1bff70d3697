using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Lathe.Hosting;

/// <summary>What orchestrators of containers ask a Lathe process.</summary>
internal static class HealthEndpoints
{
    /// <summary>
    /// <c>/health/live</c>: the process answers. <c>/health/ready</c>: every health check passes, MassTransit's of the bus among them, so that
    /// work can be taken; the answer says what does not pass and why.
    /// </summary>
    public static void MapHealth(this IEndpointRouteBuilder web)
    {
        web.MapHealthChecks("/health/live", new HealthCheckOptions { Predicate = _ => false });
        web.MapHealthChecks("/health/ready", new HealthCheckOptions
        {
            // A bus that waits for one of its queues takes no work from it yet.
            ResultStatusCodes = { [HealthStatus.Degraded] = StatusCodes.Status503ServiceUnavailable },
            ResponseWriter = WriteAsync,
        });
    }

    private static Task WriteAsync(HttpContext context, HealthReport report)
    {
        context.Response.ContentType = "text/plain; charset=utf-8";
        var failing = report.Entries.Where(check => check.Value.Status != HealthStatus.Healthy)
            .Select(check => $"\n{check.Key}: {check.Value.Description ?? check.Value.Exception?.Message ?? check.Value.Status.ToString()}");
        return context.Response.WriteAsync($"{report.Status}{string.Concat(failing)}");
    }

    /// <summary>A process that answers nothing else over HTTP.</summary>
    /// <param name="port">Port on every address of the machine; 0 takes a free one.</param>
    internal static WebApplicationBuilder Builder(int port)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls($"http://*:{port}");
        builder.Services.AddRoutingCore();
        builder.Services.AddHealthChecks().AddCheck<WorkerFitness>("worker");
        return builder;
    }
}
