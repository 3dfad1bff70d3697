using Lathe.Contracts;
using static Lathe.Coordinator.Tests.Stages;

namespace Lathe.Coordinator.Tests;

public sealed class Refusing_a_sweep
{
    [Fact]
    public void An_unknown_stage_is_named_with_the_known_ones_and_the_nearest()
    {
        var problem = Only(Sweep(("train", "{}"), ("prun", "{}"), ("evaluate", "{}")));

        Assert.Equal("/stages/1/prun", problem.Path);
        Assert.Contains("did you mean 'prune'", problem.Message);
        Assert.Contains("evaluate, prune, quantize, train", problem.Message);
    }

    [Fact]
    public void Before_any_worker_is_up_the_message_says_how_to_start_one()
    {
        var plan = SweepPlanner.Plan(Sweep(("train", "{}")), new Dictionary<string, StageManifest>());

        Assert.Contains("lathe worker train", Assert.Single(plan.Problems).Message);
    }

    [Fact]
    public void An_unknown_key_is_named_with_the_nearest()
    {
        var problem = Only(Sweep(("train", "{}"), ("prune", """{"multiplication": [0.5, 0.25]}""")));

        Assert.Equal("/stages/1/prune/multiplication", problem.Path);
        Assert.Contains("did you mean 'multiplications'", problem.Message);
    }

    [Fact]
    public void Each_element_of_an_axis_is_checked()
    {
        var plan = Plan(Sweep(("train", """{"epochs": [1, 0]}"""), ("quantize", """{"bits": [2, 9, "four"]}""")));

        Assert.Equal(
            ["/stages/0/train/epochs/1", "/stages/1/quantize/bits/1", "/stages/1/quantize/bits/2"],
            plan.Problems.Select(p => p.Path));
        Assert.Contains("expected", plan.Problems[1].Message);
    }

    [Fact]
    public void A_wrong_value_is_told_once_however_many_points_have_it()
    {
        var problem = Only(Sweep(("train", """{"epochs": 0, "learningRate": [0.1, 0.2, 0.3]}""")) with { Models = ["a", "b"] });

        Assert.Equal("/stages/0/train/epochs", problem.Path);
    }

    [Theory]
    [InlineData("""{"bits": []}""", "/stages/1/quantize/bits", "empty list")]
    [InlineData("""{"bits": 1e999}""", "/stages/1/quantize/bits", "out of range")]
    [InlineData("[1]", "/stages/1/quantize", "name: value")]
    [InlineData("""{"bits": [[2, 3]]}""", "/stages/1/quantize/bits/0", "is a list")]
    public void Parameters_that_cannot_be_points_are_refused(string parameters, string path, string words)
    {
        var problem = Only(Sweep(("train", "{}"), ("quantize", parameters)));

        Assert.Equal(path, problem.Path);
        Assert.Contains(words, problem.Message);
    }

    [Fact]
    public void Stages_must_stand_in_an_order_that_gives_each_its_input()
    {
        Assert.Equal("/stages/0/prune", Only(Sweep(("prune", "{}"))).Path);
        Assert.Equal("/stages/1/train", Only(Sweep(("train", "{}"), ("train", "{}"))).Path);
    }

    [Fact]
    public void The_model_is_named_under_models_only()
    {
        Assert.Contains("under its models", Only(Sweep(("train", """{"model": "vgg7"}"""))).Message);
    }

    [Fact]
    public void A_stage_that_lists_its_models_refuses_others_where_the_sweep_names_them()
    {
        var train = Train with { ParametersSchema = Json("""{"type": "object", "properties": {"model": {"enum": ["lenet5"], "x-lathe-model": true}}}""") };
        var plan = SweepPlanner.Plan(
            Sweep(("train", "{}")) with { Models = ["lenet5", "lenet6"] }, new Dictionary<string, StageManifest> { ["train"] = train });

        Assert.Equal("/models/1", Assert.Single(plan.Problems).Path);
    }

    [Fact]
    public void A_name_that_no_data_set_can_have_is_refused()
    {
        var problem = Only(Sweep(("train", "{}")) with { Datasets = ["mnist", "../mnist"] });

        Assert.Equal("/datasets/1", problem.Path);
        Assert.Contains("'../mnist' is no name of a data set", problem.Message);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(1025)]
    public void A_number_of_threads_that_cannot_be_is_refused(int threads)
    {
        var problem = Only(Sweep(("train", "{}")) with { Threads = threads });
        Assert.Equal(("/threads", $"is {threads}, expected a whole number from 1 to 1024"), (problem.Path, problem.Message));
    }

    [Fact]
    public void A_device_that_is_no_kind_of_processor_is_refused()
    {
        var problem = Only(Sweep(("train", "{}")) with { Device = DeviceKind.Auto });
        Assert.Equal(("/device", "is auto, expected cpu or cuda; without the key every worker computes on what it has"), (problem.Path, problem.Message));
        Assert.Empty(Plan(Sweep(("train", "{}")) with { Device = DeviceKind.Cuda }).Problems);
    }

    [Fact]
    public void Everything_that_is_missing_is_told_at_once()
    {
        var plan = Plan(new SweepSpec("", [], [], [], []));

        Assert.Equal(["/name", "/models", "/datasets", "/seeds", "/stages"], plan.Problems.Select(p => p.Path));
    }

    [Fact]
    public void What_a_client_left_out_of_its_json_is_missing_not_a_fault()
    {
        Assert.NotEmpty(Plan(new SweepSpec(null!, null!, null!, null!, null!)).Problems);
        Assert.NotEmpty(Plan(new SweepSpec("x", [null!], [null!], [0], [null!])).Problems);
    }

    [Fact]
    public void A_grid_too_large_is_refused_before_it_is_expanded()
    {
        var epochs = string.Join(',', Enumerable.Range(1, 100));
        var problem = Only(Sweep(
            ("train", $$"""{"epochs": [{{epochs}}]}"""),
            ("prune", $$"""{"epochs": [{{epochs}}]}"""),
            ("prune", $$"""{"epochs": [{{epochs}}]}"""),
            ("prune", $$"""{"epochs": [{{epochs}}]}""")));

        Assert.Equal("/stages", problem.Path);
        Assert.Contains("101,010,100", problem.Message);
        Assert.Contains("100,000", problem.Message);
    }

    private static SweepProblem Only(SweepSpec sweep)
    {
        var plan = Plan(sweep);
        Assert.Empty(plan.Executions);
        return Assert.Single(plan.Problems);
    }
}
