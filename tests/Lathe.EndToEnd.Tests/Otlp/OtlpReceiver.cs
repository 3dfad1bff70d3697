using System.Collections.Concurrent;
using Google.Protobuf;
using Lathe.EndToEnd.Tests.Otlp.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Lathe.EndToEnd.Tests.Otlp;

/// <summary>A span as it arrived.</summary>
public sealed record ReceivedSpan(
    string Service, string TraceId, string SpanId, string? ParentSpanId, string Name, IReadOnlyDictionary<string, string> Attributes);

/// <summary>Receives OTLP over HTTP on a free loopback port, as a collector would.</summary>
public sealed class OtlpReceiver : IAsyncDisposable
{
    private readonly WebApplication _app;

    private OtlpReceiver(WebApplication app) => _app = app;

    public ConcurrentQueue<ReceivedSpan> Spans { get; } = new();

    /// <summary>Service name and metric name of everything measured.</summary>
    public ConcurrentDictionary<(string Service, string Metric), string> Metrics { get; } = new();

    /// <summary>Service name and trace id of every log record that has one.</summary>
    public ConcurrentDictionary<(string Service, string TraceId), bool> Logs { get; } = new();

    /// <summary>Everything that arrived, as it came.</summary>
    public ConcurrentQueue<byte[]> Bodies { get; } = new();

    public string Endpoint => _app.Urls.First();

    public static async Task<OtlpReceiver> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        var app = builder.Build();
        app.Urls.Add("http://127.0.0.1:0");
        var receiver = new OtlpReceiver(app);
        app.MapPost("/v1/traces", request => receiver.Take(request, TraceRequest.Parser, receiver.Add));
        app.MapPost("/v1/metrics", request => receiver.Take(request, MetricsRequest.Parser, receiver.Add));
        app.MapPost("/v1/logs", request => receiver.Take(request, LogsRequest.Parser, receiver.Add));
        await app.StartAsync();
        return receiver;
    }

    public async ValueTask DisposeAsync() => await _app.DisposeAsync();

    private async Task Take<T>(HttpContext context, MessageParser<T> parser, Action<T> add)
        where T : IMessage<T>
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        Bodies.Enqueue(body.ToArray());
        add(parser.ParseFrom(body.ToArray()));
        context.Response.ContentType = "application/x-protobuf";
    }

    private void Add(TraceRequest request)
    {
        foreach (var resource in request.ResourceSpans)
        {
            foreach (var span in resource.ScopeSpans.SelectMany(scope => scope.Spans))
            {
                Spans.Enqueue(new ReceivedSpan(
                    ServiceOf(resource.Resource), Hex(span.TraceId), Hex(span.SpanId), span.ParentSpanId.IsEmpty ? null : Hex(span.ParentSpanId),
                    span.Name, span.Attributes.ToDictionary(a => a.Key, a => Text(a.Value))));
            }
        }
    }

    private void Add(MetricsRequest request)
    {
        foreach (var resource in request.ResourceMetrics)
        {
            foreach (var metric in resource.ScopeMetrics.SelectMany(scope => scope.Metrics))
            {
                Metrics[(ServiceOf(resource.Resource), metric.Name)] = metric.Unit;
            }
        }
    }

    private void Add(LogsRequest request)
    {
        foreach (var resource in request.ResourceLogs)
        {
            foreach (var record in resource.ScopeLogs.SelectMany(scope => scope.LogRecords).Where(r => !r.TraceId.IsEmpty))
            {
                Logs[(ServiceOf(resource.Resource), Hex(record.TraceId))] = true;
            }
        }
    }

    private static string ServiceOf(Resource? resource) =>
        resource?.Attributes.FirstOrDefault(a => a.Key == "service.name")?.Value.StringValue ?? "";

    private static string Hex(ByteString bytes) => Convert.ToHexStringLower(bytes.Span);

    private static string Text(AnyValue value) => value.ValueCase switch
    {
        AnyValue.ValueOneofCase.StringValue => value.StringValue,
        AnyValue.ValueOneofCase.BoolValue => value.BoolValue.ToString(),
        AnyValue.ValueOneofCase.IntValue => value.IntValue.ToString(System.Globalization.CultureInfo.InvariantCulture),
        AnyValue.ValueOneofCase.DoubleValue => value.DoubleValue.ToString(System.Globalization.CultureInfo.InvariantCulture),
        _ => "",
    };
}
