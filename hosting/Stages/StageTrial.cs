using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Lathe.Hosting;

/// <summary>Runs one stage in the caller's process, without a bus or a coordinator: for a stage's own tests and a debugger.</summary>
/// <param name="settings">Where store and data lie.</param>
public sealed class StageTrial(HostingSettings settings)
{
    /// <summary>Where inputs are put and outputs are found.</summary>
    public CheckpointStore Checkpoints { get; } = new(settings);

    /// <summary>Takes every report of progress.</summary>
    public Action<StageProgress> OnProgress { get; init; } = _ => { };

    /// <summary>Takes every count of images that went through the network: for most stages once in a training step.</summary>
    public Action<long> OnImages { get; init; } = _ => { };

    /// <summary>Takes what the stage writes to its log.</summary>
    public ILogger Logger { get; init; } = NullLogger.Instance;

    /// <summary>Runs the stage on a thread of its own, and keeps its training state if it is interrupted.</summary>
    /// <param name="parameters">Parameters as JSON; defaults are filled in.</param>
    /// <param name="data">Data set name; not looked for where the stage reads no data.</param>
    /// <param name="input">Checkpoint to start from, or null.</param>
    /// <param name="seed">Seed of every random draw.</param>
    /// <param name="stop">Interrupts the stage, as the end of a worker does.</param>
    /// <returns>What it made. No result is recorded under its key: the next trial runs again.</returns>
    public StageOutcome Run<TStage, TParameters>(
        JsonElement parameters, string data, CheckpointRef? input = null, long seed = 1, CancellationToken stop = default)
        where TStage : class, IStage<TParameters>, new()
    {
        var manifest = Manifests.Of<TStage, TParameters>();
        ManifestCheck.ThrowUnlessSound(manifest);
        var record = ParametersSchema.Read<TParameters>(manifest.Name, parameters);
        var filled = ParametersSchema.WithDefaults(manifest.ParametersSchema!.Value, parameters);
        var found = manifest.ReadsData ? FindData(data) : ((DataRef, DataPlace)?)null;
        var key = ExecutionKey.Compute(manifest, filled, input, found?.Item1, seed, settings.Threads, settings.Device.Kind is DeviceKind.Auto ? null : settings.Device.Kind);
        var attempt = new TrainingStateStore(settings).Begin(key, freshFor: null, TimeProvider.System, Logger);
        var run = new StageRun(Checkpoints, new SharedValues(settings), OnImages)
        {
            Key = key,
            Stage = manifest.Name,
            Version = manifest.Version,
            Parameters = filled,
            Input = input,
            InputPath = input is null ? null : Checkpoints.PathOf(input),
            FoundData = found,
            Seed = seed,
            Threads = settings.Threads,
            Device = settings.Device,
            Cancelled = CancellationToken.None,
            ShuttingDown = stop,
            Stop = stop,
            State = attempt,
            Progress = new SynchronousProgress(OnProgress),
            Logger = Logger,
        };
        try
        {
            var outcome = StageThread.Run(manifest.Name, () => new TStage().Run(run, record)).GetAwaiter().GetResult();
            OutcomeCheck.ThrowUnlessSound(manifest, outcome);
            attempt.Finished();
            return outcome;
        }
        catch
        {
            // This process outlived it: only an attempt that took its process with it stays on the record.
            attempt.CalledOff();
            throw;
        }
    }

    /// <summary>The same with the parameters record; what is not set has its default.</summary>
    /// <param name="parameters">Parameters.</param>
    /// <param name="input">Checkpoint to start from, or null.</param>
    /// <param name="data">Data set name; not looked for where the stage reads no data.</param>
    /// <param name="seed">Seed of every random draw.</param>
    /// <param name="stop">Interrupts the stage, as the end of a worker does.</param>
    public StageOutcome Run<TStage, TParameters>(
        TParameters parameters, CheckpointRef? input = null, string data = "", long seed = 1, CancellationToken stop = default)
        where TStage : class, IStage<TParameters>, new() =>
        Run<TStage, TParameters>(ToJson(parameters), data, input, seed, stop);

    /// <summary>Asks the stage about parameters, as a coordinator does before a sweep runs.</summary>
    /// <param name="parameters">Parameters; what is not set has its default.</param>
    /// <param name="input">The network that enters; null: unknown, or there is none.</param>
    /// <param name="data">Data set name.</param>
    public StageForecast Check<TStage, TParameters>(TParameters parameters, NetworkForm? input = null, string data = "")
        where TStage : class, IStage<TParameters>, new() =>
        Check<TStage, TParameters>(ToJson(parameters), data, input);

    /// <summary>The same with parameters as JSON.</summary>
    /// <param name="parameters">Parameters as JSON; defaults are filled in.</param>
    /// <param name="data">Data set name.</param>
    /// <param name="input">The network that enters; null: unknown, or there is none.</param>
    public StageForecast Check<TStage, TParameters>(JsonElement parameters, string data, NetworkForm? input = null)
        where TStage : class, IStage<TParameters>, new() =>
        StageCheck.Ask<TStage, TParameters>(parameters, new StageCheck(data, input, settings));

    private static JsonElement ToJson<TParameters>(TParameters parameters) => ParametersSchema.Write(parameters);

    private (DataRef, DataPlace) FindData(string name)
    {
        var place = DataPlaces.Find(name, settings);
        return (DataFingerprint.Compute(name, place, settings), place);
    }

    private sealed class SynchronousProgress(Action<StageProgress> report) : IProgress<StageProgress>
    {
        public void Report(StageProgress value) => report(value);
    }
}
