using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace Lathe.Testing;

/// <summary>A way in which an HTTP server fails.</summary>
public enum HttpFault
{
    /// <summary>Answers 500 and does nothing.</summary>
    Error,

    /// <summary>Answers 503 SlowDown and does nothing.</summary>
    Overload,

    /// <summary>Resets the connection and does nothing.</summary>
    Reset,

    /// <summary>Does what was asked, and resets the connection instead of answering.</summary>
    LostAnswer,

    /// <summary>Sends half of the body, then resets the connection.</summary>
    Truncated,

    /// <summary>Sends the body in eight pieces, 50 ms apart.</summary>
    Slow,

    /// <summary>Sends half of the body and then nothing more. Only on request.</summary>
    Stalled,
}

/// <summary>Stands in front of an HTTP server of 127.0.0.1 and fails now and then, as a seed says.</summary>
public sealed class FaultyProxy : IAsyncDisposable
{
    private static readonly HttpFault[] Usual = [HttpFault.Error, HttpFault.Overload, HttpFault.Reset, HttpFault.LostAnswer, HttpFault.Truncated, HttpFault.Slow];

    private readonly WebApplication _app;
    private readonly HttpClient _client;
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<HttpFault, int> _counts = new();
    private readonly Lock _lock = new();
    private readonly Random _random;

    private FaultyProxy(int to, int seed)
    {
        _random = new Random(seed);
        _client = new HttpClient(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, UseCookies = false }) { Timeout = TimeSpan.FromMinutes(5) };
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        _app = builder.Build();
        _app.Urls.Add("http://127.0.0.1:0");
        _app.Run(context => HandleAsync(context, to));
    }

    /// <summary>Port on 127.0.0.1.</summary>
    public int Port => new Uri(_app.Urls.First()).Port;

    /// <summary>Share of the requests that go wrong, 0 to 1.</summary>
    public double Share { get; set; }

    /// <summary>What goes wrong; each kind as often as the others.</summary>
    public IReadOnlyList<HttpFault> Kinds { get; set; } = Usual;

    /// <summary>Requests that went wrong, by kind.</summary>
    public IReadOnlyDictionary<HttpFault, int> Counts => _counts;

    /// <summary>Answers requests that the server behind does not know: true where it did. Null: none.</summary>
    public Func<HttpContext, Task<bool>>? Instead { get; set; }

    /// <summary>Starts it.</summary>
    /// <param name="to">Port of the server behind it.</param>
    /// <param name="seed">Decides which requests go wrong.</param>
    public static async Task<FaultyProxy> StartAsync(int to, int seed)
    {
        var proxy = new FaultyProxy(to, seed);
        await proxy._app.StartAsync();
        return proxy;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _app.DisposeAsync();
        _client.Dispose();
        _stop.Dispose();
    }

    private async Task HandleAsync(HttpContext context, int to)
    {
        if (Instead is { } instead && await instead(context)) return;
        var fault = Draw();
        // A fault of the body needs a body.
        if (fault is HttpFault.Truncated or HttpFault.Slow or HttpFault.Stalled && !HttpMethods.IsGet(context.Request.Method)) fault = null;
        if (fault is { } counted) _counts.AddOrUpdate(counted, 1, (_, n) => n + 1);
        switch (fault)
        {
            case HttpFault.Error:
                await FailAsync(context, HttpStatusCode.InternalServerError, "InternalError");
                return;
            case HttpFault.Overload:
                await FailAsync(context, HttpStatusCode.ServiceUnavailable, "SlowDown");
                return;
            case HttpFault.Reset:
                context.Abort();
                return;
        }

        try
        {
            using var answer = await ForwardAsync(context, to);
            if (fault == HttpFault.LostAnswer) context.Abort();
            else await AnswerAsync(context, answer, fault);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException or BadHttpRequestException)
        {
            // Either end is gone, and with it the other.
            context.Abort();
        }
    }

    private HttpFault? Draw()
    {
        lock (_lock) return _random.NextDouble() < Share ? Kinds[_random.Next(Kinds.Count)] : null;
    }

    private static async Task FailAsync(HttpContext context, HttpStatusCode status, string code)
    {
        // A server that refuses a large upload early would cut it off: this one hears it out.
        await context.Request.Body.CopyToAsync(Stream.Null);
        context.Response.StatusCode = (int)status;
        context.Response.ContentType = "application/xml";
        await context.Response.WriteAsync($"<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>on purpose</Message></Error>");
    }

    private Task<HttpResponseMessage> ForwardAsync(HttpContext context, int to)
    {
        var request = context.Request;
        // As it came: a signature is about the very bytes.
        var target = new Uri(
            $"http://127.0.0.1:{to}{context.Features.Get<IHttpRequestFeature>()!.RawTarget}", new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });
        var forward = new HttpRequestMessage(new HttpMethod(request.Method), target);
        if (request.ContentLength is > 0) forward.Content = new StreamContent(request.Body);
        else if (HttpMethods.IsPut(request.Method) || HttpMethods.IsPost(request.Method)) forward.Content = new ByteArrayContent([]);
        foreach (var (name, values) in request.Headers.Where(h => h.Key is not ("Expect" or "Connection")))
        {
            if (!forward.Headers.TryAddWithoutValidation(name, (IEnumerable<string>)values!)) forward.Content?.Headers.TryAddWithoutValidation(name, (IEnumerable<string>)values!);
        }

        return _client.SendAsync(forward, HttpCompletionOption.ResponseHeadersRead, context.RequestAborted);
    }

    private async Task AnswerAsync(HttpContext context, HttpResponseMessage answer, HttpFault? fault)
    {
        var response = context.Response;
        response.StatusCode = (int)answer.StatusCode;
        foreach (var (name, values) in answer.Headers.Concat(answer.Content.Headers).Where(h => h.Key is not ("Transfer-Encoding" or "Connection" or "Keep-Alive")))
            response.Headers[name] = values.ToArray();
        if (fault is null)
        {
            await answer.Content.CopyToAsync(response.Body, context.RequestAborted);
            return;
        }

        var body = await answer.Content.ReadAsByteArrayAsync(context.RequestAborted);
        response.ContentLength = body.Length;
        if (fault == HttpFault.Slow)
        {
            foreach (var piece in body.Chunk(Math.Max(1, (body.Length / 8) + 1)))
            {
                await response.Body.WriteAsync(piece, context.RequestAborted);
                await response.Body.FlushAsync(context.RequestAborted);
                await Task.Delay(50, context.RequestAborted);
            }

            return;
        }

        await response.Body.WriteAsync(body.AsMemory(0, body.Length / 2), context.RequestAborted);
        await response.Body.FlushAsync(context.RequestAborted);
        if (fault == HttpFault.Stalled)
        {
            using var either = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token, context.RequestAborted);
            await Task.Delay(Timeout.InfiniteTimeSpan, either.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        context.Abort();
    }
}
