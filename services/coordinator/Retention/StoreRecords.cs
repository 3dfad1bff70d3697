using Lathe.Hosting;

namespace Lathe.Coordinator;

/// <summary>What a retention rule decides from: the contents of the store, and what the database says of them.</summary>
/// <param name="Blobs">Everything in the store.</param>
/// <param name="Sweeps">All sweeps.</param>
/// <param name="Checkpoints">Uses of checkpoints by sweeps.</param>
/// <param name="TakenIn">Digests of networks and weights that sweeps start from: nothing can compute them again.</param>
/// <param name="States">Executions by key, for their training states.</param>
internal sealed record StoreRecords(
    IReadOnlyList<StoredBlob> Blobs,
    IReadOnlyList<KeptSweep> Sweeps,
    IReadOnlyList<CheckpointUse> Checkpoints,
    IReadOnlySet<string> TakenIn,
    IReadOnlyDictionary<string, StateUse> States);

/// <summary>A sweep as a retention rule sees it.</summary>
/// <param name="Id">The sweep.</param>
/// <param name="SubmittedAt">Its age in the order of sweeps.</param>
/// <param name="FinishedAt">When it was over; null: it is not, or nobody knows.</param>
/// <param name="IsOpen">True: it is prepared, runs or is paused.</param>
/// <param name="IsPinned">True: nothing of it goes.</param>
/// <param name="KeepDays">Days for which it is kept once it is over, in place of the rule; null: the rule decides.</param>
/// <param name="Budget">Bytes that the checkpoints may take which it alone uses; null: any number.</param>
internal sealed record KeptSweep(
    Guid Id, DateTimeOffset SubmittedAt, DateTimeOffset? FinishedAt, bool IsOpen, bool IsPinned, int? KeepDays = null, long? Budget = null);

/// <summary>A checkpoint in one place of one sweep.</summary>
/// <param name="Sha256">Its digest.</param>
/// <param name="Sweep">The sweep.</param>
/// <param name="IsLeaf">True: the sweep's ways end there.</param>
/// <param name="IsOnFront">True: a result that no other beats.</param>
/// <param name="IsNeeded">True: work that has not finished starts from it, or from what was made of it.</param>
/// <param name="IsDenseOfFront">True: the first checkpoint on the way to a result that no other beats. An evaluation compares the result with it, and would leave the comparison out without it.</param>
internal sealed record CheckpointUse(string Sha256, Guid Sweep, bool IsLeaf, bool IsOnFront, bool IsNeeded, bool IsDenseOfFront = false);

/// <summary>Executions of one key.</summary>
/// <param name="IsOver">True: one of them has a result.</param>
/// <param name="Sweeps">Sweeps that want it, or wanted it.</param>
/// <param name="IsActive">True: one of them waits or runs.</param>
internal sealed record StateUse(bool IsOver, IReadOnlySet<Guid> Sweeps, bool IsActive);
