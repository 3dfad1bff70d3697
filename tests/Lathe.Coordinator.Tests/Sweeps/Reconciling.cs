using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging.Abstractions;
using static Lathe.Coordinator.Tests.Stages;

namespace Lathe.Coordinator.Tests;

public sealed class Reconciling
{
    [Fact]
    public async Task A_stage_whose_last_worker_left_is_known_to_have_none()
    {
        using var bench = await Workbench.StartAsync();
        bench.Bus.Depth = 1;
        var id = await bench.SubmitAsync(Sweep(("train", "{}")));
        await bench.ReconcileAsync();
        Assert.True(await HasWorkerAsync());
        bench.Bus.Workers = 0;
        await bench.ReconcileAsync();
        Assert.False(await HasWorkerAsync());
        // A new one announces itself before anybody asks the broker again.
        await bench.Catalog.AddAsync(Train);
        Assert.True(await HasWorkerAsync());
        // Nothing is known any more: the last word counts.
        bench.Bus.Depth = null;
        await bench.ReconcileAsync();
        Assert.True(await HasWorkerAsync());
        // A broker that is away says nothing about workers, and is what the sweep waits for.
        bench.Bus.IsDown = true;
        await bench.ReconcileAsync();
        Assert.Null(await HasWorkerAsync());
        Assert.StartsWith("the broker has not answered since ", (await new SweepQueries(bench.Store, bench.Time, bench.Options, bench.Catalog).StatusAsync(id.ToString())).Reason);
        bench.Bus.IsDown = false;
        (bench.Bus.Depth, bench.Bus.Workers) = (1, 1);
        await bench.ReconcileAsync();
        Assert.True(await HasWorkerAsync());
        Assert.Null((await new SweepQueries(bench.Store, bench.Time, bench.Options, bench.Catalog).StatusAsync(id.ToString())).Reason);

        async Task<bool?> HasWorkerAsync() => (await new SweepQueries(bench.Store, bench.Time, bench.Options, bench.Catalog).StatusAsync(id.ToString())).Steps![0].HasWorker;
    }

    [Fact]
    public async Task A_sweep_of_a_process_that_is_no_more_is_interrupted_after_seconds_and_of_another_machines_silent_one_the_state_is_in_doubt()
    {
        using var bench = await Workbench.StartAsync();
        // No process has this number.
        var gone = $"lathe.run.{Environment.MachineName}.{int.MaxValue}.{Guid.NewGuid():N}";
        var elsewhere = $"lathe.run.far.{Environment.ProcessId}.{Guid.NewGuid():N}";
        foreach (var (owner, seed) in new[] { (gone, 1L), (elsewhere, 2L) })
        {
            await bench.RestartAsync(new CoordinatorOptions { ReplyQueue = owner });
            await bench.SubmitAsync(Sweep(("train", "{}")) with { Name = owner, Seeds = [seed] });
        }

        Assert.Equal((SweepState.Running, null), await LookAsync(gone));
        bench.Time.Advance(TimeSpan.FromSeconds(11));
        Assert.Equal((SweepState.Interrupted, null), await LookAsync(gone));
        Assert.Equal((SweepState.Running, "nothing was heard of its process since 2030-01-01 12:00:00 UTC; if it is gone, lathe resume goes on with the sweep"), await LookAsync(elsewhere));
        bench.Time.Advance(TimeSpan.FromSeconds(50));
        Assert.Equal((SweepState.Interrupted, null), await LookAsync(elsewhere));

        async Task<(SweepState, string?)> LookAsync(string name)
        {
            var status = await bench.Queries.StatusAsync(name);
            return (status.State, status.Reason);
        }
    }

    private static readonly SweepSpec TwoStages = Sweep(("train", "{}"), ("evaluate", "{}"));

    [Fact]
    public async Task A_lost_command_is_sent_again_each_time_after_a_longer_wait()
    {
        using var bench = await Workbench.StartAsync();
        await bench.SubmitAsync(TwoStages);
        bench.Bus.Take();

        var sentAfter = new List<int>();
        for (var seconds = 5; seconds <= 300; seconds += 5)
        {
            bench.Time.Advance(TimeSpan.FromSeconds(5));
            await bench.ReconcileAsync();
            if (bench.Bus.Take().Count > 0) sentAfter.Add(seconds);
        }

        Assert.Equal([30, 90, 210], sentAfter);
        Assert.Equal([1, 2, 3, 4], bench.Bus.Sent.Select(s => s.Command.Attempt));
    }

    [Fact]
    public async Task A_command_that_waits_in_its_queue_is_not_sent_again()
    {
        using var bench = await Workbench.StartAsync();
        await bench.SubmitAsync(TwoStages);
        bench.Bus.Take();
        bench.Bus.Depth = 1;
        bench.Time.Advance(TimeSpan.FromHours(1));
        await bench.ReconcileAsync();
        Assert.Empty(bench.Bus.Take());

        bench.Bus.Depth = 0;
        await bench.ReconcileAsync();
        Assert.Single(bench.Bus.Take());
    }

    [Fact]
    public async Task Behind_a_busy_worker_of_a_queue_of_unknown_length_nothing_is_sent_again()
    {
        using var bench = await Workbench.StartAsync();
        await bench.SubmitAsync(Sweep(("train", """{"epochs": [1, 2]}""")));
        var commands = bench.Bus.Take();
        for (var i = 0; i < 20; i++)
        {
            bench.Time.Advance(TimeSpan.FromSeconds(15));
            await bench.HearAsync(commands[0]);
            await bench.ReconcileAsync();
        }

        Assert.Empty(bench.Bus.Take());
        await bench.FinishAsync(commands[0]);
        await bench.ReconcileAsync();
        Assert.Equal(commands[1].Key, Assert.Single(bench.Bus.Take()).Key);
    }

    [Fact]
    public async Task A_lost_report_of_a_result_is_found_in_the_store()
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(TwoStages);
        var train = bench.Bus.Take()[0];
        await bench.HearAsync(train);
        bench.Work(train);
        bench.Time.Advance(TimeSpan.FromSeconds(59));
        await bench.ReconcileAsync();
        Assert.Empty(bench.Bus.Take());

        bench.Time.Advance(TimeSpan.FromSeconds(1));
        await bench.ReconcileAsync();

        Assert.Equal("evaluate", Assert.Single(bench.Bus.Take()).Stage);
        Assert.Equal([ExecutionState.Completed, ExecutionState.Queued], await bench.StatesAsync(id));
        await bench.AssertNothingHeldAsync();
    }

    [Fact]
    public async Task A_worker_that_fell_silent_is_replaced()
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(TwoStages);
        await bench.HearAsync(bench.Bus.Take()[0]);
        bench.Time.Advance(TimeSpan.FromSeconds(60));
        await bench.ReconcileAsync();

        Assert.Equal(2, Assert.Single(bench.Bus.Take()).Attempt);
        Assert.Equal(ExecutionState.Queued, (await bench.StatesAsync(id))[0]);
        await bench.AssertNothingHeldAsync();
    }

    [Fact]
    public async Task A_worker_is_not_recorded_for_an_execution_that_another_coordinator_ends_meanwhile()
    {
        using var bench = await Workbench.StartAsync();
        await bench.SubmitAsync(TwoStages);
        var train = bench.Bus.Take()[0];
        await bench.HearAsync(train);
        await using var database = bench.Store.Open();
        // As if the other one had ended the execution between the two reads of this one: it still sees it running, and no lease.
        await database.Leases.ExecuteDeleteAsync();
        var change = new SweepChange(database, new SweepFactsCache(), bench.Options, bench.Time.GetUtcNow());
        await change.ReportAsync([new Report(new StageProgressed(train.ExecutionId, train.Attempt, train.Key, train.Stage, "host:1:train", new StageProgress("training", 0.5, 2)))], default);
        await bench.FinishAsync(train);
        await Assert.ThrowsAsync<DbUpdateConcurrencyException>(() => change.SaveAsync(default));
        await bench.AssertNothingHeldAsync();
    }

    [Fact]
    public async Task A_worker_that_is_heard_of_is_left_alone()
    {
        using var bench = await Workbench.StartAsync();
        await bench.SubmitAsync(TwoStages);
        var train = bench.Bus.Take()[0];
        for (var i = 0; i < 20; i++)
        {
            bench.Time.Advance(TimeSpan.FromSeconds(50));
            await bench.HearAsync(train);
            await bench.ReconcileAsync();
        }

        Assert.Empty(bench.Bus.Take());
    }

    [Fact]
    public async Task While_the_broker_is_away_a_sweep_is_taken_and_sent_later()
    {
        using var bench = await Workbench.StartAsync();
        bench.Bus.IsDown = true;
        var id = await bench.SubmitAsync(TwoStages);
        bench.Bus.IsDown = false;
        bench.Time.Advance(TimeSpan.FromSeconds(30));
        await bench.ReconcileAsync();
        await bench.FinishAllAsync();

        Assert.Equal(SweepState.Succeeded, (await bench.StatusAsync(id)).State);
    }

    [Theory, CombinatorialDatabases]
    public async Task A_coordinator_that_restarts_goes_on_where_it_was(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        var id = await bench.SubmitAsync(TwoStages);
        var train = bench.Bus.Take()[0];
        await bench.RestartAsync();
        Assert.Empty(bench.Bus.Take());
        await bench.FinishAsync(train);
        await bench.FinishAllAsync();

        Assert.Equal(SweepState.Succeeded, (await bench.StatusAsync(id)).State);
    }

    [Theory, CombinatorialDatabases]
    public async Task A_result_made_while_no_coordinator_was_up_is_taken_at_once(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        await bench.SubmitAsync(TwoStages);
        bench.Work(bench.Bus.Take()[0]);

        await bench.RestartAsync();

        Assert.Equal("evaluate", Assert.Single(bench.Bus.Take()).Stage);
    }

    [Fact]
    public async Task A_sweep_recorded_but_not_begun_is_begun_at_the_next_start()
    {
        using var bench = await Workbench.StartAsync();
        await bench.SubmitAsync(TwoStages);
        bench.Bus.Take();
        await using (var database = bench.Store.Open())
        {
            // As a coordinator leaves it that dies right after the commit of the submission.
            var node = database.Nodes.Single(e => e.Index == 0);
            database.Executions.Remove(database.Executions.Single(e => e.Id == node.ExecutionId));
            node.ExecutionId = null;
            database.Sweeps.Single().IsAdvancing = true;
            await database.StepCounts.Where(c => c.Step == 0).ExecuteUpdateAsync(c => c.SetProperty(x => x.Queued, 0).SetProperty(x => x.Waiting, 1));
            await database.SaveChangesAsync();
        }

        await bench.RestartAsync();

        Assert.Equal("train", Assert.Single(bench.Bus.Take()).Stage);
    }

    [Fact]
    public async Task A_coordinator_leaves_the_sweeps_of_another_alone_until_they_are_abandoned()
    {
        using var bench = await Workbench.StartAsync();
        await bench.RestartAsync(new CoordinatorOptions { ReplyQueue = "lathe.run.1" });
        var id = await bench.SubmitAsync(TwoStages);
        bench.Bus.Take();

        await bench.RestartAsync(new CoordinatorOptions { ReplyQueue = "lathe.run.2" });
        bench.Time.Advance(TimeSpan.FromSeconds(40));
        await bench.ReconcileAsync();
        Assert.Equal(SweepState.Running, (await bench.StatusAsync(id)).State);
        Assert.Empty(bench.Bus.Take());

        bench.Time.Advance(TimeSpan.FromMinutes(2));
        // Before anything has written that down, and after.
        await AssertInterruptedAsync();
        await bench.RestartAsync(new CoordinatorOptions { ReplyQueue = "lathe.run.3" });
        await using (var database = bench.Store.Open()) Assert.Equal(SweepState.Interrupted, (await database.Sweeps.SingleAsync()).State);
        await AssertInterruptedAsync();

        async Task AssertInterruptedAsync()
        {
            var status = await bench.StatusAsync(id);
            Assert.Equal(SweepState.Interrupted, status.State);
            Assert.NotNull(status.FinishedAt);
            Assert.All(status.Executions, e => Assert.Equal(ExecutionState.Waiting, e.State));
            Assert.Equal(SweepState.Interrupted, Assert.Single(await bench.Queries.ListAsync()).State);
        }
    }

    /// <summary>A laptop that was closed for a while, a process that was held with Ctrl-Z.</summary>
    [Fact]
    public async Task A_coordinator_that_slept_goes_on_with_its_own_sweep()
    {
        using var bench = await Workbench.StartAsync();
        var own = new CoordinatorOptions { ReplyQueue = "lathe.run.1" };
        await bench.RestartAsync(own);
        var id = await bench.SubmitAsync(TwoStages);
        var queries = new SweepQueries(bench.Store, bench.Time, own);
        bench.Time.Advance(TimeSpan.FromMinutes(20));
        Assert.Equal(SweepState.Running, (await queries.StatusAsync(id.ToString())).State);
        await bench.ReconcileAsync();
        await bench.FinishAsync(bench.Bus.Take()[0]);
        await bench.FinishAsync(bench.Bus.Take()[^1]);
        Assert.Equal(SweepState.Succeeded, (await queries.StatusAsync(id.ToString())).State);
    }

    [Fact]
    public async Task A_sweep_that_its_author_stops_is_interrupted_and_what_it_finished_is_kept()
    {
        using var bench = await Workbench.StartAsync();
        await bench.RestartAsync(new CoordinatorOptions { ReplyQueue = "lathe.run.1" });
        var id = await bench.SubmitAsync(TwoStages);
        await bench.FinishAsync(Assert.Single(bench.Bus.Take()));

        await bench.Orchestrator.InterruptAsync(id);
        var status = await bench.StatusAsync(id);
        Assert.Equal(SweepState.Interrupted, status.State);
        Assert.Equal([ExecutionState.Completed, ExecutionState.Waiting], status.Executions.Select(e => e.State));
    }

    [Fact]
    public async Task The_reconciler_runs_at_the_start_at_intervals_and_when_a_retry_is_due()
    {
        using var bench = await Workbench.StartAsync();
        await bench.SubmitAsync(TwoStages);
        var train = bench.Bus.Take()[0];
        using var reconciler = new Reconciler(bench.Orchestrator, bench.Options, new StartedLifetime(), bench.Time, NullLogger<Reconciler>.Instance);
        using var dispatch = new DispatchLoop(bench.Orchestrator, bench.Options, new StartedLifetime(), bench.Time, NullLogger<DispatchLoop>.Instance);
        await reconciler.StartAsync(default);
        await dispatch.StartAsync(default);

        await bench.FailAsync(train, FailureKind.Transient);
        await Until(() => bench.Bus.Sent.Count == 2, bench, TimeSpan.FromSeconds(0.5));
        Assert.True(bench.Time.GetUtcNow() - bench.Time.Start < TimeSpan.FromSeconds(15));

        await Until(() => bench.Bus.Sent.Count == 3, bench, TimeSpan.FromSeconds(5));
        await reconciler.StopAsync(default);
        await dispatch.StopAsync(default);
    }

    /// <summary>Lets the clock run until the condition holds.</summary>
    private static Task Until(Func<bool> condition, Workbench bench, TimeSpan step) => Lathe.Testing.Eventually.True(
        () =>
        {
            if (condition()) return true;
            bench.Time.Advance(step);
            return false;
        },
        "the reconciler to send again");

    private sealed class StartedLifetime : Microsoft.Extensions.Hosting.IHostApplicationLifetime
    {
        public CancellationToken ApplicationStarted { get; } = new(canceled: true);

        public CancellationToken ApplicationStopping => CancellationToken.None;

        public CancellationToken ApplicationStopped => CancellationToken.None;

        public void StopApplication()
        {
        }
    }
}
