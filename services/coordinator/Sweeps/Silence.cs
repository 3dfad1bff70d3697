namespace Lathe.Coordinator;

/// <summary>Decides when a missing heartbeat means that a message was lost.</summary>
internal static class Silence
{
    /// <summary>True if the last report is older than the execution's state allows. Each sending without an answer doubles the limit.</summary>
    public static bool IsTooLong(ExecutionRow row, DateTimeOffset now, CoordinatorOptions options)
    {
        if (LastSign(row) is not { } last) return true;
        var first = row.State == Contracts.ExecutionState.Running ? options.RunningSilence : options.QueuedSilence;
        var patience = Math.Min(first.TotalSeconds * Math.Pow(2, Math.Min(row.SilentSends, 20)), options.LongestSilence.TotalSeconds);
        return now - last >= TimeSpan.FromSeconds(patience);
    }

    /// <summary>
    /// True if its command most likely waits in the queue: the queue holds messages, or its length is unknown and the stage's
    /// worker is busy with another execution.
    /// </summary>
    public static bool IsInQueue(
        ExecutionRow row, List<ExecutionRow> active, long? depth, DateTimeOffset now, CoordinatorOptions options) =>
        depth is { } messages
            ? messages > 0
            : active.Exists(other =>
                other.Stage == row.Stage && other.Key != row.Key
                && other.State == Contracts.ExecutionState.Running && now - other.HeardAt < options.RunningSilence);

    private static DateTimeOffset? LastSign(ExecutionRow row) => row.SentAt > row.HeardAt || row.HeardAt is null ? row.SentAt : row.HeardAt;
}
