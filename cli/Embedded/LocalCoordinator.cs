using Lathe.Cli.Output;
using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Exports;
using Lathe.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Lathe.Cli.Embedded;

/// <summary>
/// A coordinator in this process with its own reply queue, and the stages that no other process runs: without a broker all of them, with a
/// broker those that no worker has announced.
/// </summary>
internal sealed class LocalCoordinator : IAsyncDisposable
{
    /// <summary>Time for workers to announce themselves.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    /// <summary>Commands of other terminals write into the database, and this process is to obey soon.</summary>
    private static readonly TimeSpan Watchfulness = TimeSpan.FromSeconds(2);

    /// <summary>A free port of this machine, which no other can reach.</summary>
    public const string FreePort = "http://127.0.0.1:0";

    private readonly List<IHost> _hosts = [];
    private readonly CoordinatorOptions _options = new() { ReplyQueue = CoordinatorHost.OwnQueue(), ReconcileInterval = Watchfulness };

    private LocalCoordinator()
    {
    }

    /// <summary>Address of the web page and the HTTP interface; null: they are not served.</summary>
    public string? Page => (_hosts[0] as WebApplication)?.Urls.First();

    private IServiceProvider Services => _hosts[0].Services;

    public Orchestrator Orchestrator => Services.GetRequiredService<Orchestrator>();

    public SweepQueries Queries => Services.GetRequiredService<SweepQueries>();

    /// <summary>Why the database cannot be written as long as nobody makes room for it; null: it can.</summary>
    public string? DiskTrouble => Services.GetServices<IHostedService>()
        .Select(service => service is ReportInbox inbox ? inbox.Trouble : (service as Loop)?.Trouble).FirstOrDefault(Outage.IsOfDisk)?.GetBaseException().Message;

    /// <summary>Starts it; when the task ends, every stage of the sweep has a worker.</summary>
    /// <param name="settings">Home, store, broker.</param>
    /// <param name="wanted">Names of the stages that the sweep needs.</param>
    /// <param name="log">Receives the services' logs.</param>
    /// <param name="say">Prints one line for the user.</param>
    /// <param name="http">Address for the web page and the HTTP interface; null: they are not served.</param>
    /// <param name="stop">Cancels it.</param>
    /// <exception cref="LatheException">The broker or the database does not answer, or the address is taken.</exception>
    public static async Task<LocalCoordinator> StartAsync(
        HostingSettings settings, IReadOnlyCollection<string> wanted, LogFile log, Action<string> say, string? http, CancellationToken stop)
    {
        var local = new LocalCoordinator();
        try
        {
            var options = local._options;
            IReadOnlyCollection<BuiltInStage> here = settings.Broker is null ? [.. BuiltInStages.ByName.Values] : [];
            await local.AddHostAsync(settings, log, here, options, http, stop);
            if (settings.Broker is not null) here = await local.HostMissingAsync(settings, wanted, options, log, say, stop);
            // Known at once, without waiting for their announcements.
            var catalog = local.Services.GetRequiredService<StageCatalog>();
            foreach (var stage in here) await catalog.AddAsync(stage.Manifest, stop);
            return local;
        }
        catch (LatheException e) when (BrokerClient.IsAway(e))
        {
            await local.DisposeAsync();
            throw new LatheException($"{e.Message}, or leave out --broker and {HostingSettings.BrokerVariable} to run everything in one process", e.Kind, e);
        }
        catch
        {
            await local.DisposeAsync();
            throw;
        }
    }

    public Task<SubmissionOutcome> SubmitAsync(SweepSubmission submission, CancellationToken stop) =>
        Orchestrator.SubmitAsync(submission, stop: stop);

    /// <summary>Stops at the next batch: running stages save their states.</summary>
    public async Task StopAsync()
    {
        // Workers first, so that the coordinator still receives their last reports.
        foreach (var host in Enumerable.Reverse(_hosts)) await host.StopAsync();
    }

    /// <summary>Records that a sweep was stopped; call it after <see cref="StopAsync"/>.</summary>
    public Task InterruptAsync(Guid sweep) => Orchestrator.InterruptAsync(sweep);

    /// <summary>Records that every sweep of this process was stopped; call it after <see cref="StopAsync"/>.</summary>
    public async Task InterruptAsync()
    {
        await using var database = Services.GetRequiredService<CoordinatorStore>().Open();
        var running = await database.Sweeps.Where(s => s.Owner == _options.ReplyQueue && (s.State == SweepState.Running || s.State == SweepState.Preparing)).Select(s => s.Id).ToListAsync();
        foreach (var sweep in running) await InterruptAsync(sweep);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var host in Enumerable.Reverse(_hosts))
        {
            await host.StopAsync();
            if (host is IAsyncDisposable disposable) await disposable.DisposeAsync();
            else host.Dispose();
        }

        _hosts.Clear();
    }

    private async Task<IReadOnlyCollection<BuiltInStage>> HostMissingAsync(
        HostingSettings settings, IReadOnlyCollection<string> wanted, CoordinatorOptions options, LogFile log, Action<string> say, CancellationToken stop)
    {
        var catalog = Services.GetRequiredService<StageCatalog>();
        await catalog.AskAsync(Services.GetRequiredService<IStageBus>(), options.ReplyQueue, wanted, Patience, stop);
        var missing = wanted.Where(name => !catalog.HasHeard(name) && BuiltInStages.ByName.ContainsKey(name)).Select(name => BuiltInStages.ByName[name]).ToList();
        if (missing.Count == 0) return missing;
        say($"no worker answered for {string.Join(", ", missing.Select(s => s.Manifest.Name))}: running {(missing.Count == 1 ? "it" : "them")} here");
        await AddHostAsync(settings, log, missing, null, null, stop);
        return missing;
    }

    private async Task AddHostAsync(
        HostingSettings settings, LogFile log, IReadOnlyCollection<BuiltInStage> stages, CoordinatorOptions? options, string? http, CancellationToken stop)
    {
        var api = http is null ? null : ApiSettings.Load(http);
        IHostApplicationBuilder builder = api is null ? Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings()) : CoordinatorHost.HttpBuilder(http!, api);
        builder.AddLatheTelemetry("lathe", LogLevel.None);
        builder.Logging.AddProvider(log);
        // The command handles signals.
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        if (options is not null) builder.Services.AddLatheCoordinator(settings, DatabaseAddress.Load(settings), options);
        // Its own workers compute what names no pool: LATHE_POOL is meant for a worker.
        builder.Services.AddLatheBus(settings with { Pool = null }, bus =>
        {
            foreach (var stage in stages) stage.AddTo(bus);
            if (api is not null && stages.Count > 0) bus.AddExporter(new CheckpointExporter());
            if (options is not null) bus.AddCoordinator(options);
        });
        var host = builder switch
        {
            WebApplicationBuilder web => Mapped(web.Build(), api!),
            HostApplicationBuilder usual => usual.Build(),
            _ => throw new InvalidOperationException($"{builder.GetType().Name} builds no host"),
        };
        _hosts.Add(host);
        try
        {
            await host.StartAsync(stop);
        }
        catch (IOException e) when (e.InnerException is AddressInUseException)
        {
            throw new LatheException($"{http} is taken by another program; name another port", inner: e);
        }
    }

    private static IHost Mapped(WebApplication app, ApiSettings api)
    {
        app.MapRestApi(api);
        app.MapHealth();
        return app;
    }

    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
