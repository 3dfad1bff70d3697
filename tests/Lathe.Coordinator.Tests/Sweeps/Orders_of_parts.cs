using Lathe.Contracts;
using static Lathe.Coordinator.Tests.Stages;

namespace Lathe.Coordinator.Tests;

/// <summary>What an order about a part of a sweep does to that part, and what it leaves alone.</summary>
public sealed class Orders_of_parts
{
    private static readonly SweepSpec Four = Sweep(("train", """{"epochs": [1, 2, 3, 4]}"""));

    private static readonly SweepSpec Tree = Sweep(("train", """{"epochs": [1, 2]}"""), ("prune", """{"multiplications": [0.5, 0.25]}"""), ("evaluate", "{}"));

    [Fact]
    public async Task An_execution_of_a_cancelled_sweep_is_neither_paused_nor_resumed()
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(Four);
        bench.Bus.Take();
        await bench.Orchestrator.CancelAsync(new ControlTarget(id));

        await RefusedAsync(() => bench.Orchestrator.PauseAsync(new ControlTarget(id, Index: 1)), "sweep test is cancelled; there is nothing to pause");
        await RefusedAsync(() => bench.Orchestrator.ResumeAsync(new ControlTarget(id, Index: 1)), "lathe retry test");
        await bench.PumpAsync();

        Assert.Equal(SweepState.Cancelled, (await bench.StatusAsync(id)).State);
        Assert.Empty(bench.Bus.Take());
    }

    [Fact]
    public async Task A_resumed_execution_of_a_paused_sweep_waits_until_the_sweep_is_resumed()
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(Four);
        bench.Bus.Take();
        await bench.Orchestrator.PauseAsync(new ControlTarget(id));
        await bench.Orchestrator.PauseAsync(new ControlTarget(id, Index: 2));

        await bench.Orchestrator.ResumeAsync(new ControlTarget(id, Index: 2));
        await bench.PumpAsync();

        Assert.Equal(SweepState.Paused, (await bench.StatusAsync(id)).State);
        Assert.Empty(bench.Bus.Take());
        await bench.Orchestrator.ResumeAsync(new ControlTarget(id));
        await bench.PumpAsync();
        Assert.Equal(4, bench.Bus.Take().Count);
    }

    [Theory, CombinatorialDatabases]
    public async Task A_retried_execution_of_a_cancelled_sweep_runs_alone_with_what_starts_from_it(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        var id = await bench.SubmitAsync(Tree);
        bench.Bus.Take();
        await bench.Orchestrator.CancelAsync(new ControlTarget(id));

        await bench.Orchestrator.RetryAsync(new ControlTarget(id, Index: 0));
        await bench.PumpAsync();
        var done = await bench.FinishAllAsync();

        Assert.Equal(["train", "prune", "prune", "evaluate", "evaluate"], done.Select(c => c.Stage));
        var status = await bench.StatusAsync(id);
        Assert.Equal(SweepState.Cancelled, status.State);
        Assert.Equal(
            [.. Enumerable.Repeat(ExecutionState.Completed, 5), ExecutionState.Cancelled, .. Enumerable.Repeat(ExecutionState.Skipped, 4)], status.Executions.Select(e => e.State));
        await bench.AssertCountedAsync();

        await bench.Orchestrator.RetryAsync(new ControlTarget(id));
        await bench.PumpAsync();
        Assert.Equal(5, (await bench.FinishAllAsync()).Count);
        Assert.Equal(SweepState.Succeeded, (await bench.StatusAsync(id)).State);
    }

    [Fact]
    public async Task A_cancelled_execution_is_not_paused_and_stays_cancelled()
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(Tree);
        bench.Bus.Take();
        await bench.Orchestrator.PauseAsync(new ControlTarget(id, Index: 0));
        await bench.Orchestrator.CancelAsync(new ControlTarget(id, Index: 0));

        await bench.Orchestrator.PauseAsync(new ControlTarget(id, Index: 0));
        await bench.Orchestrator.ResumeAsync(new ControlTarget(id, Index: 0));
        await bench.PumpAsync();

        Assert.Equal(ExecutionState.Cancelled, (await bench.StatesAsync(id))[0]);
        Assert.Empty(bench.Bus.Take());
    }

    [Fact]
    public async Task A_sweep_whose_paused_stage_keeps_it_from_running_says_so()
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(Four);
        bench.Bus.Take();
        await bench.Orchestrator.PauseAsync(new ControlTarget(id));
        await bench.Orchestrator.PauseAsync(new ControlTarget(id, "train"));
        await bench.Orchestrator.ResumeAsync(new ControlTarget(id));
        await bench.PumpAsync();

        var status = await bench.StatusAsync(id);

        Assert.Empty(bench.Bus.Take());
        Assert.Equal(SweepState.Running, status.State);
        Assert.Equal("train of sweep test is still paused: lathe resume test --stage train", status.Reason);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_sweep_of_which_a_person_cancelled_something_and_nothing_failed_is_cancelled(bool hasMore)
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(hasMore ? Tree : Sweep(("train", "{}"), ("evaluate", "{}")));
        await bench.Orchestrator.CancelAsync(new ControlTarget(id, Index: 0));
        await bench.PumpAsync();
        await bench.FinishAllAsync();

        Assert.Equal(SweepState.Cancelled, (await bench.StatusAsync(id)).State);
    }

    [Fact]
    public async Task What_an_interrupted_sweep_had_open_waits_and_nothing_of_it_runs()
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(Four);
        foreach (var command in bench.Bus.Take()) await bench.HearAsync(command);
        await using (var database = bench.Store.Open())
        {
            var sweep = database.Sweeps.Single();
            (sweep.Owner, sweep.OwnerSeenAt) = ("lathe.run.elsewhere.1.x", bench.Time.GetUtcNow());
            await database.SaveChangesAsync(TestContext.Current.CancellationToken);
        }

        bench.Time.Advance(TimeSpan.FromMinutes(2));

        var status = await bench.StatusAsync(id);
        Assert.Equal(SweepState.Interrupted, status.State);
        Assert.Equal(Enumerable.Repeat(ExecutionState.Waiting, 4), status.Executions.Select(e => e.State));
        Assert.Equal(0, Assert.Single(await bench.Queries.ListAsync()).Running);
    }

    private static async Task RefusedAsync(Func<Task> order, string words) => Assert.Contains(words, (await Assert.ThrowsAsync<LatheException>(order)).Message);
}
