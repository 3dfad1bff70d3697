using Lathe.Contracts;
using Lathe.Contracts.Messages;
using static Lathe.Coordinator.Tests.Stages;

namespace Lathe.Coordinator.Tests;

/// <summary>The walk over a planned sweep that asks each stage what it says.</summary>
public sealed class Asking_the_stages
{
    private readonly RecordingBus _bus = new();
    private readonly SweepCheck _check;

    public Asking_the_stages() => _check = new SweepCheck((request, stop) => _bus.CheckAsync(request, TimeSpan.Zero, stop));

    [Fact]
    public async Task A_problem_is_placed_where_its_value_was_written()
    {
        _bus.OnChecked = (request, question) => request.Stage == "prune" && question.Parameters.GetProperty("multiplications").GetDouble() < 0.3
            ? new StageForecast([new ParameterProblem("/multiplications", "cannot be reached"), new ParameterProblem("/epochs", "are too few")], null)
            : StageForecast.Unknown;

        var (problems, notes) = await RunAsync(Sweep(("train", "{}"), ("prune", """{"multiplications": [0.5, 0.25]}""")) with { Seeds = [1, 2] });

        Assert.Equal(
            [new SweepProblem("/stages/1/prune/epochs", "are too few"), new SweepProblem("/stages/1/prune/multiplications/1", "cannot be reached")], problems);
        Assert.Empty(notes);
    }

    [Fact]
    public async Task A_problem_with_the_model_stands_where_the_sweep_names_it()
    {
        _bus.OnChecked = (_, question) => question.Parameters.TryGetProperty("model", out var model) && model.ValueEquals("b")
            ? new StageForecast([new ParameterProblem("/model", "unknown model 'b'")], null)
            : StageForecast.Unknown;

        var (problems, _) = await RunAsync(Sweep(("train", """{"epochs": [1, 2]}""")) with { Models = ["a", "b"] });

        Assert.Equal([new SweepProblem("/models/1", "unknown model 'b'")], problems);
    }

    [Fact]
    public async Task Of_several_data_sets_those_are_named_that_do_not_fit()
    {
        _bus.OnChecked = (_, question) => question.Dataset == "mnist" ? new StageForecast([new ParameterProblem("", "no")], null) : StageForecast.Unknown;

        var (problems, _) = await RunAsync(Sweep(("train", "{}")) with { Datasets = ["mnist", "cifar-10"] });

        Assert.Equal([new SweepProblem("/stages/0/train", "on mnist: no")], problems);
    }

    [Fact]
    public async Task What_leaves_a_stage_enters_the_next_past_one_that_only_measures()
    {
        _bus.OnChecked = (request, question) =>
        {
            var input = question.Input is { } index ? request.Inputs[index].Graph.GetString() : "-";
            return new StageForecast([], new NetworkForm(Json($"\"{input}>{request.Stage}\""), new Dictionary<string, SizeRange>()));
        };

        await RunAsync(Sweep(("train", "{}"), ("evaluate", "{}"), ("prune", """{"multiplications": [0.5, 0.25]}"""), ("quantize", "{}")));

        Assert.Equal("->train", Input("evaluate"));
        Assert.Equal("->train", Input("prune"));
        Assert.Equal("->train>prune", Input("quantize"));
        // Two questions about one network name it once.
        Assert.Single(_bus.Asked.Single(a => a.Stage == "prune").Inputs);

        string? Input(string stage)
        {
            var asked = _bus.Asked.Single(a => a.Stage == stage);
            return asked.Inputs[asked.Questions[0].Input!.Value].Graph.GetString();
        }
    }

    [Fact]
    public async Task What_is_asked_twice_is_asked_once_unless_it_was_refused()
    {
        var sweep = Sweep(("train", """{"epochs": [1, 2]}""")) with { Seeds = [1, 2, 3] };
        _bus.OnChecked = (_, question) => question.Parameters.GetProperty("epochs").GetInt32() == 2
            ? new StageForecast([new ParameterProblem("/epochs", "no")], null)
            : StageForecast.Unknown;

        await RunAsync(sweep);
        Assert.Equal(2, Assert.Single(_bus.Asked).Questions.Count);
        await RunAsync(sweep);
        Assert.Equal(2, Assert.Single(_bus.Asked.Skip(1)).Questions[0].Parameters.GetProperty("epochs").GetInt32());
    }

    [Fact]
    public async Task A_stage_that_nobody_answers_for_is_noted_once_and_leaves_nothing_known()
    {
        _bus.OnChecked = (request, question) => request.Stage == "prune" ? throw new LatheException("no worker is up") : StageForecast.Unknown;

        var (problems, notes) = await RunAsync(Sweep(("train", "{}"), ("prune", """{"multiplications": [0.5, 0.25]}"""), ("prune", """{"multiplications": 0.5}"""), ("quantize", "{}")));

        Assert.Empty(problems);
        Assert.Equal(["prune is not checked beforehand: no worker is up"], notes);
        Assert.Single(_bus.Asked, a => a.Stage == "prune");
        Assert.Null(_bus.Asked.Single(a => a.Stage == "quantize").Questions[0].Input);
    }

    [Fact]
    public async Task A_sweep_of_thousands_of_executions_asks_in_parts()
    {
        var epochs = string.Join(',', Enumerable.Range(1, 1000));

        await RunAsync(Sweep(("train", $$"""{"epochs": [{{epochs}}]}"""), ("prune", """{"multiplications": 0.5}""")));

        Assert.All(_bus.Asked, request => Assert.InRange(request.Questions.Count, 1, 100));
        Assert.Equal(1000, _bus.Asked.Where(a => a.Stage == "train").Sum(a => a.Questions.Count));
        // The network that enters is unknown in all, so they are one question.
        Assert.Single(_bus.Asked.Single(a => a.Stage == "prune").Questions);
    }

    [Fact]
    public async Task A_sweep_that_a_stage_refuses_is_not_recorded()
    {
        using var bench = await Workbench.StartAsync();
        bench.Bus.OnChecked = (_, _) => new StageForecast([new ParameterProblem("/epochs", "no")], null);

        var outcome = await bench.Orchestrator.SubmitAsync(new SweepSubmission(Sweep(("train", """{"epochs": 3}"""))));

        Assert.Null(outcome.Id);
        Assert.Equal([new SweepProblem("/stages/0/train/epochs", "no")], outcome.Problems);
        Assert.Empty(await bench.Queries.ListAsync());
    }

    [Fact]
    public async Task A_stage_that_reads_no_data_gets_none_and_its_key_does_not_depend_on_it()
    {
        using var bench = await Workbench.StartAsync();
        await bench.Catalog.AddAsync(Train with { ReadsData = false });
        await bench.SubmitAsync(Sweep(("train", "{}")) with { Datasets = ["mnist", "cifar-10"] });

        var sent = bench.Bus.Take();

        Assert.Null(Assert.Single(sent).Data);
        Assert.Equal(ExecutionKey.Compute(Train, sent[0].Parameters, null, null, sent[0].Seed, threads: null, device: null), sent[0].Key);
    }

    private async Task<SweepVerdict> RunAsync(SweepSpec sweep)
    {
        var plan = Plan(sweep);
        Assert.Empty(plan.Problems);
        return await _check.RunAsync(sweep, plan);
    }
}
