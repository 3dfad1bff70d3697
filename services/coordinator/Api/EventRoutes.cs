using System.Data.Common;
using System.Globalization;
using System.Text.Json;
using Lathe.Contracts;

namespace Lathe.Coordinator;

/// <summary>
/// Events of a sweep as server-sent events. A watcher that lost its connection names the last event that it has, and misses nothing that is kept.
/// An event says that something changed; a status says how things stand.
/// </summary>
internal sealed class EventRoutes(SweepTargets targets, SweepQueries queries, CoordinatorStore store, Orchestrator orchestrator, IHostApplicationLifetime lifetime, ApiSettings settings, TimeProvider time)
{
    public const string MediaType = "text/event-stream";

    private const string LastEventId = "Last-Event-ID";
    private const int AtATime = 500;
    private const int RetrySeconds = 10;

    /// <summary>As <c>since</c>: only what happens from now on.</summary>
    private const long FromNow = -1;

    // Another coordinator may have written something, of which nobody tells this process.
    private static readonly TimeSpan Poll = TimeSpan.FromSeconds(1);

    // Proxies end a connection on which nothing comes for a while.
    private static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(15);

    // A large sweep moves a hundred times a second; what happens in a moment is read and sent together.
    private static readonly TimeSpan Gathering = TimeSpan.FromMilliseconds(100);

    private int _open;

    /// <summary>Sends events until the client leaves, the sweep is deleted or the coordinator stops.</summary>
    /// <param name="reference">The sweep.</param>
    /// <param name="since">Only what came after this event; null: all that are kept.</param>
    /// <param name="progress">True: also how far the executions are that run. These events have no id, as none is kept.</param>
    /// <param name="context">Of the request.</param>
    public async Task StreamAsync(string reference, long? since, bool? progress, HttpContext context)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, lifetime.ApplicationStopping);
        var stop = either.Token;
        var last = LastSeen(context) ?? since ?? 0;
        var id = await targets.IdAsync(reference, stop);
        if (last == FromNow) last = await queries.LastEventAsync(id, stop);
        if (Interlocked.Increment(ref _open) > settings.Streams)
        {
            Interlocked.Decrement(ref _open);
            throw new ApiFault(
                StatusCodes.Status503ServiceUnavailable,
                $"{settings.Streams} event streams are open, and this coordinator takes no more; ask for the sweep itself, with its ETag, every second or two") { RetryAfter = RetrySeconds };
        }

        var woken = new Signal();
        var heard = progress == true ? new HeardProgress(store, id) : null;
        orchestrator.Happened += woken.Set;
        try
        {
            context.Response.ContentType = MediaType;
            context.Response.Headers.CacheControl = "no-store";
            // Says that a client may come back after a second; and a client sees at once that it is connected.
            await WriteAsync(context, "retry: 1000\n\n", stop);
            var wrote = time.GetTimestamp();
            long? asked = null;
            while (true)
            {
                var events = await queries.EventsAsync(id, last, AtATime, stop);
                if (events.Count > 0)
                {
                    await WriteAsync(context, string.Concat(events.Select(Text)), stop);
                    (last, wrote) = (events[^1].Sequence, time.GetTimestamp());
                    if (events.Count == AtATime) continue;
                    await Task.Delay(Gathering, time, stop);
                }

                if (heard is not null && (asked is not { } at || time.GetElapsedTime(at) >= Poll))
                {
                    asked = time.GetTimestamp();
                    if (await heard.NextAsync(stop) is { Count: > 0 } moved)
                    {
                        await WriteAsync(context, $"event: progress\ndata: {JsonSerializer.Serialize(new { Executions = moved }, LatheJson.Options)}\n\n", stop);
                        wrote = time.GetTimestamp();
                    }
                }

                if (time.GetElapsedTime(wrote) >= Heartbeat)
                {
                    await targets.IdAsync(id.ToString(), stop);
                    await WriteAsync(context, ": still here\n\n", stop);
                    wrote = time.GetTimestamp();
                }

                await woken.WaitAsync(Poll, time, stop);
            }
        }
        catch (Exception e) when (context.Response.HasStarted && (stop.IsCancellationRequested || e is ApiFault or DbException or LatheException or InvalidOperationException))
        {
            // Gone, deleted, stopping, or the database is away: a client that still wants them comes back with the last one it has.
        }
        finally
        {
            orchestrator.Happened -= woken.Set;
            Interlocked.Decrement(ref _open);
        }
    }

    private static long? LastSeen(HttpContext context) => context.Request.Headers[LastEventId].FirstOrDefault() switch
    {
        null or "" => null,
        var text when long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var sequence) => sequence,
        var text => throw new ApiFault(StatusCodes.Status400BadRequest, $"{LastEventId} is '{text}', expected the id of an event"),
    };

    private static string Text(SweepEvent happened) =>
        string.Create(CultureInfo.InvariantCulture, $"id: {happened.Sequence}\nevent: {happened.Kind}\ndata: {JsonSerializer.Serialize(happened, LatheJson.Options)}\n\n");

    private static async Task WriteAsync(HttpContext context, string text, CancellationToken stop)
    {
        await context.Response.WriteAsync(text, stop);
        await context.Response.Body.FlushAsync(stop);
    }
}
