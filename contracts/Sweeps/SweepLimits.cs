namespace Lathe.Contracts;

/// <summary>How much a sweep may take. Null: no limit.</summary>
/// <param name="Parallel">Most executions of the sweep that are with workers at one time.</param>
/// <param name="ParallelOf">The same for single stages, by name.</param>
/// <param name="ExecutionSeconds">An execution that computes for longer is stopped and fails.</param>
/// <param name="SweepSeconds">A sweep that takes longer is stopped and fails.</param>
/// <param name="Failures">The sweep is stopped and fails with this many failed executions.</param>
/// <param name="KeepDays">Days, once the sweep is over, for which its checkpoints are kept; in place of the store's rule. What is always kept stays.</param>
/// <param name="BudgetBytes">Bytes that the checkpoints which this sweep alone uses may take in the store. Of more, those of stages in between go first. What is always kept stays.</param>
public sealed record SweepLimits(
    int? Parallel = null,
    IReadOnlyDictionary<string, int>? ParallelOf = null,
    double? ExecutionSeconds = null,
    double? SweepSeconds = null,
    int? Failures = null,
    int? KeepDays = null,
    long? BudgetBytes = null)
{
    /// <summary>Priority of a sweep that names none, from 1 to 5.</summary>
    public const int DefaultPriority = 3;

    /// <summary>Least of a priority.</summary>
    public const int LowestPriority = 1;

    /// <summary>Most of a priority.</summary>
    public const int HighestPriority = 5;
}
