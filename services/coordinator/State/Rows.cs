using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Messages;

namespace Lathe.Coordinator;

/// <summary>A sweep in the database.</summary>
public sealed class SweepRow
{
    public Guid Id { get; init; }

    public required string Name { get; init; }

    public SweepState State { get; set; }

    public DateTimeOffset SubmittedAt { get; init; }

    public DateTimeOffset? FinishedAt { get; set; }

    /// <summary>True: shares no result with other sweeps.</summary>
    public bool Fresh { get; init; }

    /// <summary>CPU threads of each computation; null: as many as its worker has.</summary>
    public int? Threads { get; init; }

    /// <summary>Kind of processor that computes; null: whichever its worker has.</summary>
    public DeviceKind? Device { get; init; }

    /// <summary>Reply queue of the coordinator that runs it. No other coordinator touches it.</summary>
    public required string Owner { get; init; }

    /// <summary>When its coordinator last sent a heartbeat for it.</summary>
    public DateTimeOffset OwnerSeenAt { get; set; }

    /// <summary>W3C trace context of the sweep's span, parent of every first stage.</summary>
    public string? TraceParent { get; init; }

    /// <summary>
    /// True if the database says that it runs, but the embedded coordinator that ran it is gone. A coordinator never regards its own sweep as abandoned: it
    /// may only have been suspended, for example together with the whole machine.
    /// </summary>
    public bool IsAbandoned(DateTimeOffset now, CoordinatorOptions options) =>
        State == SweepState.Running && Owner != Queues.Coordinator && Owner != options.ReplyQueue && OwnerSeenAt < now - options.AbandonedAfter;
}

/// <summary>An execution in the database.</summary>
public sealed class ExecutionRow
{
    /// <summary>Error of an execution that an interruption left without a result.</summary>
    public const string InterruptedError = "interrupted; run the sweep again: what was finished is not computed again";

    public Guid SweepId { get; init; }

    /// <summary>Place in the sweep's tree, parents before children.</summary>
    public int Index { get; init; }

    public int? Parent { get; init; }

    public required string Stage { get; init; }

    /// <summary>Version of the stage when the sweep was planned.</summary>
    public required string Version { get; init; }

    /// <summary>True for a stage that makes figures and no checkpoint.</summary>
    public bool OnlyMeasures { get; init; }

    public required string Model { get; init; }

    public required string Dataset { get; init; }

    /// <summary>Empty for a stage that reads no data.</summary>
    public required string DataFingerprint { get; init; }

    public long Seed { get; init; }

    /// <summary>JSON object.</summary>
    public required string Parameters { get; init; }

    /// <summary>JSON list of names.</summary>
    public required string Varied { get; init; }

    public ExecutionState State { get; set; }

    public string? Key { get; set; }

    public string? InputSha256 { get; set; }

    public long? InputBytes { get; set; }

    public string? OutputSha256 { get; set; }

    public long? OutputBytes { get; set; }

    /// <summary>Number of times that it was sent. 0 while queued: it waits for the result of another execution with the same key, which was sent.</summary>
    public int Attempt { get; set; }

    /// <summary>Number of transient failures that a worker reported.</summary>
    public int Failures { get; set; }

    public DateTimeOffset? SentAt { get; set; }

    /// <summary>Time of the last report about it.</summary>
    public DateTimeOffset? HeardAt { get; set; }

    /// <summary>Time to send it again; null if it need not be sent again.</summary>
    public DateTimeOffset? SendAgainAt { get; set; }

    /// <summary>Number of times that it was sent since the last report about it; each doubles the wait before the next.</summary>
    public int SilentSends { get; set; }

    public string? Worker { get; set; }

    /// <summary>JSON of <see cref="StageProgress"/>.</summary>
    public string? Progress { get; set; }

    /// <summary>JSON object of numbers.</summary>
    public string? Metrics { get; set; }

    public double? Seconds { get; set; }

    public string? Error { get; set; }

    /// <summary>W3C trace context that is the parent of the executions after it.</summary>
    public string? TraceParent { get; set; }

    public CheckpointRef? Input() => InputSha256 is null ? null : new CheckpointRef(InputSha256, InputBytes ?? 0);

    public CheckpointRef? Output() => OutputSha256 is null ? null : new CheckpointRef(OutputSha256, OutputBytes ?? 0);

    public DataRef? Data() => DataFingerprint.Length == 0 ? null : new DataRef(Dataset, DataFingerprint);

    public JsonElement ParametersJson() => JsonSerializer.Deserialize<JsonElement>(Parameters);

    public bool IsActive() => State is ExecutionState.Queued or ExecutionState.Running;
}

/// <summary>A result by key, for all sweeps.</summary>
public sealed class ResultRow
{
    public required string Key { get; init; }

    public required string Stage { get; set; }

    public required string OutputSha256 { get; set; }

    public long OutputBytes { get; set; }

    /// <summary>JSON object of numbers.</summary>
    public required string Metrics { get; set; }

    public double Seconds { get; set; }

    public DateTimeOffset CompletedAt { get; set; }
}

/// <summary>
/// A version of a stage that announced itself once. It stays known when its last worker is gone: sweeps that ran with it are shown by its manifest.
/// </summary>
public sealed class StageRow
{
    public required string Name { get; init; }

    public required string Version { get; init; }

    /// <summary>JSON of <see cref="StageManifest"/>.</summary>
    public required string Manifest { get; set; }

    public DateTimeOffset AnnouncedAt { get; set; }
}
