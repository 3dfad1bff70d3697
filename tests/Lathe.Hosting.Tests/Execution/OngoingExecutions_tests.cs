using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Microsoft.Extensions.Time.Testing;

namespace Lathe.Hosting.Tests;

public sealed class OngoingExecutionsTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly OngoingExecutions _ongoing;

    public OngoingExecutionsTests() => _ongoing = new OngoingExecutions(_time);

    [Fact]
    public async Task The_same_message_joins_and_another_execution_does_not()
    {
        var (first, second) = (new TaskCompletionSource(), new TaskCompletionSource());
        var (mine, theirs) = (Command(), Command());
        var run = _ongoing.Join(mine, _ => first.Task);
        Assert.Same(run, _ongoing.Join(mine, _ => throw new InvalidOperationException("started twice")));
        var other = _ongoing.Join(theirs, _ => second.Task);
        second.SetResult();
        await other;
        Assert.False(run.IsCompleted);

        first.SetException(new LatheException("no such budget"));
        Assert.Equal("no such budget", (await Assert.ThrowsAsync<LatheException>(() => run)).Message);
        await _ongoing.Join(mine, _ => Task.CompletedTask);
    }

    [Fact]
    public async Task A_process_ends_after_what_it_runs_whether_or_not_that_succeeds()
    {
        var run = new TaskCompletionSource();
        _ = _ongoing.Join(Command(), _ => run.Task);
        var stop = _ongoing.StopAsync(CancellationToken.None);
        Assert.True(_ongoing.BusStopped.IsCancellationRequested);
        Assert.False(stop.IsCompleted);
        run.SetException(new LatheException("interrupted"));
        await stop;
    }

    [Fact]
    public async Task A_later_attempt_joins_and_the_reports_from_then_on_name_it()
    {
        var command = Command();
        var run = new Held(_ongoing, command);
        var execution = await run.Begun;
        Assert.Same(run.Task, _ongoing.Join(command with { Attempt = 3 }, _ => throw new InvalidOperationException("started twice")));
        Assert.Equal(3, execution.Attempt);
        // The message of an attempt that is over changes nothing.
        Assert.Same(run.Task, _ongoing.Join(command with { Attempt = 2 }, _ => throw new InvalidOperationException("started twice")));
        Assert.Equal(3, execution.End());

        // The last report is on its way and names attempt 3: attempt 4 starts after it and makes a report of its own.
        var next = new Held(_ongoing, command with { Attempt = 4 });
        Assert.False(next.HasBegun);
        run.Finish();
        Assert.Equal(4, (await next.Begun).Attempt);
        next.Finish();
        await next.Task;
    }

    [Fact]
    public async Task Cancelling_stops_the_attempts_named_and_no_other_execution()
    {
        var (mine, theirs) = (Command() with { Attempt = 2 }, Command());
        var (run, other) = (new Held(_ongoing, mine), new Held(_ongoing, theirs));
        var (execution, untouched) = (await run.Begun, await other.Begun);
        await _ongoing.CancelAsync([new CancelledExecution(mine.ExecutionId, 1, "paused")]);
        Assert.False(execution.Cancelled.IsCancellationRequested);

        await _ongoing.CancelAsync([new CancelledExecution(mine.ExecutionId, 2, "paused"), new CancelledExecution(Guid.NewGuid(), 9, "paused")]);
        Assert.True(execution.Cancelled.IsCancellationRequested);
        Assert.False(untouched.Cancelled.IsCancellationRequested);

        // Resumed before the run has stopped: the next attempt waits for it, and is not cancelled.
        var resumed = new Held(_ongoing, mine with { Attempt = 3 });
        Assert.False(resumed.HasBegun);
        run.Finish();
        Assert.False((await resumed.Begun).Cancelled.IsCancellationRequested);
        resumed.Finish();
        other.Finish();
        await Task.WhenAll(run.Task, resumed.Task, other.Task);
        // Nothing runs any more.
        await _ongoing.CancelAsync([new CancelledExecution(mine.ExecutionId, 2, "paused")]);
    }

    [Fact]
    public async Task A_message_that_comes_after_its_cancellation_is_cancelled_for_ten_minutes()
    {
        var command = Command() with { Attempt = 2 };
        await _ongoing.CancelAsync([new CancelledExecution(command.ExecutionId, 2, "cancelled")]);
        // An older cancellation that comes late does not undo the newer one.
        await _ongoing.CancelAsync([new CancelledExecution(command.ExecutionId, 1, "cancelled")]);
        Assert.True(await IsCancelled(command));
        Assert.True(await IsCancelled(command with { ReplyTo = "another" }));
        Assert.False(await IsCancelled(command with { Attempt = 3 }));
        Assert.False(await IsCancelled(Command()));

        _time.Advance(TimeSpan.FromMinutes(9));
        Assert.True(await IsCancelled(command));
        _time.Advance(TimeSpan.FromMinutes(2));
        Assert.False(await IsCancelled(command));
    }

    [Fact]
    public async Task Ten_thousand_cancellations_are_remembered_and_no_more()
    {
        var first = Command();
        await _ongoing.CancelAsync([new CancelledExecution(first.ExecutionId, 1, "cancelled")]);
        await _ongoing.CancelAsync([.. Enumerable.Range(1, 9_999).Select(_ => new CancelledExecution(Guid.NewGuid(), 1, "cancelled"))]);
        Assert.True(await IsCancelled(first));
        await _ongoing.CancelAsync([new CancelledExecution(Guid.NewGuid(), 1, "cancelled")]);
        Assert.False(await IsCancelled(first));
    }

    private async Task<bool> IsCancelled(ExecuteStage command)
    {
        var run = new Held(_ongoing, command);
        var execution = await run.Begun;
        var cancelled = execution.Cancelled.IsCancellationRequested;
        run.Finish();
        await run.Task;
        return cancelled;
    }

    private static ExecuteStage Command() =>
        new(Guid.NewGuid(), Guid.NewGuid(), new string('a', 64), "toy", "1", JsonSerializer.SerializeToElement(new { }), null,
            new DataRef("mnist", new string('d', 64)), 1, 1, false, "reports", null, null, DateTimeOffset.UnixEpoch);

    /// <summary>A run that goes on until the test ends it.</summary>
    private sealed class Held
    {
        private readonly TaskCompletionSource<OngoingExecution> _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _end = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Held(OngoingExecutions ongoing, ExecuteStage command) => Task = ongoing.Join(command, execution =>
        {
            _begun.SetResult(execution);
            return _end.Task;
        });

        public Task Task { get; }

        public bool HasBegun => _begun.Task.IsCompleted;

        public Task<OngoingExecution> Begun => _begun.Task.WaitAsync(TimeSpan.FromSeconds(30));

        public void Finish() => _end.SetResult();
    }
}
