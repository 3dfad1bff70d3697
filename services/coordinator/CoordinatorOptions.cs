using Lathe.Contracts.Messages;

namespace Lathe.Coordinator;

/// <summary>How a coordinator works. The defaults are those of a cluster's one coordinator.</summary>
public sealed record CoordinatorOptions
{
    /// <summary>Queue that reports come to, and the name under which this coordinator owns its sweeps.</summary>
    public string ReplyQueue { get; init; } = Queues.Coordinator;

    /// <summary>Time between two comparisons of database and bus.</summary>
    public TimeSpan ReconcileInterval { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>A running execution without a report for so long is looked into.</summary>
    public TimeSpan RunningSilence { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>A queued execution without a report for so long is looked into; doubles with each sending.</summary>
    public TimeSpan QueuedSilence { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Longest wait between two sendings of one execution.</summary>
    public TimeSpan LongestSilence { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How often an execution may fail for a reason outside its work.</summary>
    public int Attempts { get; init; } = 3;

    /// <summary>Wait before the second attempt; doubles with each.</summary>
    public TimeSpan RetryDelay { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a submission waits for stages that have not announced themselves.</summary>
    public TimeSpan StageWait { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a submission waits for a stage's worker to check parameters.</summary>
    public TimeSpan CheckPatience { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Sweeps of another coordinator with a queue of its own, unattended for so long, are interrupted ones.</summary>
    public TimeSpan AbandonedAfter { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>How long a start waits for the database.</summary>
    public TimeSpan StartPatience { get; init; } = TimeSpan.FromSeconds(60);
}
