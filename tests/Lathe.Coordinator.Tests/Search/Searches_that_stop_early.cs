using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using static Lathe.Coordinator.Tests.Stages;

namespace Lathe.Coordinator.Tests;

public sealed class Searches_that_stop_early
{
    private const int Epochs = 9;

    private static readonly SweepSpec Spec = Sweep(("train", "{}"), ("prune", """{"multiplications": {"uniform": [0.01, 1]}, "epochs": 9}"""), ("evaluate", "{}")) with
    {
        Search = new SearchSpec("random", [new SearchObjective(Maximize: "validationTop1")], 18, Parallel: 3),
        EarlyStopping = new EarlyStoppingSpec("asha"),
    };

    [Theory]
    [CombinatorialDatabases]
    internal async Task The_best_third_of_each_rung_goes_on_from_where_it_was_stopped(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        var work = new EpochWorker(bench);
        var id = await bench.SubmitAsync(Spec);
        await work.RunAsync();

        var trials = await TrialsAsync(bench, id);
        var status = await bench.StatusAsync(id);
        Assert.Equal((18, SweepState.Succeeded), (trials.Count, status.State));
        Assert.Equal($"{trials.Count(t => t.State == TrialState.Stopped)} trials were stopped early; lathe retry {status.Name} --execution N goes on with one from where it was stopped", status.Reason);
        var courses = trials.ConvertAll(t => JsonSerializer.Deserialize<double[]>(t.Course!)!);
        // No epoch was computed twice, and nobody went beyond its rung.
        Assert.All(trials.Zip(courses), t => Assert.Equal(t.First.State == TrialState.Done ? Epochs : t.Second.Length < 3 ? 1 : 3, t.Second.Length));
        Assert.Equal(courses.Sum(c => c.Length), work.Computed);
        Assert.True(work.Most <= 3);
        // Of 18 a third leaves the first rung, and a third of those the second; asynchronous, so that some lucky early ones may come on top.
        Assert.InRange(courses.Count(c => c.Length >= 3), 6, 11);
        Assert.InRange(trials.Count(t => t.State == TrialState.Done), 2, 5);
        var best = courses.Index().OrderBy(c => c.Item[0]).Take(6).Select(c => c.Index);
        Assert.All(best, b => Assert.True(courses[b].Length >= 3));
        await bench.AssertCountedAsync();
    }

    [Fact]
    public async Task A_person_can_let_a_stopped_trial_go_on_while_the_search_runs_and_when_it_is_over()
    {
        using var bench = await Workbench.StartAsync();
        var work = new EpochWorker(bench);
        var id = await bench.SubmitAsync(Spec);
        await work.RunAsync(until: async () => (await TrialsAsync(bench, id)).Exists(t => t.State == TrialState.Stopped));
        var first = (await TrialsAsync(bench, id)).Find(t => t.State == TrialState.Stopped)!;
        Assert.Equal(1, (await bench.Orchestrator.ResumeAsync(new ControlTarget(id, Index: NodeOf(first)))).Executions);
        await bench.PumpAsync();
        await work.RunAsync();
        Assert.Equal(TrialState.Done, (await TrialsAsync(bench, id))[first.Number].State);
        Assert.Equal(SweepState.Succeeded, (await bench.StatusAsync(id)).State);

        var later = (await TrialsAsync(bench, id)).Find(t => t.State == TrialState.Stopped)!;
        var (kept, before) = (JsonSerializer.Deserialize<double[]>(later.Course!)!.Length, work.Computed);
        await bench.Orchestrator.RetryAsync(new ControlTarget(id, Index: NodeOf(later)));
        await bench.PumpAsync();
        Assert.Equal(SweepState.Running, (await bench.StatusAsync(id)).State);
        await work.RunAsync();
        var trials = await TrialsAsync(bench, id);
        Assert.Equal((TrialState.Done, SweepState.Succeeded), (trials[later.Number].State, (await bench.StatusAsync(id)).State));
        Assert.Equal(before + Epochs - kept, work.Computed);
        await bench.AssertCountedAsync();
        // What has its figures, or was never stopped, has nothing to go on with.
        await Assert.ThrowsAsync<LatheException>(() => bench.Orchestrator.RetryAsync(new ControlTarget(id, Index: NodeOf(later))));
    }

    [Fact]
    public async Task A_coordinator_that_dies_after_every_report_stops_and_sends_on_the_same_trials()
    {
        var expected = await OutcomeAsync(restarts: false);
        Assert.Equal(expected, await OutcomeAsync(restarts: true));
    }

    [Fact]
    public async Task By_the_median_rule_bad_trials_stop_and_none_goes_on_by_itself()
    {
        using var bench = await Workbench.StartAsync();
        var work = new EpochWorker(bench);
        var id = await bench.SubmitAsync(Spec with { EarlyStopping = new EarlyStoppingSpec("median", "accuracy", Grace: 2) });
        await work.RunAsync();

        var trials = await TrialsAsync(bench, id);
        Assert.Equal(SweepState.Succeeded, (await bench.StatusAsync(id)).State);
        Assert.InRange(trials.Count(t => t.State == TrialState.Stopped), 1, 14);
        Assert.All(trials.Where(t => t.State == TrialState.Stopped), t => Assert.InRange(JsonSerializer.Deserialize<double[]>(t.Course!)!.Length, 2, Epochs - 1));
    }

    [Fact]
    public async Task Trials_are_compared_by_a_held_out_figure_that_their_stage_reports_after_each_epoch()
    {
        using var bench = await Workbench.StartAsync();
        // The loss says the contrary of the held-out accuracy: who looks at it stops the others.
        var work = new EpochWorker(bench) { Loss = multiplications => -Math.Abs(multiplications - 0.5) };
        var id = await bench.SubmitAsync(Spec with { EarlyStopping = new EarlyStoppingSpec("asha", "validationTop1") });
        await work.RunAsync();

        var trials = await TrialsAsync(bench, id);
        var best = trials.OrderBy(t => Distance(t)).Take(6).ToList();
        Assert.All(best, t => Assert.True(JsonSerializer.Deserialize<double[]>(t.Course!)!.Length >= 3));
        Assert.Equal(Distance(best[0]), trials.Where(t => t.State == TrialState.Done).Min(Distance));
    }

    [Fact]
    public async Task By_all_objectives_at_once_both_ends_of_the_front_go_on()
    {
        using var bench = await Workbench.StartAsync();
        var work = new EpochWorker(bench) { Held = multiplications => multiplications };
        // Of two objectives that pull apart, every trial is on the front: the ends, and whoever stands alone, go on.
        var id = await bench.SubmitAsync(Spec with
        {
            Search = Spec.Search! with { Objectives = [new SearchObjective(Maximize: "validationTop1"), new SearchObjective(Minimize: "bytes")], Parallel = 1 },
            EarlyStopping = new EarlyStoppingSpec("asha", EarlyStops.Objectives),
        });
        await work.RunAsync();

        var trials = await TrialsAsync(bench, id);
        Assert.Equal(18, trials.Count);
        var ordered = trials.OrderBy(Multiplications).ToList();
        Assert.All(new[] { ordered[0], ordered[^1] }, end => Assert.Equal(TrialState.Done, end.State));
        Assert.InRange(trials.Count(t => t.State == TrialState.Stopped), 9, 15);
        Assert.All(trials.Where(t => t.State == TrialState.Stopped), t => Assert.All(JsonSerializer.Deserialize<double[][]>(t.Course!)!, figures => Assert.Equal([-Multiplications(t), Multiplications(t)], figures)));
    }

    private static double Multiplications(TrialRow trial) => JsonSerializer.Deserialize<Dictionary<string, double>>(trial.Values)!["prune.multiplications"];

    private static double Distance(TrialRow trial) => Math.Abs(Multiplications(trial) - 0.5);

    private static async Task<List<string>> OutcomeAsync(bool restarts)
    {
        using var bench = await Workbench.StartAsync();
        var work = new EpochWorker(bench);
        var id = await bench.SubmitAsync(Spec with { Search = Spec.Search! with { Trials = 9 } });
        await work.RunAsync(after: restarts ? () => bench.RestartAsync() : null);
        return (await TrialsAsync(bench, id)).ConvertAll(t => $"{t.Point} {t.State} {t.Course}");
    }

    private static int NodeOf(TrialRow trial) => JsonSerializer.Deserialize<List<List<int>>>(trial.Ways)![0][1];

    private static async Task<List<TrialRow>> TrialsAsync(Workbench bench, Guid id)
    {
        await using var database = bench.Store.Open();
        return [.. database.Trials.Where(t => t.SweepId == id).OrderBy(t => t.Number)];
    }

    /// <summary>Workers that keep the training state of a key, and stop as soon as they are told to.</summary>
    private sealed class EpochWorker(Workbench bench)
    {
        private readonly Dictionary<string, int> _states = [];
        private readonly List<ExecuteStage> _running = [];

        /// <summary>Training loss by multiplications, but for what every epoch takes off it.</summary>
        public Func<double, double> Loss { get; init; } = multiplications => Math.Abs(multiplications - 0.5);

        /// <summary>Held-out accuracy by multiplications.</summary>
        public Func<double, double> Held { get; init; } = multiplications => 1 - Math.Abs(multiplications - 0.5);

        /// <summary>Epochs that were computed, all together.</summary>
        public int Computed { get; private set; }

        /// <summary>The most trainings at one time.</summary>
        public int Most { get; private set; }

        public async Task RunAsync(Func<Task<bool>>? until = null, Func<Task>? after = null)
        {
            while (true)
            {
                var fresh = bench.Bus.Take();
                foreach (var command in fresh)
                {
                    if (command.Stage == "prune") _running.Add(command);
                    else await ReportAsync(Finished(command));
                }

                Most = Math.Max(Most, _running.Count);
                if (_running.Count == 0 && fresh.Count == 0) return;
                foreach (var command in _running.ToList())
                {
                    if (!_running.Contains(command)) continue;
                    bench.Time.Advance(TimeSpan.FromSeconds(1));
                    Computed++;
                    var epoch = _states[command.Key] = _states.GetValueOrDefault(command.Key) + 1;
                    var multiplications = command.Parameters.GetProperty("multiplications").GetDouble();
                    var loss = Loss(multiplications) + (1.0 / epoch);
                    var figures = new EpochFigures(epoch, loss, 1 - loss) { Metrics = new Dictionary<string, double> { ["validationTop1"] = Held(multiplications), ["bytes"] = multiplications } };
                    await ReportAsync(new StageProgressed(
                        command.ExecutionId, command.Attempt, command.Key, command.Stage, "host:1:prune", new StageProgress("training", epoch, Epochs, LastEpoch: figures)));
                    if (epoch < Epochs) continue;
                    _running.Remove(command);
                    await ReportAsync(Finished(command));
                }

                if (until is not null && await until()) return;
            }

            async Task ReportAsync(IStageReport report)
            {
                await bench.ReportAsync(report);
                if (after is not null) await after();
                foreach (var stopped in _running.Where(c => bench.Bus.Cancelled.Any(x => x.ExecutionId == c.ExecutionId)).ToList())
                {
                    _running.Remove(stopped);
                    await bench.ReportAsync(new StageCancelled(stopped.ExecutionId, stopped.Attempt, stopped.Key, stopped.Stage, "host:1:prune"));
                }
            }
        }

        private StageCompleted Finished(ExecuteStage command)
        {
            var done = bench.Work(command);
            return command.Stage != "prune" ? done
                : done with { Metrics = new Dictionary<string, double>(done.Metrics) { ["validationTop1"] = Held(command.Parameters.GetProperty("multiplications").GetDouble()), ["bytes"] = command.Parameters.GetProperty("multiplications").GetDouble() } };
        }
    }
}
