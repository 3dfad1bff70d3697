using Lathe.Contracts;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Lathe.Hosting;

/// <summary>Runs a stage as its own service: one call is the whole program of a stage.</summary>
public static class StageHost
{
    /// <summary>Exit code of a user's mistake, such as a setting that cannot be: the next start would end in the same way.</summary>
    public const int UserError = 2;

    /// <summary>Exit code of a worker that a fault of its stage ends; it should be started again.</summary>
    public const int StageFault = 70;

    /// <summary>Exit code where something is away that may come back, such as the broker: worth another start.</summary>
    public const int Away = 1;

    /// <summary>Exit code of a process that ends with a fault.</summary>
    internal static int ExitCodeOf(LatheException fault) => fault.Kind == FailureKind.Transient ? Away : UserError;

    /// <summary>Runs the stage until the process is stopped.</summary>
    /// <param name="args">See <see cref="SettingsOptions"/>.</param>
    /// <param name="beside">What the process hosts beside the stage; null: nothing.</param>
    /// <returns>Exit code: 0, or with one line on standard error <see cref="UserError"/> or <see cref="Away"/>.</returns>
    public static Task<int> RunAsync<TStage, TParameters>(string[] args, Action<LatheBusBuilder>? beside = null)
        where TStage : class, IStage<TParameters>, new() =>
        GuardAsync<TStage, TParameters>(async manifest =>
        {
            if (WorkerHelp.Answer(args, manifest) is not { } answer) return await ServeAsync<TStage, TParameters>(HostingSettings.Load(args), beside, default);
            await Console.Out.WriteLineAsync(answer);
            return 0;
        });

    /// <summary>The same with settings at hand.</summary>
    /// <param name="settings">They must name a broker.</param>
    /// <param name="beside">What the process hosts beside the stage; null: nothing.</param>
    /// <param name="stop">Ends it as SIGTERM does: running work saves its state and goes back to the queue.</param>
    public static Task<int> RunAsync<TStage, TParameters>(HostingSettings settings, Action<LatheBusBuilder>? beside = null, CancellationToken stop = default)
        where TStage : class, IStage<TParameters>, new() =>
        GuardAsync<TStage, TParameters>(_ => ServeAsync<TStage, TParameters>(settings, beside, stop));

    /// <summary>The worker as a host, for those who start and stop it themselves.</summary>
    public static IHost Build<TStage, TParameters>(HostingSettings settings, Action<LatheBusBuilder>? beside = null)
        where TStage : class, IStage<TParameters>, new()
    {
        if (settings.Broker is null)
        {
            throw new LatheException(
                $"a worker needs a broker to take work from: set {HostingSettings.BrokerVariable} or --broker to amqp://user:password@host:port/vhost");
        }

        if (TStage.Manifest.ReadsData) CheckData(settings);
        // Arguments and appsettings files are not read: HostingSettings is all there is to set.
        if (settings.HealthPort is not { } port) return With(Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings())).Build();
        var web = With(HealthEndpoints.Builder(port)).Build();
        web.UseRouting();
        web.MapHealth();
        return web;

        TBuilder With<TBuilder>(TBuilder builder)
            where TBuilder : IHostApplicationBuilder
        {
            builder.AddLatheTelemetry(ServiceName<TStage>());
            builder.Services.AddLatheBus(settings, bus =>
            {
                bus.AddStage<TStage, TParameters>();
                beside?.Invoke(bus);
            });
            if (settings.Drain is not null) builder.Services.AddHostedService<StopWhenDrained>();
            return builder;
        }
    }

    /// <summary>Refuses a place of data that is named and not there, before work is taken that would fail for it.</summary>
    private static void CheckData(HostingSettings settings)
    {
        try
        {
            DataPlaces.CheckNamed(settings);
        }
        catch (LatheException e) when (e.Kind == FailureKind.Transient)
        {
            // A bucket that does not answer now may answer later.
        }
    }

    /// <summary>Refuses a home or a store that cannot be written: every execution would fail there.</summary>
    private static void CheckFolders(HostingSettings settings)
    {
        Check(settings.Home, $"--home or {HostingSettings.HomeVariable}");
        if (!BucketAddress.IsOne(settings.Store)) Check(settings.Store, $"--store or {HostingSettings.StoreVariable}");

        static void Check(string folder, string setting)
        {
            try
            {
                Directory.CreateDirectory(folder);
                using var probe = new FileStream(Path.Combine(folder, $".{Guid.NewGuid():N}{AtomicFile.Aside}"), FileMode.CreateNew, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose);
                probe.WriteByte(0);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new LatheException($"the folder {folder} cannot be written ({StageFailure.Line(e).TrimEnd('.')}); name another one with {setting}, or give this user the right to it",
                    // A disk that is full may have room again.
                    MachineFault.IsFull(e) ? FailureKind.Transient : FailureKind.Permanent, e);
            }
        }
    }

    /// <summary>service.name of a stage's telemetry: Lathe.Pruner is <c>lathe-pruner</c>.</summary>
    private static string ServiceName<TStage>() =>
        typeof(TStage).Assembly.GetName().Name!.ToLowerInvariant().Replace('.', '-');

    private static async Task<int> ServeAsync<TStage, TParameters>(HostingSettings settings, Action<LatheBusBuilder>? beside, CancellationToken stop)
        where TStage : class, IStage<TParameters>, new()
    {
        if (settings.AnnounceOnly)
        {
            await AnnounceAsync<TStage, TParameters>(settings, stop);
            return 0;
        }

        if (settings.Broker is not null) CheckFolders(settings);
        using var host = Build<TStage, TParameters>(settings, beside);
        var logger = host.Services.GetRequiredService<ILoggerFactory>().CreateLogger("Lathe.Worker");
        try
        {
            await host.StartAsync(stop);
        }
        catch (IOException e) when (settings.HealthPort is not null && e.InnerException is AddressInUseException)
        {
            throw new LatheException($"port {settings.HealthPort} is taken by another program; choose another one for --health-port, or 0 for a free one", inner: e);
        }

        logger.LogInformation("worker {Worker} takes work from {Broker}", WorkerName.Of(TStage.Manifest.Name), settings.Broker);
        await host.WaitForShutdownAsync(stop);
        return host.Services.GetRequiredService<LastWords>().IsEnding || StageThread.Standing >= WorkerShutdown.MostStanding ? StageFault : 0;
    }

    /// <summary>The manifest with its schema; an author's slip in making it is told in one line.</summary>
    private static StageManifest ManifestOf<TStage, TParameters>()
        where TStage : class, IStage<TParameters>, new()
    {
        try
        {
            return Manifests.Of<TStage, TParameters>();
        }
#pragma warning disable CA1031 // The author's code makes it, and may throw anything.
        catch (Exception e) when (e is not (LatheException or OutOfMemoryException))
#pragma warning restore CA1031
        {
            throw new LatheException($"its manifest cannot be made: {e.GetBaseException().GetType().Name}: {e.GetBaseException().Message.Split('\n')[0].TrimEnd()}", inner: e);
        }
    }

    /// <summary>A bus without the stage's queue: nothing is taken, only the manifest is sent.</summary>
    private static async Task AnnounceAsync<TStage, TParameters>(HostingSettings settings, CancellationToken stop)
        where TStage : class, IStage<TParameters>, new()
    {
        if (settings.Broker is null)
            throw new LatheException($"--announce needs a broker: set {HostingSettings.BrokerVariable} or --broker");
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.AddLatheTelemetry(ServiceName<TStage>());
        builder.Services.AddLatheBus(settings, bus => bus.AnnounceOnly<TStage, TParameters>());
        using var host = builder.Build();
        await host.StartAsync(stop);
        await host.StopAsync(stop);
    }

    private static async Task<int> GuardAsync<TStage, TParameters>(Func<StageManifest, Task<int>> serve)
        where TStage : class, IStage<TParameters>, new()
    {
        var stage = typeof(TStage).Name;
        try
        {
            var manifest = ManifestOf<TStage, TParameters>();
            stage = manifest.Name;
            // Before settings and broker: what is wrong here is wrong everywhere.
            ManifestCheck.ThrowUnlessSound(manifest);
            return await serve(manifest);
        }
        catch (LatheException e)
        {
            await Console.Error.WriteLineAsync($"lathe worker {stage}: {e.Message}");
            return ExitCodeOf(e);
        }
        catch (OperationCanceledException)
        {
            return 0;
        }
    }
}
