using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Lathe.Hosting.Tests;

/// <summary>A home with data, a coordinator's end of the bus, and as many workers as a test wants.</summary>
public sealed class Workshop : IAsyncDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly List<IHost> _hosts = [];
    private IHost? _coordinator;

    public Workshop(string? broker = null, int computeSlots = 1, Func<HostingSettings, HostingSettings>? settings = null)
    {
        Settings = HostingSettings.In(_folder.Path) with
        {
            Broker = broker is null ? null : BrokerAddress.Parse(broker),
            SlotFolder = Path.Combine(_folder.Path, "slots"),
            Threads = 1,
            ComputeSlots = computeSlots,
        };
        Settings = settings?.Invoke(Settings) ?? Settings;
        var data = Directory.CreateDirectory(Path.Combine(_folder.Path, "data", "mnist")).FullName;
        foreach (var file in DataSetFiles.ByName["mnist"]) File.WriteAllText(Path.Combine(data, file), file);
        Data = DataFingerprint.Find("mnist", Settings);
    }

    public HostingSettings Settings { get; }

    public DataRef Data { get; }

    public ReportInbox Inbox { get; } = new();

    /// <summary>Queue of the reports; each test has its own.</summary>
    public string Queue { get; } = $"lathe.test.{Guid.NewGuid():N}";

    internal StageSender Sender => _coordinator!.Services.GetRequiredService<StageSender>();

    public CheckpointStore Checkpoints => new(Settings);

    /// <summary>Starts the coordinator's end; on the in-memory bus with the worker in the same process, as embedded mode does.</summary>
    public async Task<Workshop> StartAsync()
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Logging.SetMinimumLevel(LogLevel.None);
        builder.Services.AddSingleton(Inbox);
        builder.Services.AddLatheBus(Settings, bus =>
        {
            bus.AddReports<ReportConsumer>(Queue);
            if (Settings.Broker is null) bus.AddStage<ToyStage, ToyCounting>();
        });
        _coordinator = builder.Build();
        _hosts.Add(_coordinator);
        await _coordinator.StartAsync();
        return this;
    }

    /// <summary>Starts a worker as a service would.</summary>
    public async Task<IHost> WorkerAsync(Func<HostingSettings, HostingSettings>? change = null)
    {
        var host = StageHost.Build<ToyStage, ToyCounting>(change?.Invoke(Settings) ?? Settings);
        _hosts.Add(host);
        await host.StartAsync();
        return host;
    }

    public ExecuteStage Command(
        ToyCounting parameters, long seed = 1, Guid? sweep = null, bool fresh = false, string version = "1", int? threads = null, DeviceKind? device = null)
    {
        var json = JsonSerializer.SerializeToElement(parameters, LatheJson.Options);
        var key = ExecutionKey.Compute(ToyStage.Manifest, json, null, Data, seed, threads, device);
        return new ExecuteStage(Guid.NewGuid(), sweep ?? Guid.NewGuid(), key, "toy", version, json, null, Data, seed, 1, fresh, Queue, threads, device, DateTimeOffset.UtcNow);
    }

    public Task<StageCompleted> Completed(ExecuteStage command) => Next<StageCompleted>(command);

    public Task<StageFailed> Failed(ExecuteStage command) => Next<StageFailed>(command);

    public Task<StageCancelled> Cancelled(ExecuteStage command) => Next<StageCancelled>(command);

    /// <summary>A report about the attempt that the command names.</summary>
    public Task<T> Next<T>(ExecuteStage command)
        where T : class, IStageReport =>
        Inbox.Next<T>(r => (r.ExecutionId, r.Attempt, r.Key, r.Stage) == (command.ExecutionId, command.Attempt, command.Key, command.Stage));

    public Task CancelAsync(params ExecuteStage[] commands) =>
        Sender.CancelAsync(new CancelExecutions([.. commands.Select(c => new CancelledExecution(c.ExecutionId, c.Attempt, "cancelled"))]));

    public async ValueTask DisposeAsync()
    {
        foreach (var host in Enumerable.Reverse(_hosts))
        {
            await host.StopAsync();
            host.Dispose();
        }

        _folder.Dispose();
    }
}
