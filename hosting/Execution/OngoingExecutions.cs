using Lathe.Contracts.Messages;
using Microsoft.Extensions.Hosting;

namespace Lathe.Hosting;

/// <summary>
/// Executions that run in this process. An execution outlives the connection that delivered its message. The client library closes a lost connection
/// only after the handlers of its messages have returned, so a handler that waited for its training would keep the worker disconnected for minutes.
/// The broker delivers the message again, and the message joins the running execution.
/// </summary>
/// <remarks>Add this hosted service before the bus. It then stops after the bus, and waits for the executions that the bus no longer tracks.</remarks>
internal sealed class OngoingExecutions(TimeProvider time) : IHostedService, IDisposable
{
    private readonly Dictionary<(Guid ExecutionId, string ReplyTo), OngoingExecution> _running = [];
    private readonly CancelledExecutions _cancelled = new(time);
    private readonly CancellationTokenSource _busStopped = new();

    /// <summary>Requested once nothing can be sent any more.</summary>
    public CancellationToken BusStopped => _busStopped.Token;

    /// <summary>What runs at this moment.</summary>
    public IReadOnlyList<OngoingExecution> Running
    {
        get
        {
            lock (_running) return [.. _running.Values];
        }
    }

    /// <summary>
    /// Starts an execution, or finds the one that an earlier message about it started. Where that one has been cancelled or is about to report its
    /// end, the message of a later attempt starts the execution again after it.
    /// </summary>
    /// <param name="command">The message.</param>
    /// <param name="start">Runs the execution to its end.</param>
    /// <returns>A task that completes or fails together with the execution.</returns>
    public Task Join(ExecuteStage command, Func<OngoingExecution, Task> start)
    {
        var name = (command.ExecutionId, command.ReplyTo);
        lock (_running)
        {
            var before = _running.GetValueOrDefault(name);
            if (before is not null && before.TryJoin(command.Attempt)) return before.Task;
            var execution = new OngoingExecution(command);
            if (_cancelled.ReasonOf(command) is { } reason) execution.CancelAsync(reason);
            execution.Task = Task.Run(() => RunAsync(execution, before?.Task ?? Task.CompletedTask));
            _running[name] = execution;
            return execution.Task;
        }

        async Task RunAsync(OngoingExecution execution, Task before)
        {
            try
            {
                // Two of them would write one training state. How the earlier one ended is reported by whoever waits for it.
                await before.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                await start(execution);
            }
            finally
            {
                lock (_running)
                {
                    if (_running.GetValueOrDefault(name) == execution) _running.Remove(name);
                    execution.Dispose();
                }
            }
        }
    }

    /// <summary>Stops what runs of these executions, and whatever message about them comes in the next minutes.</summary>
    /// <returns>A task that completes when all who listen have been told, not when the executions have ended.</returns>
    public Task CancelAsync(IReadOnlyList<CancelledExecution> executions)
    {
        lock (_running)
        {
            foreach (var execution in executions) _cancelled.Add(execution);
            var last = executions.GroupBy(e => e.ExecutionId).ToDictionary(group => group.Key, group => group.MaxBy(e => e.Attempt)!);
            return Task.WhenAll(
                _running.Where(r => last.TryGetValue(r.Key.ExecutionId, out var order) && r.Value.Attempt <= order.Attempt)
                    .Select(r => r.Value.CancelAsync(last[r.Key.ExecutionId].Reason))
                    .ToList());
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

/// <summary>An execution that runs in this process.</summary>
/// <param name="command">The message that started it.</param>
internal sealed class OngoingExecution(ExecuteStage command) : IDisposable
{
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _cancelled = new();
    private readonly TaskCompletionSource<StageOutcome> _broken = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _attempt = command.Attempt;
    private bool _isEnding;

    /// <summary>The message that started it.</summary>
    public ExecuteStage Command => command;

    /// <summary>Fails when the process is about to end for a fault of the stage that the stage's own thread does not see.</summary>
    public Task<StageOutcome> Broken => _broken.Task;

    /// <summary>Fails <see cref="Broken"/>.</summary>
    public void Break(Exception e) => _broken.TrySetException(e);

    /// <summary>The latest attempt that joined: reports name it.</summary>
    public int Attempt => Volatile.Read(ref _attempt);

    /// <summary>Requested when nobody wants the result any more, or not now.</summary>
    public CancellationToken Cancelled => _cancelled.Token;

    /// <summary>Why <see cref="Cancelled"/> was requested, for people: <c>paused</c>, <c>cancelled</c>.</summary>
    public string Reason { get; private set; } = "cancelled";

    /// <summary>Completes or fails together with the execution.</summary>
    public Task Task { get; set; } = Task.CompletedTask;

    /// <summary>Lets the message of an attempt share this run; false where the run's last report would not name that attempt.</summary>
    public bool TryJoin(int attempt)
    {
        lock (_lock)
        {
            if (attempt <= _attempt) return true;
            if (_isEnding) return false;
            _attempt = attempt;
            return true;
        }
    }

    /// <summary>From now on no later attempt joins.</summary>
    /// <returns>The attempt that the last report names.</returns>
    public int End()
    {
        lock (_lock)
        {
            _isEnding = true;
            return _attempt;
        }
    }

    /// <summary>Requests <see cref="Cancelled"/>; those who listen run on other threads, so that the caller may hold a lock.</summary>
    /// <param name="reason">For people.</param>
    public Task CancelAsync(string reason)
    {
        End();
        Reason = reason;
        return _cancelled.CancelAsync();
    }

    public void Dispose() => _cancelled.Dispose();
}
