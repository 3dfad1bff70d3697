using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using System.Text.Json;
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

    /// <summary>What a process needs to know to send everything here, and soon.</summary>
    public IReadOnlyDictionary<string, string> Environment => new Dictionary<string, string>
    {
        ["OTEL_EXPORTER_OTLP_ENDPOINT"] = Endpoint,
        ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
        ["OTEL_BSP_SCHEDULE_DELAY"] = "200",
        ["OTEL_BLRP_SCHEDULE_DELAY"] = "200",
        ["OTEL_METRIC_EXPORT_INTERVAL"] = "500",
    };

    public static async Task<OtlpReceiver> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        var app = builder.Build();
        app.Urls.Add("http://127.0.0.1:0");
        var receiver = new OtlpReceiver(app);
        app.MapPost("/v1/traces", request => request.Request.ContentType == "application/json" ? receiver.TakeJson(request) : receiver.Take(request, TraceRequest.Parser, receiver.Add));
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

    /// <summary>The same as JSON. Ids are hexadecimal there, where the JSON of protobuf has base64.</summary>
    private async Task TakeJson(HttpContext context)
    {
        var body = await JsonSerializer.DeserializeAsync<JsonElement>(context.Request.Body);
        Bodies.Enqueue(Encoding.UTF8.GetBytes(body.GetRawText()));
        foreach (var resource in body.GetProperty("resourceSpans").EnumerateArray())
        {
            foreach (var span in resource.GetProperty("scopeSpans").EnumerateArray().SelectMany(scope => scope.GetProperty("spans").EnumerateArray()))
            {
                Assert.True(long.Parse(Of(span, "startTimeUnixNano"), CultureInfo.InvariantCulture) <= long.Parse(Of(span, "endTimeUnixNano"), CultureInfo.InvariantCulture));
                Spans.Enqueue(new ReceivedSpan(
                    Attributes(resource.GetProperty("resource"))["service.name"], Of(span, "traceId"), Of(span, "spanId"),
                    span.TryGetProperty("parentSpanId", out var parent) ? parent.GetString() : null, Of(span, "name"), Attributes(span)));
            }
        }

        context.Response.ContentType = "application/json";

        static string Of(JsonElement of, string name) => of.GetProperty(name).GetString()!;
        static Dictionary<string, string> Attributes(JsonElement of) => of.GetProperty("attributes").EnumerateArray()
            .ToDictionary(a => Of(a, "key"), a => Of(a.GetProperty("value"), "stringValue"));
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
        AnyValue.ValueOneofCase.IntValue => value.IntValue.ToString(CultureInfo.InvariantCulture),
        AnyValue.ValueOneofCase.DoubleValue => value.DoubleValue.ToString(CultureInfo.InvariantCulture),
        _ => "",
    };
}
