using Lathe.Contracts;
using Microsoft.EntityFrameworkCore;
using static Lathe.Coordinator.Tests.Stages;

namespace Lathe.Coordinator.Tests;

public sealed class Running_a_sweep
{
    private const string Span1 = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    private const string Span2 = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";

    private static readonly SweepSpec Grid = Sweep(
        ("train", "{}"), ("prune", """{"multiplications": [0.5, 0.25]}"""), ("quantize", """{"bits": [2, 4]}"""), ("evaluate", "{}"));

    [Theory, CombinatorialDatabases]
    public async Task Each_execution_is_sent_when_its_input_is_there(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        var id = await bench.SubmitAsync(Grid);

        var train = Assert.Single(bench.Bus.Take());
        Assert.Equal(("train", 1, null), (train.Stage, train.Attempt, train.Input));
        await bench.FinishAsync(train);
        var prunes = bench.Bus.Take();
        Assert.Equal(2, prunes.Count);
        await bench.FinishAsync(prunes[1]);
        Assert.All(bench.Bus.Take(), q => Assert.Equal("quantize", q.Stage));
        Assert.Equal(SweepState.Running, (await bench.StatusAsync(id)).State);
    }

    [Theory, CombinatorialDatabases]
    public async Task Every_command_carries_the_threads_and_the_device_that_the_sweep_asks_for(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        await bench.SubmitAsync(Grid with { Threads = 3, Device = DeviceKind.Cuda });
        Assert.All(await bench.FinishAllAsync(), command => Assert.Equal((3, DeviceKind.Cuda), (command.Threads, command.Device)));
        await bench.SubmitAsync(Grid with { Seeds = [7] });
        Assert.All(await bench.FinishAllAsync(), command => Assert.Equal((null, null), (command.Threads, command.Device)));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Sweeps_that_ask_for_other_threads_or_another_device_compute_each_for_itself(bool sideBySide)
    {
        using var bench = await Workbench.StartAsync();
        SweepSpec[] specs =
        [
            Grid, Grid with { Threads = 1 }, Grid with { Threads = 2 },
            Grid with { Device = DeviceKind.Cpu }, Grid with { Device = DeviceKind.Cuda }, Grid with { Threads = 2, Device = DeviceKind.Cuda },
        ];
        var ids = new List<Guid>();
        var computed = 0;
        foreach (var spec in specs)
        {
            ids.Add(await bench.SubmitAsync(spec));
            if (!sideBySide) computed += (await bench.FinishAllAsync()).Count;
        }

        computed += (await bench.FinishAllAsync()).Count;
        Assert.Equal(11 * specs.Length, computed);
        foreach (var id in ids) Assert.All(await bench.StatesAsync(id), state => Assert.Equal(ExecutionState.Completed, state));
    }

    [Theory, CombinatorialDatabases]
    public async Task A_sweep_ends_when_every_execution_has(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        var id = await bench.SubmitAsync(Grid);
        bench.Time.Advance(TimeSpan.FromSeconds(90));

        Assert.Equal(11, (await bench.FinishAllAsync()).Count);

        var status = await bench.StatusAsync(id);
        Assert.Equal(SweepState.Succeeded, status.State);
        Assert.Equal(bench.Time.GetUtcNow(), status.FinishedAt);
        Assert.All(status.Executions, e => Assert.Equal(ExecutionState.Completed, e.State));
    }

    [Theory, CombinatorialDatabases]
    public async Task The_same_sweep_again_is_cached_and_computes_nothing(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        await bench.SubmitAsync(Grid);
        await bench.FinishAllAsync();

        var again = await bench.SubmitAsync(Grid);

        Assert.Empty(bench.Bus.Take());
        Assert.Equal(SweepState.Succeeded, (await bench.StatusAsync(again)).State);
        Assert.All(await bench.StatesAsync(again), s => Assert.Equal(ExecutionState.Cached, s));
    }

    [Fact]
    public async Task Changed_bits_compute_only_quantize_and_evaluate_again()
    {
        using var bench = await Workbench.StartAsync();
        await bench.SubmitAsync(Grid);
        await bench.FinishAllAsync();

        await bench.SubmitAsync(Grid with { Stages = [.. Grid.Stages.Take(2), new StageSpec("quantize", Json("""{"bits": 3}""")), Grid.Stages[3]] });

        Assert.Equal(["quantize", "quantize", "evaluate", "evaluate"], (await bench.FinishAllAsync()).Select(c => c.Stage));
    }

    [Fact]
    public async Task A_result_in_the_store_is_taken_by_a_coordinator_with_an_empty_database()
    {
        using var bench = await Workbench.StartAsync();
        await bench.SubmitAsync(Grid);
        await bench.FinishAllAsync();
        await using (var database = bench.Store.Open())
        {
            await database.Nodes.ExecuteUpdateAsync(n => n.SetProperty(x => x.ExecutionId, (Guid?)null));
            await database.Executions.ExecuteDeleteAsync();
        }

        await bench.SubmitAsync(Grid);

        Assert.Empty(bench.Bus.Take());
    }

    [Fact]
    public async Task A_damaged_checkpoint_of_a_cached_result_is_computed_again()
    {
        using var bench = await Workbench.StartAsync();
        var first = await bench.SubmitAsync(Grid);
        await bench.FinishAllAsync();
        bench.Damage((await bench.StatusAsync(first)).Executions[0].Output!);

        var again = await bench.SubmitAsync(Grid);

        Assert.Equal("train", Assert.Single(await bench.FinishAllAsync()).Stage);
        Assert.Equal(SweepState.Succeeded, (await bench.StatusAsync(again)).State);
    }

    [Theory, CombinatorialDatabases]
    public async Task A_fresh_sweep_takes_no_earlier_result(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        await bench.SubmitAsync(Grid);
        await bench.FinishAllAsync();

        await bench.SubmitAsync(Grid, fresh: true);

        var done = await bench.FinishAllAsync();
        Assert.Equal(11, done.Count);
        Assert.All(done, c => Assert.True(c.Fresh));
    }

    [Fact]
    public async Task A_fresh_sweep_shares_inside_itself()
    {
        using var bench = await Workbench.StartAsync();
        // Without a parameter for the model both branches have the same key.
        await bench.Catalog.AddAsync(Train with { ParametersSchema = Json("""{"type": "object", "properties": {}}""") });
        var id = await bench.SubmitAsync(Sweep(("train", "{}")) with { Models = ["a", "b"] }, fresh: true);

        Assert.Single(await bench.FinishAllAsync());
        Assert.Equal([ExecutionState.Completed, ExecutionState.Cached], await bench.StatesAsync(id));
    }

    [Theory, CombinatorialDatabases]
    public async Task Two_running_sweeps_compute_a_common_key_once_and_both_get_it(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        var first = await bench.SubmitAsync(Grid);
        bench.Time.Advance(TimeSpan.FromSeconds(1));
        var second = await bench.SubmitAsync(Grid);

        Assert.Equal(11, (await bench.FinishAllAsync()).Count);

        Assert.All(await bench.StatesAsync(first), s => Assert.Equal(ExecutionState.Completed, s));
        Assert.All(await bench.StatesAsync(second), s => Assert.Equal(ExecutionState.Cached, s));
        Assert.Equal(SweepState.Succeeded, (await bench.StatusAsync(second)).State);
    }

    [Theory, CombinatorialDatabases]
    public async Task A_permanent_failure_skips_what_comes_after_it_and_nothing_else(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        var id = await bench.SubmitAsync(Grid);
        await bench.FinishAsync(bench.Bus.Take()[0]);
        await bench.FailAsync(bench.Bus.Take()[0], FailureKind.Permanent, "target impossible");
        // The other target goes on.
        await bench.FinishAsync(bench.Bus.Sent[2].Command);
        await bench.FinishAllAsync();

        var status = await bench.StatusAsync(id);
        Assert.Equal(SweepState.Failed, status.State);
        Assert.Equal("target impossible", status.Executions[1].Error);
        Assert.Equal(
            [ExecutionState.Completed, ExecutionState.Failed, .. Enumerable.Repeat(ExecutionState.Skipped, 4), .. Enumerable.Repeat(ExecutionState.Completed, 5)],
            status.Executions.Select(e => e.State));
    }

    [Fact]
    public async Task A_transient_failure_is_tried_three_times_with_growing_waits()
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(Sweep(("train", "{}")));
        foreach (var wait in new[] { 5, 10 })
        {
            var command = Assert.Single(bench.Bus.Take());
            await bench.FailAsync(command, FailureKind.Transient);
            await bench.FailAsync(command, FailureKind.Transient);
            bench.Time.Advance(TimeSpan.FromSeconds(wait - 1));
            await bench.ReconcileAsync();
            Assert.Empty(bench.Bus.Take());
            bench.Time.Advance(TimeSpan.FromSeconds(1));
            await bench.ReconcileAsync();
        }

        var third = Assert.Single(bench.Bus.Take());
        Assert.Equal(3, third.Attempt);
        await bench.FailAsync(third, FailureKind.Transient);

        var status = await bench.StatusAsync(id);
        Assert.Equal(SweepState.Failed, status.State);
        Assert.Equal("no memory (failed 3 times)", status.Executions[0].Error);
    }

    [Fact]
    public async Task What_workers_of_another_kind_refuse_is_sent_until_one_takes_it()
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(Sweep(("train", "{}")));
        foreach (var wait in new[] { 5, 10, 20, 40, 80, 80, 80 })
        {
            await bench.FailAsync(Assert.Single(bench.Bus.Take()), FailureKind.Elsewhere, "no GPU");
            var status = Assert.Single((await bench.StatusAsync(id)).Executions);
            Assert.Equal((ExecutionState.Ready, "no GPU"), (status.State, status.Error));
            bench.Time.Advance(TimeSpan.FromSeconds(wait - 1));
            await bench.ReconcileAsync();
            Assert.Empty(bench.Bus.Take());
            bench.Time.Advance(TimeSpan.FromSeconds(1));
            await bench.ReconcileAsync();
        }

        await bench.FinishAsync(Assert.Single(bench.Bus.Take()));
        Assert.Equal(SweepState.Succeeded, (await bench.StatusAsync(id)).State);
    }

    [Theory, CombinatorialDatabases]
    public async Task An_input_that_is_lost_is_computed_again_and_then_what_starts_from_it(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        var id = await bench.SubmitAsync(Sweep(("train", "{}"), ("prune", """{"multiplications": [0.5, 0.25]}"""), ("evaluate", "{}")));
        var train = Assert.Single(bench.Bus.Take());
        await bench.FinishAsync(train);
        var prunes = bench.Bus.Take();
        bench.Damage((await bench.StatusAsync(id)).Executions[0].Output!);
        foreach (var prune in prunes) await bench.FailAsync(prune, FailureKind.InputLost, "the checkpoint is damaged");

        Assert.Equal(train.Key, Assert.Single(await bench.FinishAllAsync(most: 1)).Key);
        Assert.Equal(4, (await bench.FinishAllAsync()).Count);
        Assert.Equal(SweepState.Succeeded, (await bench.StatusAsync(id)).State);
        await bench.AssertCountedAsync();
    }

    [Fact]
    public async Task An_input_that_only_one_worker_does_not_find_is_not_computed_again()
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(Sweep(("train", "{}"), ("prune", "{}")));
        await bench.FinishAsync(bench.Bus.Take()[0]);
        await bench.FailAsync(Assert.Single(bench.Bus.Take()), FailureKind.InputLost, "not in the store /elsewhere");
        Assert.Equal([ExecutionState.Completed, ExecutionState.Ready], await bench.StatesAsync(id));
        bench.Time.Advance(TimeSpan.FromSeconds(5));
        await bench.ReconcileAsync();
        Assert.Equal("prune", Assert.Single(await bench.FinishAllAsync()).Stage);
        Assert.Equal(SweepState.Succeeded, (await bench.StatusAsync(id)).State);
    }

    [Fact]
    public async Task An_input_that_is_lost_again_and_again_fails_what_starts_from_it()
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(Sweep(("train", "{}"), ("prune", "{}"), ("evaluate", "{}")));
        var trained = 0;
        while (bench.Bus.Take() is [var next])
        {
            if (next.Stage == "train")
            {
                trained++;
                await bench.FinishAsync(next);
                continue;
            }

            bench.Damage(next.Input!);
            await bench.FailAsync(next, FailureKind.InputLost, "the checkpoint is damaged");
        }

        var status = await bench.StatusAsync(id);
        Assert.Equal((3, SweepState.Failed), (trained, status.State));
        Assert.Equal([ExecutionState.Completed, ExecutionState.Failed, ExecutionState.Skipped], status.Executions.Select(e => e.State));
        Assert.Contains("must share one store", status.Executions[1].Error);
        await bench.AssertCountedAsync();
    }

    [Fact]
    public async Task Reports_that_come_late_twice_or_out_of_order_change_nothing_that_is_finished()
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(Sweep(("train", "{}"), ("evaluate", "{}")));
        var train = bench.Bus.Take()[0];
        await bench.FinishAsync(train);
        await bench.FinishAsync(train);
        await bench.HearAsync(train);
        await bench.FailAsync(train, FailureKind.Permanent);

        Assert.Equal([ExecutionState.Completed, ExecutionState.Queued], await bench.StatesAsync(id));
        Assert.Single(bench.Bus.Take());
    }

    [Fact]
    public async Task A_report_about_nothing_known_is_taken_without_complaint()
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(Sweep(("train", "{}")));
        var stranger = bench.Bus.Take()[0] with { ExecutionId = Guid.NewGuid(), Key = new string('f', 64), SweepId = Guid.NewGuid() };

        await bench.HearAsync(stranger);
        await bench.FailAsync(stranger, FailureKind.Permanent);
        await bench.FinishAsync(stranger);

        Assert.Equal([ExecutionState.Queued], await bench.StatesAsync(id));
        Assert.Equal(SweepState.Running, (await bench.StatusAsync(id)).State);
        Assert.Empty(bench.Bus.Take());
    }

    [Fact]
    public async Task Heartbeats_show_worker_and_progress()
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(Sweep(("train", "{}")));
        await bench.HearAsync(bench.Bus.Take()[0]);

        var train = (await bench.StatusAsync(id)).Executions[0];
        Assert.Equal((ExecutionState.Running, "host:1:train", 0.5), (train.State, train.Worker, train.Progress!.Epoch));
    }

    [Fact]
    public async Task Traces_follow_the_lineage()
    {
        using var bench = await Workbench.StartAsync();
        await bench.SubmitAsync(Sweep(("train", "{}"), ("prune", "{}")), traceParent: Span1);
        await bench.FinishAsync(bench.Bus.Take()[0], Span2);

        Assert.Equal([Span1, Span2], bench.Bus.Sent.Select(s => s.TraceParent));
    }

    [Fact]
    public async Task After_a_cached_stage_the_trace_goes_on_from_this_sweeps_own_span()
    {
        using var bench = await Workbench.StartAsync();
        await bench.SubmitAsync(Sweep(("train", "{}")), traceParent: Span1);
        await bench.FinishAsync(bench.Bus.Take()[0], Span1);

        await bench.SubmitAsync(Sweep(("train", "{}"), ("prune", "{}")), traceParent: Span2);

        Assert.Equal(Span2, bench.Bus.Sent[^1].TraceParent);
    }

    [Fact]
    public async Task Results_have_one_row_for_each_leaf_with_the_way_to_it()
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(Sweep(("train", "{}"), ("evaluate", "{}"), ("prune", "{}")));
        await bench.FinishAllAsync();

        var leaves = (await bench.Queries.ResultsAsync(id.ToString())).Leaves;

        Assert.Equal(["evaluate", "prune"], leaves.Select(l => l.Stages[^1].Stage));
        Assert.Equal((0.9, 100.0, 2.0, null), (leaves[0].Figure("top1"), leaves[0].Figure("parameters"), leaves[0].Figure("bits"), leaves[0].Figure("top1Dense")));
        // A training loss is no test loss.
        Assert.Null(leaves[1].Figure("loss"));
        Assert.Equal(0.1, leaves[1].Stages[1].Metrics["loss"]);
        Assert.Equal("lenet5", leaves[0].Stages[0].Parameters.GetProperty("model").GetString());
    }

    [Fact]
    public async Task A_leaf_that_nothing_measured_shows_the_size_it_knows_and_no_accuracy()
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(Sweep(("train", "{}"), ("prune", "{}")));
        var prune = (await bench.FinishAllAsync())[^1];
        Assert.Equal("prune", prune.Stage);

        var leaf = Assert.Single((await bench.Queries.ResultsAsync(id.ToString())).Leaves);
        Assert.Equal((100.0, 0.5), (leaf.Figure("parameters"), leaf.Figure("parametersRatio")));
        Assert.Null(leaf.Figure("top1"));
        // A training loss is no test loss.
        Assert.Null(leaf.Figure("loss"));
    }

    [Theory, CombinatorialDatabases]
    public async Task A_sweep_is_found_by_id_by_its_start_and_by_name(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        var first = await bench.SubmitAsync(Sweep(("train", "{}")));
        bench.Time.Advance(TimeSpan.FromDays(400));
        var second = await bench.SubmitAsync(Sweep(("train", "{}")));

        Assert.Equal(first, (await bench.Queries.StatusAsync(first.ToString())).Id);
        Assert.Equal(first, (await bench.Queries.StatusAsync(first.ToString()[..12])).Id);
        Assert.Equal(second, (await bench.Queries.StatusAsync("test")).Id);
        Assert.Equal([second, first], (await bench.Queries.ListAsync()).Select(s => s.Id));
        var unknown = await Assert.ThrowsAsync<LatheException>(() => bench.Queries.StatusAsync("nothing"));
        Assert.Contains("no sweep 'nothing'", unknown.Message);
    }
}
