using System.Text.Json;
using System.Text.Json.Serialization;

namespace Lathe.Contracts;

/// <summary>Where an execution stands.</summary>
public enum ExecutionState
{
    /// <summary>Its input is not there yet.</summary>
    Waiting,

    /// <summary>Its input is there, and nobody has sent it yet: others go first, or no queue has room.</summary>
    Ready,

    /// <summary>Sent to its queue, where it waits for a worker.</summary>
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

    /// <summary>Runs once a person resumes it.</summary>
    Paused,

    /// <summary>A person called it off.</summary>
    Cancelled,
}

/// <summary>Where a sweep stands.</summary>
public enum SweepState
{
    /// <summary>Recorded; its data sets are being read for their fingerprints, and nothing is sent yet.</summary>
    Preparing,

    /// <summary>Some executions are still to end.</summary>
    Running,

    /// <summary>All ended, each with a result.</summary>
    Succeeded,

    /// <summary>All ended, at least one without a result.</summary>
    Failed,

    /// <summary>A person paused it: nothing runs until it is resumed, and nothing is lost.</summary>
    Paused,

    /// <summary>A person cancelled it. Finished results are kept; retry goes on from them.</summary>
    Cancelled,

    /// <summary>The process that ran it was stopped or is gone. Finished results are kept, and the same sweep resumes from them.</summary>
    Interrupted,
}

/// <summary>A sweep with its executions, parents before children.</summary>
/// <param name="Id">Identifies it.</param>
/// <param name="Name">Name for people.</param>
/// <param name="State">State of the sweep.</param>
/// <param name="SubmittedAt">When it was submitted.</param>
/// <param name="FinishedAt">When it ended; null while it runs.</param>
/// <param name="Executions">
/// All executions; of a sweep that has more than were asked for, those that run and those that failed last, each with the ones that it starts from, and
/// the first others. In the order of the tree.
/// </param>
/// <param name="Device">Kind of processor that the sweep asks for; null: any.</param>
/// <param name="Steps">The stages in order, each with the number of its executions in every state.</param>
/// <param name="Reason">Why the sweep is in its state, for a person; null where the state says it all.</param>
/// <param name="Priority">1 to 5; executions of a higher one are sent first.</param>
/// <param name="Threads">CPU threads of each computation; null: as many as its worker has.</param>
/// <param name="SecondsLeft">Estimate until the sweep ends; null: unknown.</param>
/// <param name="Pinned">True: no retention rule deletes anything of it.</param>
/// <param name="Failures">Why executions failed, the most frequent reason first; null: none failed.</param>
public sealed record SweepStatus(
    Guid Id,
    string Name,
    SweepState State,
    DateTimeOffset SubmittedAt,
    DateTimeOffset? FinishedAt,
    IReadOnlyList<ExecutionStatus> Executions,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DeviceKind? Device = null,
    IReadOnlyList<StepCounts>? Steps = null,
    string? Reason = null,
    int Priority = SweepLimits.DefaultPriority,
    int? Threads = null,
    double? SecondsLeft = null,
    bool Pinned = false,
    IReadOnlyList<FailureReason>? Failures = null)
{
    /// <summary>How its search stands; null: it has none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public SearchStatus? Search { get; init; }

    /// <summary>Number of executions that the sweep has, whether listed or not.</summary>
    [JsonIgnore]
    public int Size => Steps?.Sum(s => s.All) ?? Executions.Count;
}

/// <summary>How many executions of one stage of a sweep are in each state.</summary>
/// <param name="Step">Place of the stage in the sweep's list of stages.</param>
/// <param name="Stage">Stage name.</param>
/// <param name="Version">Version that the sweep is planned for.</param>
/// <param name="Counts">Executions in each state that has some.</param>
/// <param name="HasWorker">False: no worker of this version is up in its pool, so nothing of it can run now; null: not known.</param>
public sealed record StepCounts(int Step, string Stage, string Version, IReadOnlyDictionary<ExecutionState, int> Counts, bool? HasWorker = null)
{
    /// <summary>Pool of workers that computes it (<see cref="WorkerPool"/>); null: those in none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Pool { get; init; }

    /// <summary>Executions in all states.</summary>
    [JsonIgnore]
    public int All => Counts.Values.Sum();

    /// <summary>Executions in one state.</summary>
    public int In(ExecutionState state) => Counts.GetValueOrDefault(state);
}

/// <summary>Why some executions of a stage failed.</summary>
/// <param name="Stage">Stage name.</param>
/// <param name="Error">What the first of them says. Those of the others may name other numbers.</param>
/// <param name="Count">Number of them.</param>
/// <param name="First">Index of the first.</param>
public sealed record FailureReason(string Stage, string Error, int Count, int First);

/// <summary>Some executions of a sweep, in the order of its tree.</summary>
/// <param name="Executions">At most as many as were asked for.</param>
/// <param name="Next">Index to ask for the next page with; null: there is none.</param>
/// <param name="Above">Executions that these start from, back to the first stage, as far as the page does not have them; null: none.</param>
public sealed record ExecutionPage(IReadOnlyList<ExecutionStatus> Executions, int? Next, IReadOnlyList<ExecutionStatus>? Above = null);

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

/// <summary>A line of the list of sweeps. Executions that were skipped or cancelled do not count as finished.</summary>
/// <param name="Id">Names it.</param>
/// <param name="Name">Its name.</param>
/// <param name="State">Where it stands.</param>
/// <param name="SubmittedAt">When.</param>
/// <param name="FinishedAt">When it ended; null: it has not.</param>
/// <param name="Finished">Executions with a result, and those that failed.</param>
/// <param name="Executions">All of them.</param>
/// <param name="Running">Those that a worker has.</param>
/// <param name="Failed">Those that failed.</param>
/// <param name="Priority">1 to 5.</param>
/// <param name="Pinned">True: nothing of it is deleted.</param>
/// <param name="Ready">Those whose input is there, and that were not sent.</param>
/// <param name="Queued">Those that were sent, and that no worker has taken.</param>
/// <param name="Resting">Of those that a worker has, those that wait for a processor or for another sweep.</param>
/// <param name="SecondsLeft">Estimate of the time that is left; null: not known, or it does not run.</param>
public sealed record SweepSummary(
    Guid Id,
    string Name,
    SweepState State,
    DateTimeOffset SubmittedAt,
    DateTimeOffset? FinishedAt,
    int Finished,
    int Executions,
    int Running = 0,
    int Failed = 0,
    int Priority = SweepLimits.DefaultPriority,
    bool Pinned = false,
    int Ready = 0,
    int Queued = 0,
    int Resting = 0,
    double? SecondsLeft = null);
