using System.Collections.Concurrent;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Lathe.Coordinator;
using Lathe.Hosting;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Lathe.Cli.Embedded;

/// <summary>What workers on a broker say of their stages, for a command that only asks.</summary>
internal sealed class StagesOfWorkers : IAsyncDisposable
{
    /// <summary>Time for workers to announce themselves: as long as a run gives them.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    /// <summary>Time for a worker to answer a question: as long as a coordinator gives it.</summary>
    private static readonly TimeSpan AnswerPatience = new CoordinatorOptions().CheckPatience;

    private readonly IHost _host;
    private readonly Heard _heard;

    private StagesOfWorkers(IHost host, Heard heard) => (_host, _heard) = (host, heard);

    /// <summary>Each stage that a worker announced, in its newest version.</summary>
    public IReadOnlyDictionary<string, StageManifest> Manifests => _heard.Newest;

    /// <summary>Asks who is there, and waits until these stages have answered or the time is over.</summary>
    /// <param name="settings">They name a broker.</param>
    /// <param name="wanted">Names of stages.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="LatheException">The broker does not answer.</exception>
    public static async Task<StagesOfWorkers> AskAsync(HostingSettings settings, IReadOnlyCollection<string> wanted, CancellationToken stop)
    {
        var (heard, queue) = (new Heard(wanted), CoordinatorHost.OwnQueue());
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Logging.SetMinimumLevel(LogLevel.None);
        builder.Services.AddSingleton(heard);
        builder.Services.AddLatheBus(settings, bus => bus.AddReports<Listener>(queue));
        var asked = new StagesOfWorkers(builder.Build(), heard);
        try
        {
            await asked._host.StartAsync(stop);
            await asked._host.Services.GetRequiredService<StageSender>().AskForStagesAsync(queue, stop);
            await heard.All.WaitAsync(Patience, stop);
        }
        catch (TimeoutException)
        {
            // Who has not answered is not there.
        }
        catch
        {
            await asked.DisposeAsync();
            throw;
        }

        return asked;
    }

    /// <summary>What a worker says to parameters.</summary>
    /// <exception cref="LatheException">No worker answers.</exception>
    public Task<StageChecked> CheckAsync(CheckStage request, CancellationToken stop) =>
        _host.Services.GetRequiredService<StageSender>().CheckAsync(request, AnswerPatience, stop);

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        _host.Dispose();
    }

    /// <summary>What was announced so far.</summary>
    private sealed class Heard(IReadOnlyCollection<string> wanted)
    {
        private readonly ConcurrentDictionary<string, StageManifest> _newest = new(StringComparer.Ordinal);
        private readonly TaskCompletionSource _all = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public IReadOnlyDictionary<string, StageManifest> Newest => _newest;

        public Task All => _all.Task;

        public void Add(StageManifest? manifest)
        {
            // As a coordinator, which plans nothing for a stage that cannot be served.
            if (manifest is null || ManifestCheck.Problems(manifest).Count > 0) return;
            _newest.AddOrUpdate(manifest.Name, manifest, (_, known) => StageCatalog.IsOlder(manifest.Version, known.Version) ? known : manifest);
            if (wanted.All(_newest.ContainsKey)) _all.TrySetResult();
        }
    }

    private sealed class Listener(Heard heard) : IConsumer<StageAnnounced>
    {
        public Task Consume(ConsumeContext<StageAnnounced> context)
        {
            heard.Add(context.Message.Manifest);
            return Task.CompletedTask;
        }
    }
}
