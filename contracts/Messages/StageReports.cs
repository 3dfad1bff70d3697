namespace Lathe.Contracts.Messages;

/// <summary>Report: a worker has received the execution from its queue.</summary>
/// <param name="SweepId">As in <see cref="ExecuteStage"/>.</param>
/// <param name="Key">Execution key.</param>
/// <param name="Stage">Stage name.</param>
/// <param name="Worker">Name of the worker: host, process id and stage.</param>
/// <param name="QueueSeconds">Time between sending and taking.</param>
public sealed record StageStarted(Guid SweepId, string Key, string Stage, string Worker, double QueueSeconds);

/// <summary>Report: the execution is alive, and how far it is. Sent at least every few seconds while a worker holds it.</summary>
public sealed record StageProgressed(Guid SweepId, string Key, string Stage, string Worker, StageProgress Progress);

/// <summary>Report: the result is in the store. The header <see cref="Headers.TraceParent"/> carries the stage's span.</summary>
/// <param name="SweepId">As in <see cref="ExecuteStage"/>.</param>
/// <param name="Key">Execution key.</param>
/// <param name="Stage">Stage name.</param>
/// <param name="Output">The checkpoint made; for a stage that only measures, its input.</param>
/// <param name="Metrics">Named figures of the stage.</param>
/// <param name="Seconds">Time spent computing, all attempts together.</param>
public sealed record StageCompleted(
    Guid SweepId,
    string Key,
    string Stage,
    CheckpointRef Output,
    IReadOnlyDictionary<string, double> Metrics,
    double Seconds);

/// <summary>Report: the execution ended without a result.</summary>
/// <param name="SweepId">As in <see cref="ExecuteStage"/>.</param>
/// <param name="Key">Execution key.</param>
/// <param name="Stage">Stage name.</param>
/// <param name="Kind">Whether another try could help.</param>
/// <param name="Message">Written for a person.</param>
public sealed record StageFailed(Guid SweepId, string Key, string Stage, FailureKind Kind, string Message);
