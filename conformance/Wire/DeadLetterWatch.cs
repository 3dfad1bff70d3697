using Lathe.Hosting;
using RabbitMQ.Client;

namespace Lathe.Conformance.Wire;

/// <summary>Dead letters as they come.</summary>
/// <param name="channel">Disposed here, and its queue with it.</param>
internal sealed class DeadLetterWatch(IChannel channel) : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, DeadLetter> _found = [];
    private readonly Dictionary<string, int> _copies = [];
    private TaskCompletionSource _came = New();

    public void Add(DeadLetter letter)
    {
        TaskCompletionSource came;
        lock (_gate)
        {
            _found[letter.Id] = letter;
            _copies[letter.Id] = _copies.GetValueOrDefault(letter.Id) + 1;
            (came, _came) = (_came, New());
        }

        came.SetResult();
    }

    /// <summary>Those that came, by id, once all that are wanted have; otherwise when the time is over.</summary>
    public async Task<IReadOnlyDictionary<string, DeadLetter>> WaitAsync(IReadOnlyCollection<string> wanted, TimeSpan limit, CancellationToken stop)
    {
        var deadline = Task.Delay(limit, stop);
        while (true)
        {
            Task came;
            lock (_gate)
            {
                if (wanted.All(_found.ContainsKey) || deadline.IsCompleted) return new Dictionary<string, DeadLetter>(_found);
                came = _came.Task;
            }

            await Task.WhenAny(came, deadline);
            stop.ThrowIfCancellationRequested();
        }
    }

    /// <summary>How often each of these ids came so far; those that did not are missing.</summary>
    public IReadOnlyDictionary<string, int> Copies(IReadOnlyCollection<string> ids)
    {
        lock (_gate) return ids.Where(_copies.ContainsKey).ToDictionary(id => id, id => _copies[id]);
    }

    public ValueTask DisposeAsync() => channel.DisposeAsync();

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
