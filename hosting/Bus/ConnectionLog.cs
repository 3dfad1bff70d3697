using System.Collections.Concurrent;
using MassTransit;
using Microsoft.Extensions.Logging;

namespace Lathe.Hosting;

/// <summary>Says in one line each when a queue's connection is lost and when it is back.</summary>
internal sealed class ConnectionLog(ILogger<ConnectionLog> logger) : IReceiveEndpointObserver
{
    private readonly ConcurrentDictionary<Uri, bool> _lost = new();

    public Task Ready(ReceiveEndpointReady ready)
    {
        if (_lost.TryRemove(ready.InputAddress, out _)) logger.LogInformation("the connection to queue {Queue} is back", Name(ready.InputAddress));
        else if (ready.IsStarted) logger.LogDebug("takes messages from {Queue}", Name(ready.InputAddress));
        return Task.CompletedTask;
    }

    public Task Stopping(ReceiveEndpointStopping stopping) => Task.CompletedTask;

    public Task Completed(ReceiveEndpointCompleted completed) => Task.CompletedTask;

    public Task Faulted(ReceiveEndpointFaulted faulted)
    {
        _lost[faulted.InputAddress] = true;
        logger.LogWarning("the connection to queue {Queue} is lost ({Reason}); connecting again", Name(faulted.InputAddress), faulted.Exception?.Message ?? "no reason given");
        return Task.CompletedTask;
    }

    private static string Name(Uri address) => address.AbsolutePath.TrimStart('/');
}
