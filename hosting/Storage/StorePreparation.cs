using Microsoft.Extensions.Hosting;

namespace Lathe.Hosting;

/// <summary>A bucket that does not answer or may not be listed ends the start, not every stage after it.</summary>
internal sealed class StorePreparation(HostingSettings settings) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken) =>
        Task.Run(() => new BucketClient(settings.Buckets, BucketAddress.Parse(settings.Store)).Check(), cancellationToken);

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
