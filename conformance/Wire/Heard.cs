using Lathe.Contracts.Messages;

namespace Lathe.Conformance.Wire;

/// <summary>A message that a worker sent.</summary>
/// <param name="Message">The message; null: it cannot be read.</param>
/// <param name="Event">As it travelled; null: it is no CloudEvent.</param>
/// <param name="Problem">Why it cannot be read; null: it can.</param>
/// <param name="At">Time since the kit began.</param>
internal sealed record Heard(object? Message, CloudEvent? Event, string? Problem, TimeSpan At);

/// <summary>What came, in order.</summary>
internal sealed class Inbox
{
    private readonly Lock _gate = new();
    private readonly List<Heard> _all = [];
    private TaskCompletionSource _came = New();

    public IReadOnlyList<Heard> All
    {
        get
        {
            lock (_gate) return [.. _all];
        }
    }

    public void Add(Heard heard)
    {
        TaskCompletionSource came;
        lock (_gate)
        {
            _all.Add(heard);
            (came, _came) = (_came, New());
        }

        came.SetResult();
    }

    /// <summary>The first message from a place on that is wanted; null: none came in time.</summary>
    /// <param name="from">Messages that came before are not looked at.</param>
    /// <param name="isWanted">Chooses.</param>
    /// <param name="limit">How long to wait.</param>
    /// <param name="stop">Gives up.</param>
    public async Task<Heard?> NextAsync(int from, Func<Heard, bool> isWanted, TimeSpan limit, CancellationToken stop)
    {
        var deadline = Task.Delay(limit, stop);
        while (true)
        {
            Task came;
            lock (_gate)
            {
                for (; from < _all.Count; from++)
                {
                    if (isWanted(_all[from])) return _all[from];
                }

                came = _came.Task;
            }

            if (await Task.WhenAny(came, deadline) != deadline) continue;
            stop.ThrowIfCancellationRequested();
            return null;
        }
    }

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
