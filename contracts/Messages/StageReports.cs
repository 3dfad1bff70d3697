namespace Lathe.Contracts.Messages;

/// <summary>What every report of a worker names. A report about an attempt that is over changes nothing.</summary>
public interface IStageReport
{
    /// <summary>As in <see cref="ExecuteStage"/>.</summary>
    Guid ExecutionId { get; }

    /// <summary>The attempt that the worker was sent.</summary>
    int Attempt { get; }

    /// <summary>Execution key.</summary>
    string Key { get; }

    /// <summary>Stage name.</summary>
    string Stage { get; }
}

/// <summary>Report: a worker has received the execution from its queue and will compute it. Not sent where the result was there already.</summary>
/// <param name="ExecutionId">As in <see cref="ExecuteStage"/>.</param>
/// <param name="Attempt">As in <see cref="ExecuteStage"/>.</param>
/// <param name="Key">Execution key.</param>
/// <param name="Stage">Stage name.</param>
/// <param name="Worker">Name of the worker: host, process id and stage.</param>
/// <param name="QueueSeconds">Time between sending and taking.</param>
public sealed record StageStarted(Guid ExecutionId, int Attempt, string Key, string Stage, string Worker, double QueueSeconds) : IStageReport;

/// <summary>Report, also the heartbeat: the execution is alive, and how far it is. Sent at least every few seconds while a worker holds it.</summary>
/// <param name="ExecutionId">As in <see cref="ExecuteStage"/>.</param>
/// <param name="Attempt">As in <see cref="ExecuteStage"/>.</param>
/// <param name="Key">Execution key.</param>
/// <param name="Stage">Stage name.</param>
/// <param name="Worker">Name of the worker.</param>
/// <param name="Progress">How far it is.</param>
public sealed record StageProgressed(Guid ExecutionId, int Attempt, string Key, string Stage, string Worker, StageProgress Progress) : IStageReport;

/// <summary>Report: the result is in the store. The header <see cref="Headers.TraceParent"/> carries the stage's span.</summary>
/// <param name="ExecutionId">As in <see cref="ExecuteStage"/>.</param>
/// <param name="Attempt">As in <see cref="ExecuteStage"/>.</param>
/// <param name="Key">Execution key.</param>
/// <param name="Stage">Stage name.</param>
/// <param name="Output">The checkpoint made; for a stage that only measures, its input.</param>
/// <param name="Metrics">Named figures of the stage.</param>
/// <param name="Seconds">Time spent computing, all attempts together.</param>
/// <param name="Found">True: an earlier execution had left the result under this key; nothing was computed now.</param>
public sealed record StageCompleted(
    Guid ExecutionId,
    int Attempt,
    string Key,
    string Stage,
    CheckpointRef Output,
    IReadOnlyDictionary<string, double> Metrics,
    double Seconds,
    bool Found = false) : IStageReport;

/// <summary>Report: the execution ended without a result.</summary>
/// <param name="ExecutionId">As in <see cref="ExecuteStage"/>.</param>
/// <param name="Attempt">As in <see cref="ExecuteStage"/>.</param>
/// <param name="Key">Execution key.</param>
/// <param name="Stage">Stage name.</param>
/// <param name="Kind">Whether another try could help.</param>
/// <param name="Message">Written for a person.</param>
/// <param name="Worker">Name of the worker.</param>
public sealed record StageFailed(
    Guid ExecutionId, int Attempt, string Key, string Stage, FailureKind Kind, string Message, string? Worker = null) : IStageReport;

/// <summary>Report: the worker stopped the execution because of <see cref="CancelExecutions"/>. Its training state is kept.</summary>
/// <param name="ExecutionId">As in <see cref="ExecuteStage"/>.</param>
/// <param name="Attempt">As in <see cref="ExecuteStage"/>.</param>
/// <param name="Key">Execution key.</param>
/// <param name="Stage">Stage name.</param>
/// <param name="Worker">Name of the worker.</param>
public sealed record StageCancelled(Guid ExecutionId, int Attempt, string Key, string Stage, string Worker) : IStageReport;
