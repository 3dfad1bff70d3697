using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using static Lathe.Coordinator.Tests.Stages;

namespace Lathe.Coordinator.Tests;

public sealed class Running_a_search
{
    /// <summary>Two ranges; the training is shared.</summary>
    private static readonly SweepSpec Spec = Sweep(
        ("train", "{}"), ("prune", """{"multiplications": {"uniform": [0.2, 1]}}"""), ("quantize", """{"bits": {"int": [2, 8]}}"""), ("evaluate", "{}")) with
    {
        Search = new SearchSpec("tpe", [new SearchObjective(Maximize: "validationTop1"), new SearchObjective(Minimize: "bytes")], 15, Parallel: 3),
    };

    [Theory]
    [CombinatorialDatabases]
    internal async Task As_many_trials_as_allowed_run_at_a_time_until_all_are_done(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        var id = await bench.SubmitAsync(Spec);
        var open = 0;
        await RunAsync(bench, id, async () => open = Math.Max(open, (await TrialsAsync(bench, id)).Count(t => t.State == TrialState.Open)));

        var trials = await TrialsAsync(bench, id);
        var status = await bench.StatusAsync(id);
        Assert.Equal((15, 3, SweepState.Succeeded), (trials.Count, open, status.State));
        Assert.All(trials, t => Assert.Equal(TrialState.Done, t.State));
        Assert.Single(status.Executions, e => e.Stage == "train");
        Assert.Equal(15, status.Executions.Count(e => e.Stage == "prune"));
        Assert.All(status.Executions, e => Assert.True(e.Parent is null || e.Parent < e.Index));
        await bench.AssertCountedAsync();
        // The figures are those of the last stage that measured them.
        foreach (var trial in trials)
        {
            var values = JsonSerializer.Deserialize<Dictionary<string, double>>(trial.Values)!;
            Assert.Equal([-Accuracy(values["prune.multiplications"], values["quantize.bits"]), Bytes(values["prune.multiplications"], values["quantize.bits"])], JsonSerializer.Deserialize<double[]>(trial.Losses!)!);
        }
    }

    [Fact]
    public async Task A_coordinator_that_dies_goes_on_with_the_same_search()
    {
        var expected = await PointsAsync(restarts: false);
        Assert.Equal(expected, await PointsAsync(restarts: true));
        Assert.Equal(15, expected.Distinct().Count());
    }

    [Fact]
    public async Task What_comes_at_once_is_taken_in_the_order_in_which_it_ended()
    {
        // One by one, and all reports of a moment in one batch.
        Assert.Equal(await PointsAsync(restarts: false), await PointsAsync(restarts: false, together: true));
    }

    [Fact]
    public async Task Two_coordinators_choose_no_trial_twice()
    {
        using var bench = await Workbench.StartAsync(DatabaseKind.PostgreSql);
        var id = await bench.SubmitAsync(Spec);
        using var other = await Workbench.StartAsync(bench.Address);
        await RunAsync(bench, id, () => Task.WhenAll(bench.Orchestrator.DoChoresAsync(), other.Orchestrator.DoChoresAsync()));

        var trials = await TrialsAsync(bench, id);
        Assert.Equal([.. Enumerable.Range(0, 15)], trials.Select(t => t.Number));
        Assert.Equal(SweepState.Succeeded, (await bench.StatusAsync(id)).State);
        await bench.AssertCountedAsync();
    }

    [Fact]
    public async Task What_is_predicted_to_break_a_constraint_is_never_computed()
    {
        using var bench = await Workbench.StartAsync();
        bench.Bus.OnChecked = (request, question) => new StageForecast([], request.Stage switch
        {
            "train" => Form(200, 200),
            // How far it goes below the target is not known.
            "prune" => Form(10, 200 * question.Parameters.GetProperty("multiplications").GetDouble()),
            _ => question.Input is { } input ? request.Inputs[input] : null,
        });
        var id = await bench.SubmitAsync(Spec with { Search = Spec.Search! with { Constraints = ["parameters >= 0.5"], Trials = 8 } });
        await RunAsync(bench, id);

        var trials = await TrialsAsync(bench, id);
        var pruned = trials.FindAll(t => t.State == TrialState.Pruned);
        Assert.Equal(8, trials.Count(t => t.State == TrialState.Done));
        Assert.NotEmpty(pruned);
        Assert.All(pruned, t => Assert.Equal("is predicted to break parameters >= 0.5", t.Reason));
        Assert.All((await bench.StatusAsync(id)).Executions.Where(e => e.Stage == "prune"), e => Assert.True(e.Parameters.GetProperty("multiplications").GetDouble() >= 0.5));
    }

    [Fact]
    public async Task A_random_search_computes_exactly_those_points_that_may_keep_its_constraints()
    {
        using var bench = await Workbench.StartAsync();
        bench.Bus.OnChecked = (request, question) => new StageForecast([], request.Stage switch
        {
            "train" => Form(200, 200, 800),
            // As the exact finish: at or under the target, and by no more than a channel.
            "prune" when 200 * question.Parameters.GetProperty("multiplications").GetDouble() is var most => Form(most - 6, most, 4 * most),
            "quantize" when request.Inputs[question.Input!.Value].Sizes["parameters"] is var kept && question.Parameters.GetProperty("bits").GetInt32() is var bits =>
                Form(kept.Least, kept.Most, kept.Most * bits / 2, kept.Least * bits / 2),
            _ => null,
        });
        var search = Spec.Search! with { Strategy = "random", Trials = 12, Constraints = ["parameters <= 0.6", "bytes <= 300"] };
        var id = await bench.SubmitAsync(Spec with { Search = search });
        await RunAsync(bench, id);

        var (pruned, computed) = (0, 0);
        foreach (var trial in await TrialsAsync(bench, id))
        {
            var values = JsonSerializer.Deserialize<Dictionary<string, double>>(trial.Values)!;
            var least = (200 * values["prune.multiplications"]) - 6;
            var mayKeep = least <= 0.6 * 200 && least * values["quantize.bits"] / 2 <= 300;
            Assert.Equal(mayKeep ? TrialState.Done : TrialState.Pruned, trial.State);
            (pruned, computed) = mayKeep ? (pruned, computed + 1) : (pruned + 1, computed);
        }

        Assert.Equal((12, true), (computed, pruned > 6));
        Assert.Equal(12, (await bench.StatusAsync(id)).Executions.Count(e => e.Stage == "prune"));
    }

    [Fact]
    public async Task A_search_of_which_nothing_can_keep_the_constraints_fails_and_says_so()
    {
        using var bench = await Workbench.StartAsync();
        bench.Bus.OnChecked = (request, _) => new StageForecast([], request.Stage == "train" ? Form(200, 200) : Form(90, 200));
        var id = await bench.SubmitAsync(Spec with { Search = Spec.Search! with { Constraints = ["parameters <= 80"], Trials = 2 } });

        await bench.PumpAsync();
        var status = await bench.StatusAsync(id);
        Assert.Equal(SweepState.Failed, status.State);
        Assert.Equal("no trial was computed: of 100 none can keep the constraints; the nearest breaks them by 12.5%", status.Reason);
        Assert.Empty(bench.Bus.Sent);
    }

    [Fact]
    public async Task A_trial_that_a_stage_refuses_is_left_out_and_a_search_of_which_all_are_refused_is_not_taken()
    {
        using var bench = await Workbench.StartAsync();
        bench.Bus.OnChecked = (request, question) => new StageForecast(
            request.Stage == "quantize" && question.Parameters.GetProperty("bits").GetInt32() > 4 ? [ParameterProblem.Of("bits", "too many")] : [], null);
        var id = await bench.SubmitAsync(Spec);
        await RunAsync(bench, id);
        Assert.All((await bench.StatusAsync(id)).Executions.Where(e => e.Stage == "quantize"), e => Assert.InRange(e.Parameters.GetProperty("bits").GetInt32(), 2, 4));

        bench.Bus.OnChecked = (_, _) => new StageForecast([ParameterProblem.Of("epochs", "no")], null);
        var outcome = await bench.Orchestrator.SubmitAsync(new SweepSubmission(Spec with { Search = Spec.Search! with { Seed = 9 } }));
        // What the training was asked before is remembered.
        Assert.Contains(outcome.Problems, p => p.Path == "/stages/1/prune/epochs");
    }

    [Fact]
    public async Task A_trial_that_fails_counts_and_a_retry_gives_it_its_figures()
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(Spec);
        var failed = 0;
        await RunAsync(bench, id, fails: command => command.Stage == "quantize" && failed++ is 1 or 4);

        var trials = await TrialsAsync(bench, id);
        Assert.Equal((15, 2), (trials.Count, trials.Count(t => t.State == TrialState.Failed)));
        Assert.Equal(SweepState.Failed, (await bench.StatusAsync(id)).State);

        await bench.Orchestrator.RetryAsync(new ControlTarget(id));
        await bench.PumpAsync();
        await RunAsync(bench, id);
        Assert.All(await TrialsAsync(bench, id), t => Assert.Equal(TrialState.Done, t.State));
        Assert.Equal(SweepState.Succeeded, (await bench.StatusAsync(id)).State);
        await bench.AssertCountedAsync();
    }

    [Fact]
    public async Task Nothing_is_chosen_while_the_sweep_is_paused_and_a_deleted_one_leaves_nothing()
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(Spec);
        await bench.FinishAllAsync(1);
        await bench.Orchestrator.PauseAsync(new ControlTarget(id));
        await bench.PumpAsync();
        Assert.Equal(3, (await TrialsAsync(bench, id)).Count);

        await bench.Orchestrator.ResumeAsync(new ControlTarget(id));
        await bench.PumpAsync();
        await RunAsync(bench, id);
        Assert.Equal(15, (await TrialsAsync(bench, id)).Count(t => t.State == TrialState.Done));

        await bench.Orchestrator.DeleteAsync(id);
        await using var database = bench.Store.Open();
        Assert.Empty(database.Trials.ToList());
        Assert.Empty(database.Searches.ToList());
    }

    [Fact]
    public async Task Figures_are_means_over_the_seeds()
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(Spec with { Seeds = [1, 2], Search = Spec.Search! with { Trials = 4 } });
        await RunAsync(bench, id);

        var trials = await TrialsAsync(bench, id);
        Assert.Equal(4, trials.Count);
        Assert.All(trials, t => Assert.Equal([4, 4], JsonSerializer.Deserialize<List<List<int>>>(t.Ways)!.Select(w => w.Count)));
        Assert.Equal(2, (await bench.StatusAsync(id)).Executions.Count(e => e.Stage == "train"));
    }

    [Fact]
    public async Task A_plan_tells_the_space_and_the_first_trials()
    {
        using var bench = await Workbench.StartAsync();
        bench.Bus.OnChecked = (request, question) => new StageForecast([], request.Stage == "train" ? Form(200, 200) : question.Parameters.TryGetProperty("multiplications", out var m) ? Form(10, 200 * m.GetDouble()) : null);
        var forecast = await bench.Orchestrator.ForecastAsync(new SweepSubmission(Spec with { Search = Spec.Search! with { Constraints = ["parameters >= 0.5"] } }), 100, false);

        Assert.Empty(forecast.Problems);
        Assert.Equal([("prune.multiplications", """{"uniform":[0.2,1]}"""), ("quantize.bits", """{"int":[2,8]}""")], forecast.Search!.Axes.Select(a => (a.Name, a.Range.GetRawText())));
        Assert.Equal(("tpe", 15, 3, 10), (forecast.Search.Strategy, forecast.Search.Trials, forecast.Search.Parallel, forecast.Search.First.Count));
        Assert.Equal(1 + (3 * 10), forecast.Size);

        var id = await bench.SubmitAsync(Spec);
        Assert.Equal((await TrialsAsync(bench, id)).Select(t => t.Values), forecast.Search.First.Take(3).Select(t => JsonSerializer.Serialize(t.Values)));
        Assert.Empty(await bench.Queries.ListAsync(states: [SweepState.Failed]));
    }

    /// <summary>Points of the trials when each result comes back in its turn.</summary>
    private static async Task<List<string>> PointsAsync(bool restarts, bool together = false)
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(Spec);
        await RunAsync(bench, id, async () =>
        {
            if (restarts) await bench.RestartAsync();
        }, together: together);
        return (await TrialsAsync(bench, id)).ConvertAll(t => t.Point);
    }

    private static async Task RunAsync(Workbench bench, Guid id, Func<Task>? after = null, Func<ExecuteStage, bool>? fails = null, bool together = false)
    {
        while (bench.Bus.Take() is { Count: > 0 } commands)
        {
            foreach (var command in commands)
            {
                bench.Time.Advance(TimeSpan.FromSeconds(1));
                if (fails?.Invoke(command) == true) await bench.FailAsync(command, FailureKind.Permanent);
                else if (together) await bench.Orchestrator.ReportAsync([new Report(Finished(bench, command))]);
                else await bench.ReportAsync(Finished(bench, command));
                if (after is not null) await after();
            }

            if (together) await bench.PumpAsync();
        }

        Assert.NotEqual(Guid.Empty, id);
    }

    /// <summary>A worker whose figures follow from the parameters.</summary>
    private static StageCompleted Finished(Workbench bench, ExecuteStage command)
    {
        var done = bench.Work(command);
        var kept = command.Stage == "prune" ? command.Parameters.GetProperty("multiplications").GetDouble() : 1;
        // As a checkpoint does, the digest tells what came before.
        lock (Kept)
        {
            if (command.Input is { } input && Kept.TryGetValue(input.Sha256, out var before)) kept *= before;
            if (command.Stage != "evaluate") Kept[done.Output.Sha256] = kept;
        }

        var metrics = new Dictionary<string, double>(done.Metrics) { ["parameters"] = 200 * kept };
        if (command.Stage is "train" or "prune") (metrics["validationTop1"], metrics["bytes"]) = (0.99, 800 * kept);
        if (command.Stage == "quantize")
        {
            var bits = command.Parameters.GetProperty("bits").GetInt32();
            (metrics["validationTop1"], metrics["bytes"]) = (Accuracy(kept, bits), Bytes(kept, bits));
        }

        if (command.Stage == "evaluate") metrics.Remove("bytes");
        return done with { Metrics = metrics };
    }

    private static readonly Dictionary<string, double> Kept = [];

    private static double Accuracy(double kept, double bits) => Math.Round(0.9 - (0.2 * (1 - kept) * (1 - kept)) - (0.3 / (bits * bits)), 6);

    private static double Bytes(double kept, double bits) => Math.Round(100 * kept * bits, 6);

    private static NetworkForm Form(double least, double most) => new(Json("{}"), new Dictionary<string, SizeRange> { ["parameters"] = new(least, most) });

    private static NetworkForm Form(double least, double most, double mostBytes, double? leastBytes = null) =>
        new(Json("{}"), new Dictionary<string, SizeRange> { ["parameters"] = new(least, most), ["bytes"] = new(leastBytes ?? 4 * least, mostBytes) });

    private static async Task<List<TrialRow>> TrialsAsync(Workbench bench, Guid id)
    {
        await using var database = bench.Store.Open();
        return [.. database.Trials.Where(t => t.SweepId == id).OrderBy(t => t.Number)];
    }
}
