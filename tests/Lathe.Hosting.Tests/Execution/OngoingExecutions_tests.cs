using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Messages;

namespace Lathe.Hosting.Tests;

public sealed class OngoingExecutionsTests
{
    private readonly OngoingExecutions _ongoing = new();

    [Fact]
    public async Task The_same_message_joins_and_another_sweep_does_not()
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
    public async Task What_one_sweep_calls_off_goes_on_for_another()
    {
        var (mine, theirs) = (Command(), Command());
        var (called, others) = (new TaskCompletionSource<CancellationToken>(), new TaskCompletionSource<CancellationToken>());
        var (done, ending) = (new TaskCompletionSource(), new TaskCompletionSource());
        var run = _ongoing.Join(mine, token => Hold(token, called, done));
        var other = _ongoing.Join(theirs, token => Hold(token, others, ending));
        var (token, untouched) = (await called.Task, await others.Task);

        _ongoing.Cancel(mine.SweepId, mine.Key);

        Assert.True(token.IsCancellationRequested);
        Assert.False(untouched.IsCancellationRequested);
        done.SetResult();
        ending.SetResult();
        await Task.WhenAll(run, other);
        // Nothing is under way any more.
        _ongoing.Cancel(mine.SweepId, mine.Key);

        static Task Hold(CancellationToken token, TaskCompletionSource<CancellationToken> told, TaskCompletionSource until)
        {
            told.SetResult(token);
            return until.Task;
        }
    }

    private static ExecuteStage Command() =>
        new(Guid.NewGuid(), new string('a', 64), "toy", "1", JsonSerializer.SerializeToElement(new { }), null, new DataRef("mnist", new string('d', 64)),
            1, 1, false, "reports", null, null, DateTimeOffset.UnixEpoch);
}
