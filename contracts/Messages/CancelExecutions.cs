namespace Lathe.Contracts.Messages;

/// <summary>
/// Published: every worker that computes one of these executions stops it at the next batch, keeps its training state, reports
/// <see cref="StageCancelled"/> and takes other work. A worker that is not up misses it: the coordinator publishes it again whenever a report
/// about a cancelled attempt arrives.
/// </summary>
/// <param name="Executions">At least one.</param>
public sealed record CancelExecutions(IReadOnlyList<CancelledExecution> Executions);

/// <summary>One execution to stop.</summary>
/// <param name="ExecutionId">As in <see cref="ExecuteStage"/>.</param>
/// <param name="Attempt">The last attempt to stop; a later one, sent after the execution was resumed, goes on.</param>
/// <param name="Reason">For a person: <c>paused</c>, <c>cancelled</c>.</param>
public sealed record CancelledExecution(Guid ExecutionId, int Attempt, string Reason);
