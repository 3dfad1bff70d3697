using Lathe.Contracts;
using Lathe.Hosting;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging.Console;
using OpenTelemetry.Trace;

namespace Lathe.Coordinator;

/// <summary>
/// Adds a coordinator to a process: to its own process, with its HTTP interface, or to the process of an embedded run with its stages:
/// <code>
/// services.AddLatheBus(settings, bus => bus.AddStage&lt;...&gt;().AddCoordinator(options));
/// services.AddLatheCoordinator(settings, DatabaseAddress.Load(settings), options);
/// </code>
/// </summary>
public static class CoordinatorHost
{
    /// <summary>Address of the HTTP interface.</summary>
    public const string HttpVariable = "LATHE_HTTP";

    public const string DefaultHttp = "http://127.0.0.1:5080";

    /// <summary>The only argument of a coordinator that brings the tables of its database up to date and ends.</summary>
    public const string MigrateOption = "--migrate";

    /// <summary>A reply queue of this process, so that it never consumes the reports of the cluster's coordinator.</summary>
    public static string OwnQueue() => $"lathe.run.{Environment.MachineName}.{Environment.ProcessId}.{Guid.NewGuid():N}";

    /// <summary>True where a queue is one of <see cref="OwnQueue"/>'s and its process, of this machine, is no more.</summary>
    public static bool IsOfGoneProcess(string queue)
    {
        // The machine's name may have dots too.
        if (queue.Split('.') is not ["lathe", "run", .. var machine, var process, _] || string.Join('.', machine) != Environment.MachineName || !int.TryParse(process, out var id)) return false;
        try
        {
            using var found = System.Diagnostics.Process.GetProcessById(id);
            return found.HasExited;
        }
        catch (ArgumentException)
        {
            return true;
        }
    }

    /// <summary>Subscribes the coordinator to reports and announcements on the bus.</summary>
    public static LatheBusBuilder AddCoordinator(this LatheBusBuilder bus, CoordinatorOptions options) =>
        bus.AddReports<ReportConsumer>(options.ReplyQueue, options.ReportsAtATime);

    /// <summary>
    /// Adds <see cref="Orchestrator"/>, <see cref="SweepQueries"/>, <see cref="StageCatalog"/> and the reconciler. Needs the bus.
    /// </summary>
    public static IServiceCollection AddLatheCoordinator(
        this IServiceCollection services, HostingSettings settings, DatabaseAddress database, CoordinatorOptions options)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(options);
        services.AddSingleton(new CoordinatorStore(database));
        services.AddSingleton<SweepQueries>();
        services.AddSingleton<StageCatalog>();
        services.AddSingleton<WorkerRoster>();
        services.AddSingleton<WorkerTruth>();
        services.AddSingleton<IStageBus, SenderBus>();
        services.AddSingleton<Func<string, DataRef>>(name => DataFingerprint.Find(name, settings));
        services.AddSingleton<Orchestrator>();
        services.AddSingleton(provider => new StoreCollector(provider.GetRequiredService<CoordinatorStore>(), Blobs.Of(settings), provider.GetRequiredService<TimeProvider>()));
        services.AddHostedService<DatabasePreparation>();
        services.AddSingleton<ReportInbox>();
        services.AddHostedService(provider => provider.GetRequiredService<ReportInbox>());
        services.AddHostedService<DispatchLoop>();
        services.AddHostedService<ChoresLoop>();
        services.AddHostedService<Reconciler>();
        services.AddHealthChecks().AddCheck<DatabaseHealth>("database");
        return services;
    }

    /// <summary>A coordinator with its HTTP interface.</summary>
    /// <param name="settings">They must name a broker if no stage runs in this process.</param>
    /// <param name="database">Holds its state.</param>
    /// <param name="http">Address to listen on; port 0 takes a free one.</param>
    /// <param name="options">Its intervals and limits.</param>
    /// <param name="stages">Adds stages that run in this process.</param>
    /// <param name="api">Who may use the HTTP interface; by default as the environment says.</param>
    public static WebApplication Build(
        HostingSettings settings,
        DatabaseAddress database,
        string http,
        CoordinatorOptions? options = null,
        Action<LatheBusBuilder>? stages = null,
        ApiSettings? api = null)
    {
        if (settings.Broker is null && stages is null)
        {
            throw new LatheException(
                $"a coordinator needs a broker to send work through: set {HostingSettings.BrokerVariable} or --broker to "
                + "amqp://user:password@host:port/vhost");
        }

        options ??= new CoordinatorOptions();
        api ??= ApiSettings.Load(CheckedHttp(http));
        var builder = HttpBuilder(http, api);
        builder.AddLatheTelemetry("lathe-coordinator", tracing: traces => traces.AddAspNetCoreInstrumentation());
        // The web server's scopes, a connection and a request, say nothing to who reads the console; traces have them.
        builder.Services.Configure<SimpleConsoleFormatterOptions>(line => line.IncludeScopes = false);
        builder.Services.AddLatheCoordinator(settings, database, options);
        builder.Services.AddSingleton<Func<string, DataRef>>(provider => ServedDataSets.Find(settings, provider.GetRequiredService<ILoggerFactory>()));
        builder.Services.AddLatheBus(settings, bus =>
        {
            bus.AddCoordinator(options);
            stages?.Invoke(bus);
        });

        builder.Services.AddSingleton(RetentionRule.Load() ?? RetentionRule.OfSweeps);
        builder.Services.AddHostedService<RetentionLoop>();
        builder.Services.TryAddSingleton(settings);

        var app = builder.Build();
        app.MapRestApi(api);
        app.MapHealth();
        return app;
    }

    /// <summary>A builder of a program with the HTTP interface; <see cref="RestApi.MapRestApi"/> maps it once the program is built.</summary>
    /// <param name="http">Address to listen on; port 0 takes a free one.</param>
    /// <param name="api">Who may use it and how much.</param>
    public static WebApplicationBuilder HttpBuilder(string http, ApiSettings api)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls(CheckedHttp(http)).ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = api.BodyBytes;
        });
        builder.Services.AddRoutingCore();
        builder.Services.AddRestApi(api);
        return builder;
    }

    /// <summary>Runs the coordinator until the process is stopped.</summary>
    /// <param name="args">See <see cref="SettingsOptions"/>; with <see cref="MigrateOption"/> among them, only the database is prepared.</param>
    /// <returns>Exit code: 0, or 2 with one line on standard error.</returns>
    public static Task<int> RunAsync(string[] args) => args.Contains(MigrateOption)
        ? GuardAsync(() => MigrateAsync(HostingSettings.Load([.. args.Where(a => a != MigrateOption)])))
        : GuardAsync(() => ServeAsync(HostingSettings.Load(args), default));

    /// <summary>The same with given settings; database and HTTP address come from the environment.</summary>
    public static Task<int> RunAsync(HostingSettings settings, CancellationToken stop = default) =>
        GuardAsync(() => ServeAsync(settings, stop));

    private static async Task ServeAsync(HostingSettings settings, CancellationToken stop)
    {
        var http = Environment.GetEnvironmentVariable(HttpVariable) is { Length: > 0 } given ? given.Trim() : DefaultHttp;
        var database = DatabaseAddress.Load(settings);
        CheckHome(settings.Home);
        await using var app = Build(settings, database, http);
        try
        {
            await app.StartAsync(stop);
        }
        catch (IOException e) when (e.InnerException is AddressInUseException)
        {
            throw new LatheException($"{http} is taken by another program; set {HttpVariable} to another address, for example http://127.0.0.1:5081");
        }

        app.Logger.LogInformation("Coordinator on {Http}, broker {Broker}, database {Database}", string.Join(", ", app.Urls), settings.Broker, database);
        await app.WaitForShutdownAsync(stop);
    }

    /// <summary>Says at the start what would otherwise fail every submission.</summary>
    /// <exception cref="LatheException">The home cannot be written.</exception>
    internal static void CheckHome(string home)
    {
        try
        {
            Directory.CreateDirectory(home);
            using var probe = File.Create(Path.Combine(home, $".{Guid.NewGuid():N}"), 1, FileOptions.DeleteOnClose);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LatheException(
                $"the home {home} cannot be written ({e.Message}); a coordinator keeps the fingerprints of data sets there: set {HostingSettings.HomeVariable} to a folder that it may write");
        }
    }

    /// <summary>What every coordinator does at its start, for a release that does it once before its coordinators start. Needs no broker.</summary>
    private static async Task MigrateAsync(HostingSettings settings)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.AddLatheTelemetry("lathe-migrations");
        using var host = builder.Build();
        var logs = host.Services.GetRequiredService<ILoggerFactory>();
        var database = DatabaseAddress.Load(settings);
        await new DatabasePreparation(new CoordinatorStore(database), new CoordinatorOptions(), TimeProvider.System, logs.CreateLogger<DatabasePreparation>())
            .StartingAsync(default);
        logs.CreateLogger("Lathe.Coordinator.Migrations").LogInformation("The tables of {Database} are up to date", database);
    }

    private static string CheckedHttp(string http) =>
        Uri.TryCreate(http.Replace("//*", "//any", StringComparison.Ordinal).Replace("//+", "//any", StringComparison.Ordinal), UriKind.Absolute, out var uri)
        && uri.Scheme == Uri.UriSchemeHttp && uri.AbsolutePath == "/"
            ? http
            : throw new LatheException($"{HttpVariable} is '{http}'; expected http://host:port, for example {DefaultHttp} or http://*:5080");

    private static async Task<int> GuardAsync(Func<Task> serve)
    {
        try
        {
            await serve();
            return 0;
        }
        catch (LatheException e)
        {
            await Console.Error.WriteLineAsync($"lathe coordinator: {e.Message}");
            return StageHost.ExitCodeOf(e);
        }
        catch (OperationCanceledException)
        {
            return 0;
        }
    }
}
