using Lathe.Contracts.Messages;

namespace Lathe.Hosting;

/// <summary>
/// What was cancelled lately. A message may wait in its queue while the execution is cancelled; whoever gets it then answers it at once. Whatever is
/// forgotten here is cancelled again by the coordinator as soon as a worker reports that it has started it.
/// </summary>
/// <remarks>Not thread-safe: the caller holds a lock.</remarks>
internal sealed class CancelledExecutions(TimeProvider time)
{
    /// <summary>Executions remembered; of more, the oldest are forgotten.</summary>
    public const int Most = 10_000;

    /// <summary>How long an execution is remembered.</summary>
    public static readonly TimeSpan Memory = TimeSpan.FromMinutes(10);

    private readonly Dictionary<Guid, (int Attempt, long At, string Reason)> _attempts = [];
    private readonly Queue<(Guid ExecutionId, long At)> _order = new();

    /// <summary>Remembers an execution; the later attempt counts.</summary>
    public void Add(CancelledExecution execution)
    {
        Forget();
        var attempt = Math.Max(execution.Attempt, _attempts.GetValueOrDefault(execution.ExecutionId).Attempt);
        var now = time.GetTimestamp();
        _attempts[execution.ExecutionId] = (attempt, now, execution.Reason);
        _order.Enqueue((execution.ExecutionId, now));
        while (_order.Count > Most) ForgetOldest();
    }

    /// <summary>Why the attempt of a message, or a later one, was cancelled; null: it was not.</summary>
    public string? ReasonOf(ExecuteStage command)
    {
        Forget();
        return _attempts.TryGetValue(command.ExecutionId, out var cancelled) && command.Attempt <= cancelled.Attempt ? cancelled.Reason : null;
    }

    private void Forget()
    {
        while (_order.TryPeek(out var oldest) && time.GetElapsedTime(oldest.At) > Memory) ForgetOldest();
    }

    /// <summary>An execution that was cancelled again later is in the queue twice and stays until its last entry goes.</summary>
    private void ForgetOldest()
    {
        var (id, at) = _order.Dequeue();
        if (_attempts.TryGetValue(id, out var cancelled) && cancelled.At == at) _attempts.Remove(id);
    }
}
