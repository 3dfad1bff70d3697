using Lathe.Contracts.Messages;
using Microsoft.Extensions.Hosting;

namespace Lathe.Hosting;

/// <summary>
/// Executions that run in this process. An execution outlives the connection that delivered its message. The client library closes a lost connection
/// only after the handlers of its messages have returned, so a handler that waited for its training would keep the worker disconnected for minutes.
/// The broker delivers the message again, and the message joins the running execution.
/// </summary>
/// <remarks>Add this hosted service before the bus. It then stops after the bus, and waits for the executions that the bus no longer tracks.</remarks>
internal sealed class OngoingExecutions : IHostedService, IDisposable
{
    private readonly Dictionary<(Guid Sweep, string Key, string ReplyTo), (Task Task, CancellationTokenSource Cancelled)> _running = [];
    private readonly CancellationTokenSource _busStopped = new();

    /// <summary>Requested once nothing can be sent any more.</summary>
    public CancellationToken BusStopped => _busStopped.Token;

    /// <summary>Starts an execution, or finds the one that the same message started before.</summary>
    /// <param name="command">The message.</param>
    /// <param name="start">Runs it to its end; its token is requested by <see cref="Cancel"/>.</param>
    /// <returns>A task that completes or fails together with the execution.</returns>
    public Task Join(ExecuteStage command, Func<CancellationToken, Task> start)
    {
        var name = (command.SweepId, command.Key, command.ReplyTo);
        lock (_running)
        {
            if (_running.TryGetValue(name, out var ongoing)) return ongoing.Task;
            var cancelled = new CancellationTokenSource();
            var task = Task.Run(() => RunAsync(cancelled));
            _running[name] = (task, cancelled);
            return task;
        }

        async Task RunAsync(CancellationTokenSource cancelled)
        {
            try
            {
                await start(cancelled.Token);
            }
            finally
            {
                lock (_running) _running.Remove(name);
                cancelled.Dispose();
            }
        }
    }

    /// <summary>Calls off what a sweep has under way under a key; nothing happens where that is nothing.</summary>
    public void Cancel(Guid sweep, string key)
    {
        lock (_running)
        {
            foreach (var (name, execution) in _running.Where(r => (r.Key.Sweep, r.Key.Key) == (sweep, key)).ToList()) execution.Cancelled.Cancel();
        }
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _busStopped.CancelAsync();
        Task[] running;
        lock (_running) running = [.. _running.Values.Select(r => r.Task)];
        // The code that runs them reports how they ended. Here it only matters that they ended.
        await Task.WhenAll(running).WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public void Dispose() => _busStopped.Dispose();
}
