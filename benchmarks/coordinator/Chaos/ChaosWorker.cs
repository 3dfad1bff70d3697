using System.Security.Cryptography;
using System.Text;
using Lathe.Contracts;
using Lathe.Hosting;
using Microsoft.Extensions.Hosting;

namespace Lathe.Benchmarks.Coordinator;

public sealed record FirstParameters([property: System.ComponentModel.DataAnnotations.Range(0, 1_000_000)] int N = 0);

public sealed record SecondParameters(int N = 0);

/// <summary>Starts from nothing, takes 0.05 to 0.3 s, leaves a checkpoint.</summary>
public sealed class FirstStage : IStage<FirstParameters>
{
    public static StageManifest Manifest { get; } = new("first", ChaosWorker.Version, "Waits.", StageInput.Model, Contracts.StageOutput.Checkpoint, Metrics: [new("seconds", "seconds", Format: MetricFormat.Seconds)], ReadsData: false);

    public StageOutcome Run(StageRun run, FirstParameters parameters) => ChaosWorker.Compute(run);
}

/// <summary>The same, starting from a checkpoint.</summary>
public sealed class SecondStage : IStage<SecondParameters>
{
    public static StageManifest Manifest { get; } = new("second", ChaosWorker.Version, "Waits.", StageInput.Checkpoint, Contracts.StageOutput.Checkpoint, Metrics: [new("seconds", "seconds", Format: MetricFormat.Seconds)], ReadsData: false);

    public StageOutcome Run(StageRun run, SecondParameters parameters) => ChaosWorker.Compute(run);
}

/// <summary>The product's own worker with two stages that wait and write. A journal has a line for each computation that began.</summary>
internal static class ChaosWorker
{
    public const string VersionVariable = "LATHE_CHAOS_VERSION";

    private static readonly Lock OneLine = new();
    private static FileStream _journal = null!;

    /// <summary>Version of both stages.</summary>
    public static string Version { get; } = Environment.GetEnvironmentVariable(VersionVariable) ?? "1";

    public static async Task RunAsync(string broker, string home, string journal)
    {
        _journal = new FileStream(journal, FileMode.Append, FileAccess.Write, FileShare.Read, bufferSize: 0);
        // More slots than there are CPUs: what is computed here is the passing of time.
        var settings = PartOfMeasurement.Settings(home) with { Broker = BrokerAddress.Parse(broker), SlotFolder = Path.Combine(home, "slots"), Threads = 1, ComputeSlots = 64 };
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.AddLatheTelemetry("chaos-worker", Microsoft.Extensions.Logging.LogLevel.Warning);
        builder.Services.AddLatheBus(settings, bus => bus.AddStage<FirstStage, FirstParameters>().AddStage<SecondStage, SecondParameters>());
        using var host = builder.Build();
        await host.StartAsync();
        PartOfMeasurement.EndWithParent();
        Console.WriteLine("ready");
        await host.WaitForShutdownAsync();
    }

    public static StageOutcome Compute(StageRun run)
    {
        lock (OneLine) _journal.Write(Encoding.ASCII.GetBytes($"{run.Key} {run.Stage} {DateTime.UtcNow:O}\n"));
        var digest = SHA256.HashData(Encoding.ASCII.GetBytes(run.Key));
        // As random as the key, so that a run is repeatable.
        var seconds = 0.05 + (0.25 * digest[0] / 255);
        if (run.Stop.WaitHandle.WaitOne(TimeSpan.FromSeconds(seconds))) throw new OperationCanceledException();
        var input = run.InputPath is { } path ? File.ReadAllBytes(path) : [];
        return new StageOutcome(run.Write(to => to.Write(SHA256.HashData([.. digest, .. input]))), new Dictionary<string, double> { ["seconds"] = seconds });
    }
}
