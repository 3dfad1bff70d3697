using Lathe.Contracts;
using Lathe.Contracts.Messages;

namespace Lathe.Coordinator;

/// <summary>A sweep in the database.</summary>
public sealed class SweepRow
{
    public Guid Id { get; init; }

    public required string Name { get; init; }

    /// <summary>JSON of <see cref="SweepSpec"/>, as it was submitted; null for a sweep of an older version of Lathe.</summary>
    public string? Spec { get; init; }

    public SweepState State { get; set; }

    /// <summary>Why it is in this state, for a person; null where the state says it all.</summary>
    public string? Reason { get; set; }

    public DateTimeOffset SubmittedAt { get; init; }

    public DateTimeOffset? FinishedAt { get; set; }

    /// <summary>True: shares no result with other sweeps.</summary>
    public bool Fresh { get; init; }

    /// <summary>CPU threads of each computation; null: as many as its worker has.</summary>
    public int? Threads { get; init; }

    /// <summary>Kind of processor that computes; null: whichever its worker has.</summary>
    public DeviceKind? Device { get; init; }

    /// <summary>Reply queue of the coordinator that runs it. Coordinators of a cluster share one name; no other coordinator touches it.</summary>
    public required string Owner { get; set; }

    /// <summary>When its coordinator last sent a heartbeat for it.</summary>
    public DateTimeOffset OwnerSeenAt { get; set; }

    /// <summary>W3C trace context of the sweep's span, parent of every first stage.</summary>
    public string? TraceParent { get; init; }

    /// <summary>1 to 5; executions of a higher one are sent first.</summary>
    public int Priority { get; set; } = SweepLimits.DefaultPriority;

    /// <summary>Sweeps of one key share one share; by default the sweep's id.</summary>
    public required string ShareKey { get; init; }

    /// <summary>Size of the share, relative to others of the same priority.</summary>
    public double ShareWeight { get; init; } = 1;

    /// <summary>JSON of <see cref="SweepLimits"/>; null: none.</summary>
    public string? Limits { get; init; }

    /// <summary>The client's idempotency key: a second submission with it gives this sweep; null: none.</summary>
    public string? RequestId { get; init; }

    /// <summary>True: nothing of it is ever deleted by a retention rule.</summary>
    public bool Pinned { get; set; }

    /// <summary>
    /// True while executions whose input exists may not be recorded yet: after a submission and a resume. Cleared once all of them are, so that a
    /// coordinator that dies on the way is no loss.
    /// </summary>
    public bool IsAdvancing { get; set; }

    /// <summary>True while a search may still choose trials of it, or waits for those that it chose.</summary>
    public bool IsSearching { get; set; }

    /// <summary>
    /// True if the database says that it runs, but the embedded coordinator that ran it is gone. A coordinator never regards its own sweep as abandoned: it
    /// may only have been suspended, for example together with the whole machine.
    /// </summary>
    public bool IsAbandoned(DateTimeOffset now, CoordinatorOptions options) =>
        IsSilent(now, options) && (OwnerSeenAt < now - options.AbandonedAfter || CoordinatorHost.IsOfGoneProcess(Owner));

    /// <summary>True if the database says that it runs, and nothing was heard lately of the embedded coordinator that runs it.</summary>
    public bool IsSilent(DateTimeOffset now, CoordinatorOptions options) =>
        State is SweepState.Running or SweepState.Preparing && Owner != Queues.Coordinator && Owner != options.ReplyQueue && OwnerSeenAt < now - options.SilentAfter;

    /// <summary>True where nobody carries out what concerns it: it belonged to a <c>lathe run</c> whose process is over or gone.</summary>
    public bool IsWithoutOwner(DateTimeOffset now, CoordinatorOptions options) => Owner != Queues.Coordinator && Owner != options.ReplyQueue
        && (State is not (SweepState.Running or SweepState.Preparing or SweepState.Paused)
            || CoordinatorHost.IsOfGoneProcess(Owner)
            || OwnerSeenAt < now - options.AbandonedAfter);
}

/// <summary>The search of a sweep.</summary>
public sealed class SearchRow
{
    public Guid SweepId { get; init; }

    /// <summary>Row version: whoever closes or chooses trials must have seen all of them as they are.</summary>
    public int Version { get; set; }
}

/// <summary>One point of a search, with what came of it.</summary>
public sealed class TrialRow
{
    public Guid SweepId { get; init; }

    /// <summary>Place in the search, from 0.</summary>
    public int Number { get; init; }

    /// <summary>JSON list of coordinates from 0 to 1.</summary>
    public required string Point { get; init; }

    /// <summary>JSON object of what the coordinates stand for, for people.</summary>
    public required string Values { get; init; }

    public TrialState State { get; set; }

    /// <summary>JSON list of losses, one for each objective, less is better; null unless it is done.</summary>
    public string? Losses { get; set; }

    /// <summary>How far it breaks the constraints, as far as known; 0: it keeps them.</summary>
    public double Violation { get; set; }

    /// <summary>JSON list with the indices of its nodes from the first stage to the last, one list for each seed.</summary>
    public required string Ways { get; init; }

    /// <summary>Why it failed or was pruned; null: neither.</summary>
    public string? Reason { get; set; }

    /// <summary>JSON list of what early stopping compares it by, epoch by epoch, less is better; null: nothing yet.</summary>
    public string? Course { get; set; }
}

/// <summary>A stage with its parameters, as the nodes of a sweep's grid share it.</summary>
public sealed class PointRow
{
    public Guid SweepId { get; init; }

    public int Number { get; init; }

    /// <summary>Place of the stage in the sweep's list of stages.</summary>
    public int Step { get; init; }

    public required string Stage { get; init; }

    /// <summary>Version of the stage when the sweep was planned.</summary>
    public required string Version { get; init; }

    /// <summary>True for a stage that makes figures and no checkpoint.</summary>
    public bool OnlyMeasures { get; init; }

    /// <summary>False for a stage that opens no image.</summary>
    public bool ReadsData { get; init; }

    /// <summary>JSON object, defaults and the model filled in.</summary>
    public required string Parameters { get; init; }

    /// <summary>JSON list of the names that differ between siblings.</summary>
    public required string Varied { get; init; }
}

/// <summary>A model with a data set and a seed, as the nodes of a sweep's grid share it.</summary>
public sealed class BranchRow
{
    public Guid SweepId { get; init; }

    public int Number { get; init; }

    public required string Model { get; init; }

    public required string Dataset { get; init; }

    /// <summary>Null until the data set's files were read; empty where no stage of the sweep reads them.</summary>
    public string? Fingerprint { get; set; }

    public long Seed { get; init; }
}

/// <summary>What a person ordered for one node.</summary>
public enum NodeHold
{
    None,
    Paused,
    Cancelled,
}

/// <summary>A node of a sweep's tree. Its state is that of its execution; without one it waits, is held, or is skipped.</summary>
public sealed class NodeRow
{
    public Guid SweepId { get; init; }

    /// <summary>Place in the sweep's tree, parents before children.</summary>
    public int Index { get; init; }

    public int? Parent { get; init; }

    public int Branch { get; init; }

    /// <summary>Number of its <see cref="PointRow"/>.</summary>
    public int Point { get; set; }

    /// <summary>True where no other node starts from it: its figures are a result of the sweep.</summary>
    public bool IsLeaf { get; init; }

    /// <summary>The execution of its key; null until its input is known.</summary>
    public Guid? ExecutionId { get; set; }

    public NodeHold Hold { get; set; }

    /// <summary>Index of the node before it that failed or was cancelled; null: none.</summary>
    public int? BlockedBy { get; set; }
}

/// <summary>Where an execution stands. <see cref="RunLife"/> says which move is possible.</summary>
public enum RunState
{
    /// <summary>May be sent.</summary>
    Ready,

    /// <summary>Sent to its queue.</summary>
    Queued,

    /// <summary>A worker computes it.</summary>
    Running,

    Completed,
    Failed,

    /// <summary>Nobody wants it any more.</summary>
    Cancelled,
}

/// <summary>One computation, or look-up, of an execution key. At most one of a key, a scope and an owner is active; all nodes that want the key share it.</summary>
public sealed class ExecutionRow
{
    public Guid Id { get; init; }

    public required string Key { get; init; }

    /// <summary>The fresh sweep that shares it with no other; <see cref="Guid.Empty"/>: all sweeps share it.</summary>
    public Guid Scope { get; init; }

    /// <summary>Reply queue of the coordinators that look after it.</summary>
    public required string Owner { get; init; }

    /// <summary>The sweep on whose account it runs, and the node that names its parameters.</summary>
    public Guid SweepId { get; set; }

    public int NodeIndex { get; set; }

    public required string Stage { get; init; }

    public required string StageVersion { get; init; }

    /// <summary>Pool of workers that the sweep on whose account it runs gives it to; null: those in none.</summary>
    public string? Pool { get; set; }

    public RunState State { get; set; }

    /// <summary>Number of times that it was sent.</summary>
    public int Attempt { get; set; }

    /// <summary>Number of transient failures that workers reported.</summary>
    public int Failures { get; set; }

    /// <summary>Number of times that the result of this key was lost and computed again, for executions that start from it.</summary>
    public int Remakes { get; set; }

    /// <summary>Number of times that it was sent since the last report about it; each doubles the wait before the next.</summary>
    public int SilentSends { get; set; }

    /// <summary>Not to be sent before this time; null: at once.</summary>
    public DateTimeOffset? NotBefore { get; set; }

    public DateTimeOffset ReadyAt { get; set; }

    public DateTimeOffset? SentAt { get; set; }

    /// <summary>When a worker took the present attempt.</summary>
    public DateTimeOffset? StartedAt { get; set; }

    public DateTimeOffset? FinishedAt { get; set; }

    public string? Worker { get; set; }

    public string? InputSha256 { get; init; }

    public long? InputBytes { get; init; }

    public string? OutputSha256 { get; set; }

    public long? OutputBytes { get; set; }

    /// <summary>True: the result was there already.</summary>
    public bool Found { get; set; }

    /// <summary>JSON object of numbers.</summary>
    public string? Metrics { get; set; }

    public double? Seconds { get; set; }

    public string? Error { get; set; }

    /// <summary>W3C trace context: of the span that made the input; once it is completed, of its own span.</summary>
    public string? TraceParent { get; set; }

    /// <summary>Row version: a writer that lost a race tries again.</summary>
    public int Version { get; set; }

    public bool IsActive => State is RunState.Ready or RunState.Queued or RunState.Running;

    public CheckpointRef? Input() => InputSha256 is null ? null : new CheckpointRef(InputSha256, InputBytes ?? 0);

    public CheckpointRef? Output() => OutputSha256 is null ? null : new CheckpointRef(OutputSha256, OutputBytes ?? 0);
}

/// <summary>A worker's hold on an execution. Narrow: a heartbeat rewrites this row alone.</summary>
public sealed class LeaseRow
{
    public Guid ExecutionId { get; init; }

    public int Attempt { get; set; }

    public required string Worker { get; set; }

    public DateTimeOffset HeardAt { get; set; }

    /// <summary>JSON of <see cref="StageProgress"/>.</summary>
    public string? Progress { get; set; }
}

/// <summary>Figures of one epoch of an execution.</summary>
public sealed class ProgressPointRow
{
    public Guid ExecutionId { get; init; }

    public int Epoch { get; init; }

    public double Loss { get; set; }

    public double Accuracy { get; set; }

    public DateTimeOffset At { get; set; }
}

/// <summary>A message that must reach the bus. Written in the transaction that decided it, deleted once the broker has it.</summary>
public sealed class OutboxRow
{
    public long Id { get; init; }

    public required string Owner { get; init; }

    public Guid ExecutionId { get; init; }

    public int Attempt { get; init; }

    /// <summary>Null: send the execution. Otherwise cancel this attempt and all before it, for this reason.</summary>
    public string? CancelReason { get; init; }

    /// <summary>Until then the coordinator that wrote it sends it; afterwards any coordinator may.</summary>
    public DateTimeOffset ClaimedUntil { get; set; }
}

/// <summary>Something that happened to a sweep, for those who watch it.</summary>
public sealed class EventRow
{
    public long Sequence { get; init; }

    public Guid SweepId { get; init; }

    public DateTimeOffset At { get; init; }

    public required string Kind { get; init; }

    public required string Json { get; init; }
}

/// <summary>How many nodes of a sweep's step are in each state. Kept with every change, so that no answer has to count.</summary>
public sealed class StepCountRow
{
    public Guid SweepId { get; init; }

    public int Step { get; init; }

    public required string Stage { get; init; }

    public required string Version { get; init; }

    /// <summary>Pool of workers that compute it; null: those in none.</summary>
    public string? Pool { get; init; }

    public int Waiting { get; set; }

    public int Ready { get; set; }

    public int Queued { get; set; }

    public int Running { get; set; }

    public int Completed { get; set; }

    public int Cached { get; set; }

    public int Failed { get; set; }

    public int Skipped { get; set; }

    public int Paused { get; set; }

    public int Cancelled { get; set; }

    /// <summary>Seconds that the completed ones took, together: their mean tells how long the others will take.</summary>
    public double Seconds { get; set; }
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

/// <summary>A key that lets a client use the coordinator over HTTP.</summary>
public sealed class ApiKeyRow
{
    /// <summary>The public part, by which the key is found; what follows it is known to the client alone.</summary>
    public required string Id { get; init; }

    public required string Name { get; init; }

    /// <summary>SHA-256 of the secret part, in hexadecimal. The secret has 256 random bits, so that a slow hash adds nothing.</summary>
    public required string SecretSha256 { get; init; }

    /// <summary>read, submit or admin; each includes the ones before it.</summary>
    public required string Scope { get; init; }

    public DateTimeOffset CreatedAt { get; init; }

    public DateTimeOffset? LastUsedAt { get; set; }
}

/// <summary>A person who gave a key on the web page. The cookie has a token, and the database its digest.</summary>
public sealed class SessionRow
{
    /// <summary>SHA-256 of the token, in hexadecimal.</summary>
    public required string Sha256 { get; init; }

    /// <summary>The key that was given; without it the session is over.</summary>
    public required string KeyId { get; init; }

    public DateTimeOffset ExpiresAt { get; init; }
}

/// <summary>A worker that announced itself.</summary>
public sealed class WorkerRow
{
    /// <summary>Host, process and stage.</summary>
    public required string Name { get; init; }

    public required string Stage { get; set; }

    public required string Version { get; set; }

    /// <summary>JSON of <see cref="WorkerAbout"/>; null: it says nothing of itself.</summary>
    public string? About { get; set; }

    /// <summary>When it announced itself last.</summary>
    public DateTimeOffset HeardAt { get; set; }
}
