using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Microsoft.EntityFrameworkCore;
using static Lathe.Coordinator.Tests.Stages;

namespace Lathe.Coordinator.Tests;

/// <summary>What a sweep would do, before it is submitted.</summary>
public sealed class Forecasting_a_sweep
{
    private static readonly SweepSpec Half = Sweep(("train", "{}"), ("prune", """{"multiplications": 0.5}"""), ("evaluate", "{}"));
    private static readonly SweepSpec Two = Sweep(("train", "{}"), ("prune", """{"multiplications": [0.5, 0.25]}"""), ("evaluate", "{}"));

    [Theory, CombinatorialDatabases]
    public async Task Of_a_new_sweep_nothing_is_cached_and_nothing_is_recorded(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);

        var forecast = await ForecastAsync(bench, Two);

        Assert.Equal((5, null, true), (forecast.Size, forecast.Seconds, forecast.IsPart));
        Assert.Equal([("train", 1, 0), ("prune", 2, 0), ("evaluate", 2, 0)], forecast.Steps.Select(s => (s.Stage, s.Executions, s.Cached)));
        // Only the first stage's input is known.
        Assert.Equal([true, false, false, false, false], forecast.Executions.Select(e => e.Key is not null));
        Assert.All(forecast.Executions, e => Assert.Null(e.Nearest));
        await bench.PumpAsync();
        Assert.Empty(bench.Bus.Sent);
        await using var database = bench.Store.Open();
        Assert.False(await database.Sweeps.AnyAsync());
    }

    [Theory, CombinatorialDatabases]
    public async Task What_was_computed_is_cached_and_the_rest_takes_the_time_of_earlier_ones(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        var id = await bench.SubmitAsync(Half);
        await bench.FinishAllAsync();
        var done = await bench.StatusAsync(id);

        var forecast = await ForecastAsync(bench, Two);

        Assert.Equal([true, true, true, false, false], forecast.Executions.Select(e => e.IsCached));
        Assert.Equal(done.Executions.Select(e => e.Key), forecast.Executions.Take(3).Select(e => e.Key));
        Assert.NotNull(forecast.Executions[3].Key);
        Assert.Null(forecast.Executions[4].Key);
        Assert.Equal((3.0, false), (forecast.Seconds, forecast.IsPart));
        Assert.Equal([null, null, null, 1.5, 1.5], forecast.Executions.Select(e => e.Seconds));
        // The key that was told is the one that it gets.
        var again = await bench.SubmitAsync(Two);
        Assert.Equal(forecast.Executions[3].Key, (await bench.StatusAsync(again)).Executions[3].Key);
    }

    [Theory, CombinatorialDatabases]
    public async Task The_nearest_earlier_execution_tells_what_differs(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        var id = await bench.SubmitAsync(Half);
        await bench.FinishAllAsync();
        var done = (await bench.StatusAsync(id)).Executions;

        var forecast = await ForecastAsync(bench, Two with { Stages = [.. Two.Stages, new StageSpec("quantize", Json("{}"))] });

        var prune = forecast.Executions.Single(e => e is { Stage: "prune", IsCached: false });
        Assert.Equal((id, "test", 1), (prune.Nearest!.Sweep, prune.Nearest.SweepName, prune.Nearest.Index));
        Assert.Equal([new KeyDifference("multiplications", "0.5", "0.25")], prune.Nearest.Differences);
        var evaluate = forecast.Executions.Single(e => e.Stage == "evaluate" && e.Parent == prune.Index);
        Assert.Equal([new KeyDifference("input", done[1].Output!.Sha256, "not computed yet")], evaluate.Nearest!.Differences);
        Assert.All(forecast.Executions.Where(e => e.IsCached || e.Stage == "quantize"), e => Assert.Null(e.Nearest));
    }

    [Fact]
    public async Task Every_part_of_a_key_that_differs_is_named()
    {
        using var bench = await Workbench.StartAsync();
        await bench.SubmitAsync(Sweep(("train", "{}")));
        await bench.FinishAllAsync();
        bench.OnFingerprint = name => new DataRef(name, new string('e', 64));

        var other = Sweep(("train", """{"epochs": 5}""")) with { Seeds = [7], Threads = 2, Device = DeviceKind.Cpu };
        var forecast = await ForecastAsync(bench, other);

        Assert.Equal(
            [
                new("epochs", "4", "5"), new("fingerprint", new string('d', 64), new string('e', 64)), new("seed", "0", "7"), new("threads", "any", "2"),
                new KeyDifference("device", "any", "cpu"),
            ],
            Assert.Single(forecast.Executions).Nearest!.Differences);
        forecast = await ForecastAsync(bench, Sweep(("train", "{}")) with { Models = ["vgg"], Datasets = ["mnist"] });
        Assert.Equal([new("model", "\"lenet5\"", "\"vgg\""), new KeyDifference("dataset", "fashion-mnist", "mnist")], Assert.Single(forecast.Executions).Nearest!.Differences);
    }

    [Fact]
    public async Task A_time_is_that_of_the_same_model_where_there_is_one()
    {
        using var bench = await Workbench.StartAsync();
        await bench.SubmitAsync(Sweep(("train", "{}")) with { Models = ["lenet5", "vgg"] });
        foreach (var (command, seconds) in bench.Bus.Take().Zip((double[])[10, 30])) await bench.ReportAsync(bench.Work(command) with { Seconds = seconds });

        var forecast = await ForecastAsync(bench, Sweep(("train", """{"epochs": 9}""")) with { Models = ["lenet5", "vgg", "resnet20"] });

        Assert.Equal([10, 30, 20], forecast.Executions.Select(e => e.Seconds));
        Assert.Equal(60, forecast.Seconds);
        Assert.Contains(forecast.Notes, note => note.StartsWith("the time of train is the mean of executions with other parameters", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_is_asked_for_fresh_runs()
    {
        using var bench = await Workbench.StartAsync();
        await bench.SubmitAsync(Half);
        await bench.FinishAllAsync();

        var forecast = await bench.Orchestrator.ForecastAsync(new SweepSubmission(Half, Fresh: true), 100, why: true);

        Assert.All(forecast.Executions, e => Assert.False(e.IsCached));
        Assert.Empty(forecast.Executions[0].Nearest!.Differences);
    }

    [Fact]
    public async Task A_result_whose_checkpoint_is_gone_runs_and_what_was_made_of_it_is_still_cached()
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(Half);
        await bench.FinishAllAsync();
        File.Delete(bench.Checkpoints.PathOf((await bench.StatusAsync(id)).Executions[0].Output!));

        var forecast = await ForecastAsync(bench, Half);

        Assert.Equal([false, true, true], forecast.Executions.Select(e => e.IsCached));
        Assert.Empty(forecast.Executions[0].Nearest!.Differences);
    }

    [Fact]
    public async Task A_data_set_that_is_not_here_is_a_note()
    {
        using var bench = await Workbench.StartAsync();
        await bench.SubmitAsync(Half);
        await bench.FinishAllAsync();
        bench.OnFingerprint = name => throw new LatheException($"data set {name} is not here");

        var forecast = await ForecastAsync(bench, Half);

        Assert.Equal("data set fashion-mnist is not here", Assert.Single(forecast.Notes));
        Assert.All(forecast.Executions, e => Assert.Equal((false, null), (e.IsCached, e.Key)));
        Assert.Equal(4.5, forecast.Seconds);
    }

    [Fact]
    public async Task Sizes_are_those_that_the_stages_predict()
    {
        using var bench = await Workbench.StartAsync();
        bench.Bus.OnChecked = (request, question) => new StageForecast([], request.Stage == "evaluate" ? null : new NetworkForm(
            Json("{}"), new Dictionary<string, SizeRange> { ["parameters"] = request.Stage == "train" ? new(200, 200) : new(10, 200 * question.Parameters.GetProperty("multiplications").GetDouble()) }));

        var forecast = await ForecastAsync(bench, Two);

        Assert.Equal([new SizeRange(200, 200), new SizeRange(10, 100), null, new SizeRange(10, 50), null], forecast.Executions.Select(e => e.Sizes.GetValueOrDefault("parameters")));
        Assert.Equal(new SizeRange(10, 100), forecast.Steps[1].Sizes["parameters"]);
    }

    [Fact]
    public async Task What_is_wrong_with_a_sweep_is_all_that_is_told_of_it()
    {
        using var bench = await Workbench.StartAsync();

        var forecast = await ForecastAsync(bench, Sweep(("train", """{"epochs": 0}""")));

        Assert.Equal("/stages/0/train/epochs", Assert.Single(forecast.Problems).Path);
        Assert.Empty(forecast.Executions);
    }

    [Fact]
    public async Task Over_http_the_list_has_a_limit_and_the_counts_are_of_all()
    {
        await using var bench = await HttpBench.StartAsync();

        var answer = await HttpBench.JsonOf(await bench.PostAsync("/sweeps/plan?limit=3&why=true", HttpBench.Quick("[1, 2, 3]")));

        Assert.Equal((6, 3), (answer.GetProperty("size").GetInt32(), answer.GetProperty("executions").GetArrayLength()));
        Assert.Equal([3, 3], answer.GetProperty("steps").EnumerateArray().Select(s => s.GetProperty("executions").GetInt32()));
        await HttpBench.ProblemAsync(await bench.PostAsync("/sweeps/plan?limit=-1", HttpBench.Quick()), 400);
        Assert.Empty(await bench.GetAsync<List<SweepSummary>>("/sweeps"));
    }

    private static Task<SweepForecast> ForecastAsync(Workbench bench, SweepSpec spec) => bench.Orchestrator.ForecastAsync(new SweepSubmission(spec), 100, why: true);
}
