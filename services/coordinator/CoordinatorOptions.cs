using Lathe.Contracts.Messages;

namespace Lathe.Coordinator;

/// <summary>Intervals and limits of a coordinator. The defaults are for the single coordinator of a cluster.</summary>
public sealed record CoordinatorOptions
{
    /// <summary>Queue that receives reports, and the name under which this coordinator owns its sweeps.</summary>
    public string ReplyQueue { get; init; } = Queues.Coordinator;

    /// <summary>Time between two comparisons of database and bus.</summary>
    public TimeSpan ReconcileInterval { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>After this time without a report, the reconciler checks a running execution.</summary>
    public TimeSpan RunningSilence { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>After this time without a report, the reconciler checks a queued execution. The time doubles with each sending.</summary>
    public TimeSpan QueuedSilence { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Longest time between two sendings of one execution.</summary>
    public TimeSpan LongestSilence { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>
    /// An execution fails for good after it was sent this many times in vain: workers read its queue, took it, and were not heard of for as long as the limits above. With
    /// the defaults that is after a quarter of an hour.
    /// </summary>
    public int SilentSends { get; init; } = 5;

    /// <summary>An execution fails for good after this number of transient failures.</summary>
    public int Attempts { get; init; } = 3;

    /// <summary>Wait before the second attempt. It doubles with each further attempt.</summary>
    public TimeSpan RetryDelay { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a submission waits for stages that have not announced themselves.</summary>
    public TimeSpan StageWait { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a submission waits for a stage's worker to check parameters.</summary>
    public TimeSpan CheckPatience { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a client waits for an export that a worker makes.</summary>
    public TimeSpan ExportPatience { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>How long a submission waits for the fingerprint of a data set. One that takes longer is read once the sweep is recorded.</summary>
    public TimeSpan FingerprintPatience { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Executions of one stage that wait in its queue, at most; with many workers twice as many as run. There are fewer where they take long: what is in the
    /// queue goes before every sweep that comes later.
    /// </summary>
    public int Backlog { get; init; } = 256;

    /// <summary>Executions of one stage that wait in its queue while it is unknown how long they take and who takes them.</summary>
    public int LeastBacklog { get; init; } = 4;

    /// <summary>The queue of a stage holds what its workers do in this time, within the limits above.</summary>
    public TimeSpan BacklogTime { get; init; } = TimeSpan.FromSeconds(0.5);

    /// <summary>Results that are looked up in the store at one time.</summary>
    public int LookUps { get; init; } = 16;

    /// <summary>How long a coordinator has to send a message of the outbox. Afterwards any coordinator sends it.</summary>
    public TimeSpan OutboxPatience { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long events are kept for those who watch.</summary>
    public TimeSpan EventsKept { get; init; } = TimeSpan.FromDays(1);

    /// <summary>Time after which the coordinator looks for something to send or to prepare even if nothing told it to: a retry that is due, what another coordinator left, or an order in the database.</summary>
    public TimeSpan DispatchInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Reports that are taken together, in one transaction.</summary>
    public int ReportsAtATime { get; init; } = 256;

    /// <summary>After this time without a heartbeat, a sweep of another embedded coordinator counts as interrupted.</summary>
    public TimeSpan AbandonedAfter { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>
    /// After this time without a heartbeat, an embedded coordinator of this machine whose process is no more counts as gone; of another one, the state of its
    /// sweeps is shown with a doubt.
    /// </summary>
    public TimeSpan SilentAfter { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a start waits for the database.</summary>
    public TimeSpan StartPatience { get; init; } = TimeSpan.FromSeconds(60);
}
