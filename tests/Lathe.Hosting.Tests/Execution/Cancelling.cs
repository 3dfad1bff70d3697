using System.Collections.Concurrent;
using Lathe.Contracts.Messages;
using Lathe.Testing;

namespace Lathe.Hosting.Tests;

[Collection(BrokerTests.Name)]
public sealed class Cancelling(RabbitMqBroker broker)
{
    private readonly ConcurrentQueue<int> _steps = new();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_cancelled_execution_stops_at_the_next_batch_keeps_its_state_and_the_worker_takes_other_work(bool inMemory)
    {
        await using var workshop = await StartAsync(inMemory);
        using var reached = new ManualResetEventSlim();
        var command = workshop.Command(new ToyCounting(4, Hook((step, stop) =>
        {
            if (step < 2) return;
            reached.Set();
            stop.WaitHandle.WaitOne();
        })));
        await workshop.Sender.SendAsync(command, null);
        Assert.True(reached.Wait(TimeSpan.FromSeconds(20)));
        await workshop.CancelAsync(command);
        var cancelled = await workshop.Cancelled(command);
        Assert.EndsWith(":toy", cancelled.Worker, StringComparison.Ordinal);

        var other = workshop.Command(new ToyCounting());
        await workshop.Sender.SendAsync(other, null);
        await workshop.Completed(other);

        // Resumed: the next attempt goes on from the state.
        ToyStage.Hooks[Name] = (step, _) => _steps.Enqueue(step);
        var resumed = command with { Attempt = 2 };
        await workshop.Sender.SendAsync(resumed, null);
        await workshop.Completed(resumed);
        Assert.Equal([0, 1, 2, 2, 3], _steps);
        Assert.Empty(workshop.Inbox.All<StageFailed>());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_message_that_waited_while_its_execution_was_cancelled_is_answered_at_once(bool inMemory)
    {
        await using var workshop = await StartAsync(inMemory);
        using var reached = new ManualResetEventSlim();
        var before = workshop.Command(new ToyCounting(1, Hook((_, stop) =>
        {
            reached.Set();
            stop.WaitHandle.WaitOne();
        })));
        await workshop.Sender.SendAsync(before, null);
        Assert.True(reached.Wait(TimeSpan.FromSeconds(20)));
        var (first, second) = (workshop.Command(new ToyCounting(2)), workshop.Command(new ToyCounting(2), seed: 2));
        foreach (var command in (ExecuteStage[])[first, second]) await workshop.Sender.SendAsync(command, null);
        await workshop.CancelAsync(before, first);
        await workshop.Cancelled(before);
        await workshop.Completed(second);
        await workshop.Cancelled(first);
        Assert.DoesNotContain(workshop.Inbox.All<StageStarted>(), started => started.ExecutionId == first.ExecutionId);
    }

    [Fact]
    public async Task A_later_attempt_joins_the_run_and_an_old_cancellation_does_not_stop_it()
    {
        await using var workshop = await StartAsync(inMemory: true, slots: 3);
        using var proceed = new ManualResetEventSlim();
        using var reached = new ManualResetEventSlim();
        var command = workshop.Command(new ToyCounting(2, Hook((_, stop) =>
        {
            reached.Set();
            proceed.Wait(stop);
        })));
        await workshop.Sender.SendAsync(command, null);
        Assert.True(reached.Wait(TimeSpan.FromSeconds(20)));
        var later = command with { Attempt = 2 };
        await workshop.Sender.SendAsync(later, null);
        await workshop.Next<StageProgressed>(later);

        var other = workshop.Command(new ToyCounting(3, Name));
        await workshop.Sender.SendAsync(other, null);
        await workshop.Next<StageStarted>(other);
        await workshop.CancelAsync(command, other);
        await workshop.Cancelled(other);
        proceed.Set();
        await workshop.Completed(later);
        Assert.Single(workshop.Inbox.All<StageStarted>(), started => started.ExecutionId == command.ExecutionId);
        Assert.Single(workshop.Inbox.All<StageCancelled>());
    }

    private string Name { get; } = Guid.NewGuid().ToString("N");

    private string Hook(Action<int, CancellationToken> hook)
    {
        ToyStage.Hooks[Name] = (step, stop) =>
        {
            _steps.Enqueue(step);
            hook(step, stop);
        };
        return Name;
    }

    private async Task<Workshop> StartAsync(bool inMemory, int slots = 1)
    {
        var workshop = await new Workshop(inMemory ? null : broker.Address, slots).StartAsync();
        if (!inMemory) await workshop.WorkerAsync();
        return workshop;
    }
}
