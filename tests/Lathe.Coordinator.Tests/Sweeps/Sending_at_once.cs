using Lathe.Contracts;
using Lathe.Contracts.Messages;
using static Lathe.Coordinator.Tests.Stages;

namespace Lathe.Coordinator.Tests;

/// <summary>What a report makes ready is sent with it, without a round of the dispatcher, where nobody else waits for the queue.</summary>
public sealed class Sending_at_once
{
    private static readonly SweepSpec Chain = Sweep(("train", "{}"), ("prune", """{"multiplications": [0.5, 0.25]}"""), ("evaluate", "{}"));

    [Theory, CombinatorialDatabases]
    public async Task A_report_sends_what_it_makes_ready_and_leaves_nothing_in_the_outbox(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        var id = await bench.SubmitAsync(Chain);
        await ReportAsync(bench, bench.Work(bench.Bus.Take()[0]));

        var prunes = bench.Bus.Take();
        Assert.Equal(["prune", "prune"], prunes.Select(p => p.Stage));
        Assert.Equal([1, 1], prunes.Select(p => p.Attempt));
        await AssertNothingWaitsAsync(bench);
        await bench.AssertCountedAsync();
        Assert.Equal(2, await FinishAsync(bench, prunes));
        Assert.Equal(SweepState.Succeeded, (await bench.StatusAsync(id)).State);
        await bench.PumpAsync();
        Assert.Empty(bench.Bus.Take());
    }

    [Fact]
    public async Task Two_sweeps_that_want_the_same_key_get_one_message()
    {
        using var bench = await Workbench.StartAsync();
        await bench.SubmitAsync(Chain);
        var second = await bench.SubmitAsync(Chain);
        await ReportAsync(bench, bench.Work(Assert.Single(bench.Bus.Take())));
        Assert.Equal(2, bench.Bus.Take().Count);
        Assert.Equal([ExecutionState.Cached, ExecutionState.Queued, ExecutionState.Waiting, ExecutionState.Queued, ExecutionState.Waiting], await bench.StatesAsync(second));
        await bench.AssertCountedAsync();
    }

    [Fact]
    public async Task Whoever_waits_for_the_queue_already_is_not_passed()
    {
        using var bench = await Workbench.StartAsync();
        // Four places in each queue. The second prune of the first sweep waits for its sweep's own limit, and three places are free.
        await bench.RestartAsync(new CoordinatorOptions());
        var limited = Sweep(("train", "{}"), ("prune", """{"multiplications": [0.5, 0.4]}"""));
        await bench.SubmitAsync(new SweepSubmission(limited, Limits: new SweepLimits(ParallelOf: new Dictionary<string, int> { ["prune"] = 1 })));
        await bench.FinishAsync(bench.Bus.Take()[0]);
        Assert.Single(bench.Bus.Take());
        await bench.SubmitAsync(Chain with { Name = "later", Seeds = [9] });
        await ReportAsync(bench, bench.Work(Assert.Single(bench.Bus.Take())));
        Assert.Empty(bench.Bus.Take());
        // The dispatcher looks at both.
        await bench.PumpAsync();
        Assert.Equal(2, bench.Bus.Take().Count);
        await bench.AssertCountedAsync();
    }

    [Fact]
    public async Task A_queue_gets_no_more_than_it_has_room_for()
    {
        using var bench = await Workbench.StartAsync();
        await bench.RestartAsync(new CoordinatorOptions());
        await bench.SubmitAsync(Sweep(("train", "{}"), ("prune", """{"multiplications": [0.5, 0.4, 0.3, 0.2, 0.1, 0.05]}""")));
        await ReportAsync(bench, bench.Work(bench.Bus.Take()[0]));
        Assert.Equal(4, bench.Bus.Take().Count);
        await bench.AssertCountedAsync();
    }

    /// <summary>All queues and coordinators count for it, so that the dispatcher decides.</summary>
    [Fact]
    public async Task A_sweep_with_a_limit_of_parallel_executions_is_left_to_the_dispatcher()
    {
        using var bench = await Workbench.StartAsync();
        await bench.SubmitAsync(new SweepSubmission(Chain, Limits: new SweepLimits(Parallel: 1)));
        await ReportAsync(bench, bench.Work(bench.Bus.Take()[0]));
        Assert.Empty(bench.Bus.Take());
        await bench.PumpAsync();
        Assert.Single(bench.Bus.Take());
    }

    [Theory, CombinatorialDatabases]
    public async Task A_result_that_is_in_the_store_is_taken_and_nothing_is_sent(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        await bench.SubmitAsync(Chain);
        await bench.FinishAllAsync();
        // Another sweep, whose training gives the same network: what follows is known.
        var id = await bench.SubmitAsync(Sweep(("train", """{"epochs": 99}"""), ("prune", """{"multiplications": [0.5, 0.25]}"""), ("evaluate", "{}")));
        var train = Assert.Single(bench.Bus.Take());
        Assert.True(bench.Bus.Sent.Count > 1);
        var same = bench.Bus.Sent[0].Command;
        await ReportAsync(bench, bench.Work(train) with { Output = bench.Results.Find(same.Key)!.Output });

        Assert.Empty(bench.Bus.Take());
        await AssertNothingWaitsAsync(bench);
        await bench.PumpAsync();
        Assert.Equal(
            [ExecutionState.Completed, .. Enumerable.Repeat(ExecutionState.Cached, 4)], await bench.StatesAsync(id));
        Assert.Equal(SweepState.Succeeded, (await bench.StatusAsync(id)).State);
        await bench.AssertCountedAsync();
    }

    /// <summary>As if the coordinator had died between the commit and the message.</summary>
    [Theory, CombinatorialDatabases]
    public async Task What_the_bus_did_not_take_is_sent_once_the_time_for_it_is_over(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        await bench.SubmitAsync(Chain);
        var done = bench.Work(bench.Bus.Take()[0]);
        bench.Bus.IsDown = true;
        await ReportAsync(bench, done);
        bench.Bus.IsDown = false;
        await bench.RestartAsync();
        Assert.Empty(bench.Bus.Take());
        bench.Time.Advance(bench.Options.OutboxPatience);
        await bench.PumpAsync();
        Assert.Equal([1, 1], bench.Bus.Take().Select(c => c.Attempt));
        await AssertNothingWaitsAsync(bench);
    }

    private static Task ReportAsync(Workbench bench, IStageReport report) => bench.Orchestrator.ReportAsync([new Report(report)]);

    /// <returns>Number of executions that followed.</returns>
    private static async Task<int> FinishAsync(Workbench bench, IReadOnlyList<ExecuteStage> commands)
    {
        var count = 0;
        for (; commands.Count > 0; commands = bench.Bus.Take(), count += commands.Count)
            foreach (var command in commands) await ReportAsync(bench, bench.Work(command));
        return count;
    }

    private static async Task AssertNothingWaitsAsync(Workbench bench)
    {
        await using var database = bench.Store.Open();
        Assert.Empty(database.Outbox.ToList());
    }
}
