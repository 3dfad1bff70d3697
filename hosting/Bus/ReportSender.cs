using MassTransit;
using Headers = Lathe.Contracts.Messages.Headers;

namespace Lathe.Hosting;

/// <summary>A worker's way to a coordinator.</summary>
internal sealed class ReportSender(IBus bus, HostingSettings settings)
{
    /// <summary>Sends a report or an announcement.</summary>
    /// <param name="queue">Queue of the coordinator.</param>
    /// <param name="report">The message.</param>
    /// <param name="traceParent">W3C trace context, or null.</param>
    /// <param name="stop">Gives up.</param>
    public async Task SendAsync<T>(string queue, T report, string? traceParent, CancellationToken stop)
        where T : class
    {
        var endpoint = await bus.GetSendEndpoint(BusAddress.Reports(queue, inMemory: settings.Broker is null));
        await endpoint.Send(
            report,
            context =>
            {
                if (traceParent is not null) context.Headers.Set(Headers.TraceParent, traceParent);
            },
            stop);
    }
}
