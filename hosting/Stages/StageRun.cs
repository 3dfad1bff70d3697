using System.Globalization;
using System.Text.Json;
using Lathe.Contracts;
using Microsoft.Extensions.Logging;

namespace Lathe.Hosting;

/// <summary>What the host gives a stage for one execution.</summary>
public sealed class StageRun
{
    private readonly CheckpointStore _store;
    private readonly SharedValues _shared;
    private readonly Action<long> _countImages;

    internal StageRun(CheckpointStore store, SharedValues shared, Action<long> countImages) =>
        (_store, _shared, _countImages) = (store, shared, countImages);

    /// <summary>Execution key, 64 lower-case hexadecimal characters.</summary>
    public required string Key { get; init; }

    /// <summary>Stage name.</summary>
    public required string Stage { get; init; }

    /// <summary>Stage version.</summary>
    public required string Version { get; init; }

    /// <summary>This run, as the history of the checkpoint that it writes names it.</summary>
    public StageStep Step => new(Stage, Version, Parameters, Seed, Input, FoundData?.Data);

    /// <summary>Every parameter, defaults filled in, as it goes into the lineage.</summary>
    public required JsonElement Parameters { get; init; }

    /// <summary>Checkpoint to start from; null for a stage that needs none.</summary>
    public required CheckpointRef? Input { get; init; }

    /// <summary>File of <see cref="Input"/>, its digest verified; null where there is no input.</summary>
    public required string? InputPath { get; init; }

    /// <summary>The data set, by content.</summary>
    /// <exception cref="InvalidOperationException">The stage's manifest says that it reads no data.</exception>
    public DataRef Data => FoundData?.Data ?? throw NoData();

    /// <summary>Where the data set lies; its fingerprint is that of <see cref="Data"/>.</summary>
    /// <exception cref="InvalidOperationException">The stage's manifest says that it reads no data.</exception>
    public DataPlace DataPlace => FoundData?.Place ?? throw NoData();

    /// <summary>The data set and where it lies; null for a stage that reads none.</summary>
    internal (DataRef Data, DataPlace Place)? FoundData { get; init; }

    /// <summary>Seed of every random draw.</summary>
    public required long Seed { get; init; }

    /// <summary>CPU threads to compute with.</summary>
    public required int Threads { get; init; }

    /// <summary>What to compute on.</summary>
    public required ComputeDevice Device { get; init; }

    /// <summary>Requested when nobody wants the result any more.</summary>
    public required CancellationToken Cancelled { get; init; }

    /// <summary>Requested when the worker has to go. Another worker goes on from what the stage has saved.</summary>
    public required CancellationToken ShuttingDown { get; init; }

    /// <summary>Requested with either: save the state and throw <see cref="OperationCanceledException"/>.</summary>
    public required CancellationToken Stop { get; init; }

    /// <summary>Where the stage keeps what it needs to go on after an interruption.</summary>
    public required ITrainingState State { get; init; }

    /// <summary>Takes reports as often as the stage likes; the host passes on what people can read.</summary>
    public required IProgress<StageProgress> Progress { get; init; }

    /// <summary>The worker's log. What is written there while the stage runs is also the log of the execution.</summary>
    public required ILogger Logger { get; init; }

    /// <summary>Writes a checkpoint to the store, whole or not at all.</summary>
    /// <param name="write">Writes the file to a stream that can only be written forward.</param>
    /// <exception cref="LatheException">It is a safetensors file, and one of its tensors has a value that is NaN or infinite.</exception>
    public CheckpointRef Write(Action<Stream> write) => _store.Write(write, file => OutcomeCheck.ThrowUnlessFinite(Stage, file));

    /// <summary>Verified file of any checkpoint, for example of an ancestor.</summary>
    /// <exception cref="LatheException">Not in the store, or damaged.</exception>
    public string PathOf(CheckpointRef checkpoint) => _store.PathOf(checkpoint);

    /// <summary>Verified file of what the store has under a digest that a parameter names.</summary>
    /// <param name="sha256">64 hexadecimal characters, or a unique start of them.</param>
    /// <exception cref="LatheException">Not a digest, not in the store, or damaged.</exception>
    public string PathOf(string sha256) => _store.PathOf(_store.Find(sha256));

    /// <summary>
    /// A value that several executions need alike, for example a measurement of the dense network: the first one computes it, and the
    /// store keeps it for the others. It belongs to this version of the stage and to this number of threads.
    /// </summary>
    /// <param name="name">Names everything else that decides the value: digests, parameters, the device.</param>
    /// <param name="compute">Computes it; the value goes to JSON and back.</param>
    public T Share<T>(string name, Func<T> compute)
        where T : class =>
        _shared.Get(string.Create(CultureInfo.InvariantCulture, $"{Stage} {Version} {Threads} {Fresh} {name}"), compute);

    /// <summary>The sweep that takes no value of others; null: values are shared.</summary>
    internal Guid? Fresh { get; init; }

    /// <summary>Counts images that went through the network, for the throughput that telemetry shows.</summary>
    public void CountImages(long images) => _countImages(images);

    private InvalidOperationException NoData() => new($"the manifest of stage {Stage} says that it reads no data ({nameof(StageManifest.ReadsData)})");
}
