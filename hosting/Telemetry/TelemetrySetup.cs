using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Lathe.Hosting;

/// <summary>Logs, traces and metrics of a Lathe process.</summary>
internal static class TelemetrySetup
{
    public const string EndpointVariable = "OTEL_EXPORTER_OTLP_ENDPOINT";

    /// <summary>
    /// Logs one line each to standard error, with trace ids; and, where <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> is set, sends traces, metrics
    /// and logs there by OTLP. The host flushes them when it is disposed.
    /// </summary>
    /// <param name="builder">A generic or a web host's builder.</param>
    /// <param name="serviceName">Resource attribute service.name, for example <c>lathe-pruner</c>.</param>
    /// <param name="console">Least level of Lathe's own lines on the console; None where a live display owns the terminal.</param>
    /// <param name="tracing">Adds to the traces, for example a web server's requests.</param>
    public static void AddLatheTelemetry(
        this IHostApplicationBuilder builder,
        string serviceName,
        LogLevel console = LogLevel.Information,
        Action<TracerProviderBuilder>? tracing = null)
    {
        ConfigureConsole(builder.Logging, console);
        if (string.IsNullOrWhiteSpace(Environment.GetEnvironmentVariable(EndpointVariable))) return;
        // The exporter reads its settings from the host's configuration, which need not hold the environment.
        builder.Configuration.AddEnvironmentVariables();
        builder.Logging.AddOpenTelemetry(logs =>
        {
            logs.IncludeFormattedMessage = true;
            logs.IncludeScopes = true;
        });
        builder.Services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.AddService(
                serviceName,
                serviceVersion: typeof(TelemetrySetup).Assembly.GetName().Version?.ToString(3),
                serviceInstanceId: $"{Environment.MachineName}:{Environment.ProcessId}"))
            .WithTracing(traces =>
            {
                traces.AddSource(LatheTelemetry.AllOfLathe);
                tracing?.Invoke(traces);
            })
            .WithMetrics(metrics => metrics.AddMeter(LatheTelemetry.AllOfLathe, "Microsoft.AspNetCore.Hosting", "Microsoft.EntityFrameworkCore").AddRuntimeInstrumentation())
            .WithLogging()
            .UseOtlpExporter();
    }

    private static void ConfigureConsole(ILoggingBuilder logging, LogLevel console)
    {
        logging.ClearProviders();
        logging.Configure(options => options.ActivityTrackingOptions = ActivityTrackingOptions.TraceId | ActivityTrackingOptions.SpanId);
        logging.AddSimpleConsole(line =>
        {
            line.SingleLine = true;
            line.IncludeScopes = true;
            line.UseUtcTimestamp = true;
            line.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ ";
        });
        // Standard output belongs to results.
        logging.Services.Configure<ConsoleLoggerOptions>(options => options.LogToStandardErrorThreshold = LogLevel.Trace);
        logging.SetMinimumLevel(LogLevel.Warning);
        logging.AddFilter("Lathe", LogLevel.Information);
        // A host that cannot start throws, and whoever started it says why; its own line would add a stack trace to a user's mistake.
        logging.AddFilter<ConsoleLoggerProvider>("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.None);
        logging.AddFilter<ConsoleLoggerProvider>("", console == LogLevel.None ? LogLevel.None : LogLevel.Warning);
        logging.AddFilter<ConsoleLoggerProvider>("Lathe", console);
        // Whoever asks for the health gets the answer; the log would repeat it with stack traces at each question.
        logging.AddFilter<ConsoleLoggerProvider>("Microsoft.Extensions.Diagnostics.HealthChecks", LogLevel.None);
        // Lathe says in one line what its bus library says with stack traces at every drain and lost connection (ConnectionLog).
        logging.AddFilter<ConsoleLoggerProvider>("MassTransit", LogLevel.Critical);
    }
}
