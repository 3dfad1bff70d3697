using Lathe.Contracts;
using Lathe.Contracts.Messages;
using static Lathe.Coordinator.Tests.Stages;

namespace Lathe.Coordinator.Tests;

public sealed class Controlling_a_sweep
{
    private static readonly SweepSpec Grid = Sweep(
        ("train", "{}"), ("prune", """{"multiplications": [0.5, 0.25]}"""), ("quantize", """{"bits": [2, 4]}"""), ("evaluate", "{}"));

    [Theory, CombinatorialDatabases]
    public async Task A_retry_that_comes_while_another_one_is_carried_out_is_carried_out_too(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        var id = await bench.SubmitAsync(Sweep(("train", "{}"), ("prune", """{"multiplications": [0.5, 0.25]}""")));
        await bench.FinishAsync(bench.Bus.Take()[0]);
        bench.Bus.Take();
        for (var prune = 1; prune <= 2; prune++) await bench.Orchestrator.CancelAsync(new ControlTarget(id, Index: prune));
        await bench.Orchestrator.RetryAsync(new ControlTarget(id, Index: 2));
        Task? other = null;
        // Its turn comes once the coordinator has recorded the later execution, and before it looks whether there are more.
        void Retry() => other ??= bench.Orchestrator.RetryAsync(new ControlTarget(id, Index: 1));
        bench.Orchestrator.Happened += Retry;
        await bench.Orchestrator.DoChoresAsync();
        bench.Orchestrator.Happened -= Retry;
        await other!;
        await bench.PumpAsync();
        Assert.Equal(2, bench.Bus.Take().Count);
        await bench.AssertCountedAsync();
    }

    [Theory, CombinatorialDatabases]
    public async Task A_paused_sweep_stops_what_runs_sends_nothing_and_goes_on_when_it_is_resumed(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        var id = await bench.SubmitAsync(Grid);
        await bench.FinishAsync(bench.Bus.Take()[0]);
        var prunes = bench.Bus.Take();
        await bench.HearAsync(prunes[0]);

        await bench.Orchestrator.PauseAsync(new ControlTarget(id));
        await bench.Orchestrator.PauseAsync(new ControlTarget(id));
        await bench.PumpAsync();

        Assert.Equal(prunes.Select(p => p.ExecutionId).Order(), bench.Bus.Cancelled.Select(c => c.ExecutionId).Order());
        var status = await bench.StatusAsync(id);
        Assert.Equal(SweepState.Paused, status.State);
        Assert.Equal([ExecutionState.Completed, .. Enumerable.Repeat(ExecutionState.Paused, 10)], status.Executions.Select(e => e.State));
        bench.Time.Advance(TimeSpan.FromHours(1));
        await bench.ReconcileAsync();
        Assert.Empty(bench.Bus.Take());

        await bench.Orchestrator.ResumeAsync(new ControlTarget(id));
        await bench.PumpAsync();
        var again = bench.Bus.Take();
        Assert.Equal(prunes.Select(p => p.Key).Order(), again.Select(p => p.Key).Order());
        foreach (var command in again) await bench.FinishAsync(command);
        await bench.FinishAllAsync();
        Assert.Equal(SweepState.Succeeded, (await bench.StatusAsync(id)).State);
        await bench.AssertCountedAsync();
    }

    [Theory, CombinatorialDatabases]
    public async Task A_cancelled_sweep_keeps_its_results_and_can_be_retried(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        var id = await bench.SubmitAsync(Grid);
        await bench.FinishAsync(bench.Bus.Take()[0]);
        var prunes = bench.Bus.Take();

        await bench.Orchestrator.CancelAsync(new ControlTarget(id));
        await bench.PumpAsync();

        var status = await bench.StatusAsync(id);
        Assert.Equal(SweepState.Cancelled, status.State);
        Assert.Equal([ExecutionState.Completed, .. Enumerable.Repeat(ExecutionState.Cancelled, 10)], status.Executions.Select(e => e.State));
        Assert.Equal(2, bench.Bus.Cancelled.Count);
        Assert.NotNull(status.FinishedAt);
        // A worker that missed it is told again.
        await bench.HearAsync(prunes[1]);
        Assert.Equal(3, bench.Bus.Cancelled.Count);

        await bench.Orchestrator.RetryAsync(new ControlTarget(id));
        await bench.PumpAsync();
        Assert.Equal(10, (await bench.FinishAllAsync()).Count);
        Assert.Equal(SweepState.Succeeded, (await bench.StatusAsync(id)).State);
        await bench.AssertCountedAsync();
    }

    [Fact]
    public async Task What_another_sweep_wants_too_goes_on()
    {
        using var bench = await Workbench.StartAsync();
        var first = await bench.SubmitAsync(Grid);
        var second = await bench.SubmitAsync(Grid);
        var train = Assert.Single(bench.Bus.Take());
        await bench.Orchestrator.CancelAsync(new ControlTarget(first));
        await bench.PumpAsync();

        Assert.Empty(bench.Bus.Cancelled);
        await bench.FinishAsync(train);
        await bench.FinishAllAsync();
        Assert.Equal(SweepState.Succeeded, (await bench.StatusAsync(second)).State);
        Assert.Equal(ExecutionState.Completed, (await bench.StatesAsync(second))[0]);
        await bench.AssertCountedAsync();
    }

    [Fact]
    public async Task A_sweep_that_joins_what_a_paused_one_left_ready_gets_it()
    {
        using var bench = await Workbench.StartAsync();
        bench.Bus.IsDown = true;
        var first = await bench.SubmitAsync(Grid);
        await bench.Orchestrator.PauseAsync(new ControlTarget(first));
        bench.Bus.IsDown = false;
        var second = await bench.SubmitAsync(Grid);
        bench.Time.Advance(TimeSpan.FromMinutes(1));
        await bench.ReconcileAsync();
        Assert.Equal(11, (await bench.FinishAllAsync()).DistinctBy(c => c.Key).Count());
        Assert.Equal(SweepState.Succeeded, (await bench.StatusAsync(second)).State);
        await bench.AssertCountedAsync();
    }

    [Theory, CombinatorialDatabases]
    public async Task One_stage_can_be_paused_while_the_others_go_on(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        var id = await bench.SubmitAsync(Grid);
        Assert.Equal(4, (await bench.Orchestrator.PauseAsync(new ControlTarget(id, "quantize"))).Executions);
        Assert.Equal(["train", "prune", "prune"], (await bench.FinishAllAsync()).Select(c => c.Stage));
        Assert.Equal(SweepState.Running, (await bench.StatusAsync(id)).State);

        Assert.Equal(4, (await bench.Orchestrator.ResumeAsync(new ControlTarget(id, "quantize"))).Executions);
        await bench.PumpAsync();
        Assert.Equal(8, (await bench.FinishAllAsync()).Count);
        Assert.Equal(SweepState.Succeeded, (await bench.StatusAsync(id)).State);
        await bench.AssertCountedAsync();
    }

    [Fact]
    public async Task One_execution_can_be_cancelled_with_what_starts_from_it()
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(Grid);
        await bench.FinishAsync(bench.Bus.Take()[0]);
        Assert.Equal(1, (await bench.Orchestrator.CancelAsync(new ControlTarget(id, Index: 1))).Executions);
        await bench.PumpAsync();
        await bench.FinishAsync(bench.Bus.Take()[1]);
        await bench.FinishAllAsync();

        var status = await bench.StatusAsync(id);
        Assert.Equal(
            [ExecutionState.Completed, ExecutionState.Cancelled, .. Enumerable.Repeat(ExecutionState.Skipped, 4), .. Enumerable.Repeat(ExecutionState.Completed, 5)],
            status.Executions.Select(e => e.State));
        await bench.AssertCountedAsync();

        Assert.Equal(1, (await bench.Orchestrator.RetryAsync(new ControlTarget(id, Index: 1))).Executions);
        await bench.PumpAsync();
        Assert.Equal(5, (await bench.FinishAllAsync()).Count);
        Assert.Equal(SweepState.Succeeded, (await bench.StatusAsync(id)).State);
    }

    [Theory, CombinatorialDatabases]
    public async Task Failed_executions_run_again_with_a_parameter_mended_and_what_is_done_stays(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        var id = await bench.SubmitAsync(Grid);
        await bench.FinishAsync(bench.Bus.Take()[0]);
        foreach (var prune in bench.Bus.Take())
        {
            if (prune.Parameters.GetProperty("multiplications").GetDouble() == 0.25) await bench.FailAsync(prune, FailureKind.Permanent, "target impossible");
            else await bench.FinishAsync(prune);
        }

        Assert.Equal(4, (await bench.FinishAllAsync()).Count);
        Assert.Equal(SweepState.Failed, (await bench.StatusAsync(id)).State);

        var again = (await bench.Orchestrator.RetryAsync(
            new ControlTarget(id), point => point.Stage == "prune" ? Json("""{"multiplications": 0.3, "epochs": 2}""") : null)).Executions;
        await bench.PumpAsync();
        Assert.Equal(1, again);
        var done = await bench.FinishAllAsync();
        Assert.Equal(5, done.Count);
        Assert.Equal(0.3, done[0].Parameters.GetProperty("multiplications").GetDouble());
        var status = await bench.StatusAsync(id);
        Assert.Equal(SweepState.Succeeded, status.State);
        Assert.Equal([0.5, 0.3], status.Executions.Where(e => e.Stage == "prune").Select(e => e.Parameters.GetProperty("multiplications").GetDouble()));
        await bench.AssertCountedAsync();
    }

    [Theory, CombinatorialDatabases]
    public async Task A_sweep_that_was_cancelled_as_a_whole_goes_on_with_other_parameters(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        var id = await bench.SubmitAsync(Grid);
        await bench.FinishAsync(bench.Bus.Take()[0]);
        var prunes = bench.Bus.Take();
        await bench.FinishAsync(prunes.Single(p => p.Parameters.GetProperty("multiplications").GetDouble() == 0.5));
        bench.Bus.Take();
        await bench.Orchestrator.CancelAsync(new ControlTarget(id));

        var changes = await bench.Orchestrator.CheckRetryAsync(new ControlTarget(id), new Dictionary<string, System.Text.Json.JsonElement> { ["prune"] = Json("""{"multiplications": 0.3}""") });
        Assert.Empty(changes.Problems);
        await bench.Orchestrator.RetryAsync(new ControlTarget(id), changes.Parameters);
        await bench.PumpAsync();
        await bench.FinishAllAsync();
        var status = await bench.StatusAsync(id);
        Assert.Equal(SweepState.Succeeded, status.State);
        // What was finished stays as it was.
        Assert.Equal([0.5, 0.3], status.Executions.Where(e => e.Stage == "prune").Select(e => e.Parameters.GetProperty("multiplications").GetDouble()));
        await bench.AssertCountedAsync();
    }

    [Fact]
    public async Task A_stage_is_asked_before_executions_run_again_with_other_parameters()
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(Grid);
        await bench.Orchestrator.CancelAsync(new ControlTarget(id));
        bench.Bus.OnChecked = (request, question) => request.Stage == "prune" && question.Parameters.GetProperty("multiplications").GetDouble() < 0.1
            ? new StageForecast([ParameterProblem.Of("multiplications", "no such network can be that small")], null)
            : StageForecast.Unknown;

        var changes = await bench.Orchestrator.CheckRetryAsync(new ControlTarget(id), new Dictionary<string, System.Text.Json.JsonElement> { ["prune"] = Json("""{"multiplications": 0.01}""") });
        var problem = Assert.Single(changes.Problems);
        Assert.Equal(("/set/prune/multiplications", "no such network can be that small"), (problem.Path, problem.Message));
    }

    [Fact]
    public async Task A_late_failure_of_an_earlier_attempt_changes_nothing()
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(Sweep(("train", "{}")));
        var first = Assert.Single(bench.Bus.Take());
        bench.Time.Advance(TimeSpan.FromSeconds(30));
        await bench.ReconcileAsync();
        var second = Assert.Single(bench.Bus.Take());
        await bench.HearAsync(second);
        await bench.FailAsync(first, FailureKind.Permanent, "an old grudge");

        Assert.Equal([ExecutionState.Running], await bench.StatesAsync(id));
        // But its result is as good as any other: same key, same bits.
        await bench.FinishAsync(first);
        Assert.Equal(SweepState.Succeeded, (await bench.StatusAsync(id)).State);
    }

    [Fact]
    public async Task A_lost_command_is_sent_again_though_its_queue_is_never_empty()
    {
        using var bench = await Workbench.StartAsync();
        bench.Bus.Depth = 5;
        await bench.SubmitAsync(Sweep(("train", """{"epochs": [1, 2, 3]}""")));
        var commands = bench.Bus.Take();
        // The first one is lost; a later one is taken.
        bench.Time.Advance(TimeSpan.FromSeconds(1));
        await bench.HearAsync(commands[1]);
        await bench.SubmitAsync(Sweep(("train", """{"epochs": [4]}""")) with { Seeds = [3] });
        var later = Assert.Single(bench.Bus.Take());
        await bench.HearAsync(later);
        for (var i = 0; i < 4; i++)
        {
            bench.Time.Advance(TimeSpan.FromSeconds(15));
            await bench.HearAsync(commands[1]);
            await bench.HearAsync(later);
            await bench.ReconcileAsync();
        }

        Assert.Contains(bench.Bus.Take(), c => c.Key == commands[0].Key && c.Attempt == 2);
    }

    [Fact]
    public async Task A_data_set_that_takes_long_to_read_is_read_once_the_sweep_is_recorded()
    {
        using var bench = await Workbench.StartAsync();
        await bench.RestartAsync(new CoordinatorOptions { FingerprintPatience = TimeSpan.Zero });
        using var read = new ManualResetEventSlim();
        var reads = 0;
        bench.OnFingerprint = name =>
        {
            Interlocked.Increment(ref reads);
            read.Wait(TestContext.Current.CancellationToken);
            return new DataRef(name, new string('e', 64));
        };
        var first = await bench.SubmitAsync(Grid);
        var second = await bench.SubmitAsync(Grid with { Seeds = [5] });
        var status = await bench.StatusAsync(first);
        Assert.Equal(SweepState.Preparing, status.State);
        Assert.Contains("fingerprint", status.Reason);
        Assert.Empty(bench.Bus.Take());

        read.Set();
        await Lathe.Testing.Eventually.TrueAsync(
            async () =>
            {
                await bench.PumpAsync();
                return (await bench.StatusAsync(first)).State == SweepState.Running && (await bench.StatusAsync(second)).State == SweepState.Running;
            },
            "both sweeps to run");
        Assert.Equal(1, reads);
        var done = await bench.FinishAllAsync();
        Assert.Equal(22, done.Count);
        Assert.All(done.Where(c => c.Data is not null), c => Assert.Equal(new string('e', 64), c.Data!.Fingerprint));
    }

    [Fact]
    public async Task A_data_set_that_cannot_be_read_fails_the_sweep_that_waits_for_it()
    {
        using var bench = await Workbench.StartAsync();
        await bench.RestartAsync(new CoordinatorOptions { FingerprintPatience = TimeSpan.Zero });
        using var read = new ManualResetEventSlim();
        bench.OnFingerprint = _ =>
        {
            read.Wait(TestContext.Current.CancellationToken);
            throw new LatheException("the shard images-7.tar is cut off");
        };
        var id = await bench.SubmitAsync(Grid);
        read.Set();
        await Lathe.Testing.Eventually.TrueAsync(
            async () =>
            {
                await bench.PumpAsync();
                return (await bench.StatusAsync(id)).State == SweepState.Failed;
            },
            "the sweep to fail");
        Assert.Equal("the shard images-7.tar is cut off", (await bench.StatusAsync(id)).Reason);
    }

    [Theory, CombinatorialDatabases]
    public async Task The_same_request_twice_gives_one_sweep(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        var submission = new SweepSubmission(Grid, RequestId: "once");
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => bench.Orchestrator.SubmitAsync(submission)));
        Assert.Single(outcomes.Select(o => o.Id).Distinct());
        Assert.Single(await bench.Queries.ListAsync());

        var other = await bench.Orchestrator.SubmitAsync(submission with { Fresh = true });
        Assert.Equal("/requestId", Assert.Single(other.Problems).Path);
    }

    [Fact]
    public async Task A_deleted_sweep_is_gone_and_what_others_took_from_it_stays()
    {
        using var bench = await Workbench.StartAsync();
        var first = await bench.SubmitAsync(Grid);
        var second = await bench.SubmitAsync(Grid);
        await Assert.ThrowsAsync<LatheException>(() => bench.Orchestrator.DeleteAsync(first));
        await bench.FinishAllAsync();
        await bench.Orchestrator.DeleteAsync(first);

        Assert.Equal(second, Assert.Single(await bench.Queries.ListAsync()).Id);
        Assert.Equal(0.9, (await bench.Queries.ResultsAsync(second.ToString())).Leaves[0].Figure("top1"));
        await bench.Orchestrator.DeleteAsync(second);
        await using var database = bench.Store.Open();
        Assert.Equal((0, 0, 0), (database.Nodes.Count(), database.Executions.Count(), database.Points.Count()));
    }

    [Fact]
    public async Task Orders_that_make_no_sense_are_refused_in_words()
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(Grid);
        await bench.FinishAllAsync();
        await AssertRefused(() => bench.Orchestrator.PauseAsync(new ControlTarget(id)), "sweep test has succeeded; there is nothing to pause");
        await AssertRefused(() => bench.Orchestrator.RetryAsync(new ControlTarget(id)), "there is nothing to retry");
        await AssertRefused(() => bench.Orchestrator.CancelAsync(new ControlTarget(id, "distil")), "the sweep has no stage 'distil'; it has ");
        await AssertRefused(() => bench.Orchestrator.CancelAsync(new ControlTarget(id, Index: 11)), "the sweep has no execution 11; it has 0 to ");
        await AssertRefused(() => bench.Orchestrator.CancelAsync(new ControlTarget(id, "evaluate", 0)), "execution 0 of the sweep is of train and not of evaluate; name one of the two");
        await AssertRefused(() => bench.Orchestrator.PriorityAsync(id, 6), "expected a whole number from 1 to 5");
        await AssertRefused(() => bench.Orchestrator.PauseAsync(new ControlTarget(Guid.Empty)), "there is no sweep");

        static async Task AssertRefused(Func<Task> order, string words) => Assert.Contains(words, (await Assert.ThrowsAsync<LatheException>(order)).Message);
    }
}
