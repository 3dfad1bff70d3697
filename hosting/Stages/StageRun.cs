using System.Text.Json;
using Lathe.Contracts;
using Microsoft.Extensions.Logging;

namespace Lathe.Hosting;

/// <summary>What the host gives a stage for one execution.</summary>
public sealed class StageRun
{
    private readonly CheckpointStore _store;
    private readonly Action<long> _countImages;

    internal StageRun(CheckpointStore store, Action<long> countImages)
    {
        _store = store;
        _countImages = countImages;
    }

    /// <summary>Execution key, 64 lower-case hexadecimal characters.</summary>
    public required string Key { get; init; }

    /// <summary>Stage name.</summary>
    public required string Stage { get; init; }

    /// <summary>Stage version.</summary>
    public required string Version { get; init; }

    /// <summary>Every parameter, defaults filled in, as it goes into the lineage.</summary>
    public required JsonElement Parameters { get; init; }

    /// <summary>Checkpoint to start from; null for a stage that needs none.</summary>
    public required CheckpointRef? Input { get; init; }

    /// <summary>File of <see cref="Input"/>, its digest verified; null where there is no input.</summary>
    public required string? InputPath { get; init; }

    /// <summary>The data set, by content.</summary>
    public required DataRef Data { get; init; }

    /// <summary>Where the data set lies; its fingerprint is that of <see cref="Data"/>.</summary>
    public required DataPlace DataPlace { get; init; }

    /// <summary>Seed of every random draw.</summary>
    public required long Seed { get; init; }

    /// <summary>CPU threads to compute with.</summary>
    public required int Threads { get; init; }

    /// <summary>What to compute on.</summary>
    public required ComputeDevice Device { get; init; }

    /// <summary>Where the stage keeps what it needs to go on after an interruption.</summary>
    public required ITrainingState State { get; init; }

    /// <summary>Takes reports as often as the stage likes; the host passes on what people can read.</summary>
    public required IProgress<StageProgress> Progress { get; init; }

    public required ILogger Logger { get; init; }

    /// <summary>Writes a checkpoint to the store, whole or not at all.</summary>
    /// <param name="write">Writes the file to a stream that can only be written forward.</param>
    public CheckpointRef Write(Action<Stream> write) => _store.Write(write);

    /// <summary>Verified file of any checkpoint, for example of an ancestor.</summary>
    /// <exception cref="LatheException">Not in the store, or damaged.</exception>
    public string PathOf(CheckpointRef checkpoint) => _store.PathOf(checkpoint);

    /// <summary>Verified file of what the store has under a digest that a parameter names.</summary>
    /// <param name="sha256">64 hexadecimal characters, or a unique start of them.</param>
    /// <exception cref="LatheException">Not a digest, not in the store, or damaged.</exception>
    public string PathOf(string sha256) => _store.PathOf(_store.Find(sha256));

    /// <summary>Counts images that went through the network, for the throughput that telemetry shows.</summary>
    public void CountImages(long images) => _countImages(images);
}
