using System.Diagnostics;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Microsoft.Extensions.Hosting;

namespace Lathe.Hosting;

/// <summary>Tells coordinators which stages this process hosts.</summary>
internal sealed class Announcer(LatheBusBuilder parts, ReportSender reports, HostingSettings settings)
{
    private readonly WorkerAbout _about = new(
        typeof(Announcer).Assembly.GetName().Version?.ToString(3) ?? "", Process.GetCurrentProcess().StartTime.ToUniversalTime(), settings.Threads, settings.Device.ToString(),
        [.. parts.Exporters.SelectMany(e => e.Formats)])
    {
        Pool = settings.Pool,
    };

    public async Task Announce(string queue, CancellationToken stop)
    {
        foreach (var stage in parts.Stages)
            await reports.SendAsync(queue, new StageAnnounced(stage.Manifest, WorkerName.Of(stage.Manifest.Name), _about), null, stop);
    }
}

/// <summary>Announces the stages once the bus is up.</summary>
internal sealed class AnnounceAtStart(LatheBusBuilder parts, Announcer announcer, HostingSettings settings) : IHostedService
{
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var queues = parts.ReportQueues.ToHashSet();
        if (settings.Broker is not null) queues.Add(Queues.Coordinator);
        foreach (var queue in queues) await announcer.Announce(queue, cancellationToken);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}

/// <summary>Makes sure, before the bus starts, that the broker answers and the queues are there.</summary>
internal sealed class BrokerPreparation(BrokerClient broker, LatheBusBuilder parts, HostingSettings settings) : IHostedService
{
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (parts.ReportQueues.Contains(Queues.Coordinator)) await broker.DeclareCoordinatorAsync(cancellationToken);
        else await broker.EnsureCoordinatorAsync(cancellationToken);
        foreach (var stage in parts.Stages) await broker.DeclareStageAsync(stage.QueueIn(settings.Pool), cancellationToken);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}

/// <summary>Names of workers: host, process id and stage.</summary>
internal static class WorkerName
{
    public static string Of(string stage) => $"{Environment.MachineName}:{Environment.ProcessId}:{stage}";
}
