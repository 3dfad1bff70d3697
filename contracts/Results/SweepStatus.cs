using System.Text.Json;
using System.Text.Json.Serialization;

namespace Lathe.Contracts;

/// <summary>Where an execution stands.</summary>
public enum ExecutionState
{
    /// <summary>Its input is not there yet.</summary>
    Waiting,

    /// <summary>Sent to its queue.</summary>
    Queued,

    /// <summary>A worker runs it.</summary>
    Running,

    /// <summary>Computed for this sweep.</summary>
    Completed,

    /// <summary>Its key already had a verified result.</summary>
    Cached,

    /// <summary>Ended without a result.</summary>
    Failed,

    /// <summary>Will not run, because an execution before it failed or the sweep was interrupted.</summary>
    Skipped,
}

/// <summary>Where a sweep stands.</summary>
public enum SweepState
{
    Running,
    Succeeded,
    Failed,

    /// <summary>The process that ran it was stopped or is gone. Finished results are kept, and the same sweep resumes from them.</summary>
    Interrupted,
}

/// <summary>A sweep and all its executions, parents before children.</summary>
/// <param name="Id">Identifies it.</param>
/// <param name="Name">Name for people.</param>
/// <param name="State">State of the sweep.</param>
/// <param name="SubmittedAt">When it was submitted.</param>
/// <param name="FinishedAt">When it ended; null while it runs.</param>
/// <param name="Executions">All executions.</param>
/// <param name="Device">Kind of processor that the sweep asks for; null: any.</param>
public sealed record SweepStatus(
    Guid Id,
    string Name,
    SweepState State,
    DateTimeOffset SubmittedAt,
    DateTimeOffset? FinishedAt,
    IReadOnlyList<ExecutionStatus> Executions,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DeviceKind? Device = null);

/// <summary>One execution of a sweep.</summary>
/// <param name="Index">Place in the sweep's tree, parents before children.</param>
/// <param name="Parent">Index of the execution that makes the input; null for a first stage.</param>
/// <param name="Stage">Stage name.</param>
/// <param name="Model">Model of the branch.</param>
/// <param name="Dataset">Data set of the branch.</param>
/// <param name="Seed">Seed of the branch.</param>
/// <param name="Parameters">Its parameters, defaults included.</param>
/// <param name="Varied">Names of the parameters that differ between this execution and its siblings.</param>
/// <param name="State">Where it stands.</param>
/// <param name="Key">Execution key; null until the input is known.</param>
/// <param name="Worker">Worker that runs it or ran it.</param>
/// <param name="Progress">Last progress heard.</param>
/// <param name="Output">Checkpoint that it made.</param>
/// <param name="Metrics">Figures that it measured.</param>
/// <param name="Seconds">Time it took.</param>
/// <param name="Error">Why it failed.</param>
public sealed record ExecutionStatus(
    int Index,
    int? Parent,
    string Stage,
    string Model,
    string Dataset,
    long Seed,
    JsonElement Parameters,
    IReadOnlyList<string> Varied,
    ExecutionState State,
    string? Key,
    string? Worker,
    StageProgress? Progress,
    CheckpointRef? Output,
    IReadOnlyDictionary<string, double> Metrics,
    double? Seconds,
    string? Error);

/// <summary>A line of the list of sweeps. Executions that were skipped do not count as finished.</summary>
public sealed record SweepSummary(
    Guid Id, string Name, SweepState State, DateTimeOffset SubmittedAt, DateTimeOffset? FinishedAt, int Finished, int Executions);
