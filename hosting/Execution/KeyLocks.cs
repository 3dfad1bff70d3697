namespace Lathe.Hosting;

/// <summary>One execution of a key at a time in this process: a message that comes twice waits for the first.</summary>
internal sealed class KeyLocks
{
    private readonly Dictionary<string, (SemaphoreSlim Gate, int Users)> _gates = [];

    /// <summary>Waits until nobody else holds the key.</summary>
    /// <returns>Dispose it to let the next one in.</returns>
    public async Task<IDisposable> EnterAsync(string key, CancellationToken stop)
    {
        SemaphoreSlim gate;
        lock (_gates)
        {
            var entry = _gates.TryGetValue(key, out var known) ? known : (Gate: new SemaphoreSlim(1), Users: 0);
            gate = entry.Gate;
            _gates[key] = (gate, entry.Users + 1);
        }

        try
        {
            await gate.WaitAsync(stop);
        }
        catch
        {
            Leave(key);
            throw;
        }

        return new Held(() =>
        {
            gate.Release();
            Leave(key);
        });
    }

    private void Leave(string key)
    {
        lock (_gates)
        {
            var (gate, users) = _gates[key];
            if (users > 1) _gates[key] = (gate, users - 1);
            else _gates.Remove(key);
        }
    }

    private sealed class Held(Action leave) : IDisposable
    {
        public void Dispose() => leave();
    }
}
