using System.Text.Json;
using CsCheck;
using Lathe.Contracts;
using static Lathe.Coordinator.Tests.Stages;

namespace Lathe.Coordinator.Tests;

public sealed class Writing_a_search
{
    private const string Good = """
        model: lenet5
        dataset: fashion-mnist
        seed: [1, 2]
        stages:
          - train: { epochs: 3, learningRate: { loguniform: [0.01, 1] } }
          - prune: { multiplications: { uniform: [0.2, 0.8] }, epochs: { int: [2, 5] } }
          - quantize: { bits: [2, 4, 8] }
          - evaluate
        search:
          strategy: tpe
          trials: 40
          objectives: [{ maximize: validationTop1 }, { minimize: bytes }]
          constraints: ["parameters <= 0.3", "bytes <= 40 KiB"]
        """;

    [Fact]
    public void Ranges_and_lists_are_what_a_search_chooses_from()
    {
        var search = Read(Good);

        Assert.Equal(["train.learningRate", "prune.multiplications", "prune.epochs", "quantize.bits"], search.Axes.Select(a => a.Name));
        Assert.Equal([0, 0, 4, 3], search.Space.Dimensions.Select(d => d.Levels));
        // Numbers in their order have neighbours.
        Assert.Equal([true, true, true, true], search.Space.Dimensions.Select(d => d.IsOrdered));
        Assert.Equal(["""{"loguniform":[0.01,1]}""", """{"uniform":[0.2,0.8]}""", """{"int":[2,5]}""", """{"choice":[2,4,8]}"""], search.Axes.Select(a => a.Range.Written().GetRawText()));
        Assert.Equal((40, 4, 40 * 1024.0, true), (search.Trials, search.Parallel, search.Constraints[1].Bound, search.Constraints[0].Figure.IsShare));
        Assert.Equal([true, false], search.Objectives.Select(o => o.IsMaximized));
    }

    [Fact]
    public void The_ends_of_a_range_are_the_ends_of_its_coordinate()
    {
        var search = Read(Good);

        Assert.Equal(["0.01", "0.2", "2", "2"], search.Values([0, 0, 0, 0]).Values.Select(v => v.GetRawText()));
        Assert.Equal(["0.1", "0.5", "4", "4"], search.Values([0.5, 0.5, 0.5, 0.5]).Values.Select(v => v.GetRawText()));
        Assert.Equal(["1", "0.8", "5", "8"], search.Values([1, 1, 1, 1]).Values.Select(v => v.GetRawText()));
    }

    [Fact]
    public void A_trial_has_a_way_through_all_stages_for_each_seed()
    {
        var plan = Read(Good).PlanOf([0.5, 0.25, 0.9, 0.1]);

        Assert.Empty(plan.Problems);
        Assert.Equal(["train", "prune", "quantize", "evaluate", "train", "prune", "quantize", "evaluate"], plan.Executions.Select(e => e.Manifest.Name));
        Assert.Equal([1L, 1, 1, 1, 2, 2, 2, 2], plan.Executions.Select(e => e.Seed));
        Assert.Equal("""{"multiplications":0.35,"epochs":5}""", plan.Executions[1].Parameters.GetRawText());
        Assert.Equal(["multiplications", "epochs"], plan.Executions[1].Varied);
    }

    [Fact]
    public void Every_point_of_every_space_is_a_sweep_that_the_stages_take() =>
        Gen.Double[0, 1].Array[4].Sample(point => Assert.Empty(Read(Good).PlanOf(point).Problems), iter: 30);

    [Fact]
    public void A_plan_has_the_first_trials_and_shares_what_they_have_in_common()
    {
        var plan = SweepPlanner.Plan(Parse(Good.Replace("{ loguniform: [0.01, 1] }", "0.1", StringComparison.Ordinal)), All);

        Assert.Equal(10, plan.Search!.Trials.Count);
        Assert.Equal([.. Enumerable.Range(0, plan.Executions.Count)], plan.Executions.Select(e => e.Index));
        Assert.All(plan.Executions, e => Assert.True(e.Parent is null || e.Parent < e.Index));
        // One training for each seed.
        Assert.Equal(2, plan.Executions.Count(e => e.Manifest.Name == "train"));
        Assert.Equal(20, plan.Executions.Count(e => e.Manifest.Name == "prune"));
    }

    [Fact]
    public void A_range_may_stand_inside_of_an_object()
    {
        var spec = Sweep(("train", "{}"), ("quantize", """{"bits": 2, "layers": {"default": {"int": [2, 8]}, "features.0": {"choice": [4, 8]}, "last": 8}}""")) with { Search = Search("random", "bytes") };
        var layered = All.ToDictionary();
        layered["quantize"] = Quantize with
        {
            ParametersSchema = Json("""{"type": "object", "properties": {"bits": {"type": "integer"}, "layers": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 2, "maximum": 8}}}}"""),
        };
        var problems = new List<SweepProblem>();
        var search = SweepSearch.Read(spec, layered, problems);

        Assert.Empty(problems);
        Assert.Equal(["quantize.layers.default", "quantize.layers.features.0"], search!.Axes.Select(a => a.Name));
        Assert.Equal("""{"bits":2,"layers":{"default":8,"features.0":4,"last":8}}""", search.PlanOf([1, 0]).Executions[1].Parameters.GetRawText());

        spec = spec with { Stages = [spec.Stages[0], new StageSpec("quantize", Json("""{"layers": {"default": {"int": [1, 8]}}}"""))] };
        Assert.Equal("/stages/1/quantize/layers/default", Assert.Single(SweepPlanner.Problems(spec, layered)).Path);
    }

    [Fact]
    public void Zipped_axes_are_one_choice_and_models_are_another()
    {
        var search = Read("""
            model: [lenet5, vgg7]
            dataset: fashion-mnist
            stages:
              - train: { epochs: [2, 4, 4] }
              - prune: { multiplications: [0.5, 0.25, 0.1] }
            zip: [[train.epochs, prune.multiplications]]
            search: { strategy: grid, objectives: [{ minimize: parameters }] }
            """);

        Assert.Equal(["model", "train.epochs + prune.multiplications"], search.Axes.Select(a => a.Name));
        Assert.Equal(6, search.Trials);
        var last = search.PlanOf(search.Space.PointOf(5)).Executions;
        Assert.Equal(("vgg7", 4, 0.1), (last[0].Model, last[0].Parameters.GetProperty("epochs").GetInt32(), last[1].Parameters.GetProperty("multiplications").GetDouble()));
        Assert.Equal("[4,0.1]", search.Values(search.Space.PointOf(5)).Last().Value.GetRawText());
    }

    [Theory]
    [InlineData("strategy: tpe", "strategy: tpee", 10, 3, "did you mean 'tpe'")]
    [InlineData("{ uniform: [0.2, 0.8] }", "{ unifrom: [0.2, 0.8] }", 6, 14, "(did you mean 'uniform'?)")]
    [InlineData("bits: [2, 4, 8]", "bits: { chioce: [2, 4] }", 7, 17, "(did you mean 'choice'?)")]
    [InlineData("trials: 40", "trials: 0", 11, 3, "from 1 to 2000")]
    [InlineData("  trials: 40\n", "", 9, 1, "the key trials is missing")]
    [InlineData("maximize: validationTop1", "maximize: top1", 12, 18, "test images, which decide nothing; name a figure of held-out training images: validationTop1")]
    [InlineData("minimize: bytes }]", "minimize: byte }]", 12, 48, "did you mean 'bytes'")]
    [InlineData("maximize: validationTop1", "minimize: validationTop1", 12, 18, "more is better; write maximize")]
    [InlineData("{ minimize: bytes }]", "{ minimise: bytes }]", 12, 46, "expected { maximize: METRIC }")]
    [InlineData("bytes <= 40 KiB", "bytes = 40 KiB", 13, 38, "is no constraint")]
    [InlineData("bytes <= 40 KiB", "bytes <= 40 KiX", 13, 38, "'40 KiX' is no number")]
    [InlineData("bytes <= 40 KiB", "top1 >= 90%", 13, 38, "test images")]
    [InlineData("uniform: [0.2, 0.8]", "uniform: [0.2, 1.8]", 6, 48, "expected")]
    [InlineData("uniform: [0.2, 0.8]", "uniform: [0.8, 0.2]", 6, 33, "the first number must be less")]
    [InlineData("uniform: [0.2, 0.8]", "uniform: [0.2]", 6, 33, "expected two numbers")]
    [InlineData("loguniform: [0.01, 1]", "loguniform: [0, 1]", 5, 54, "no logarithm")]
    [InlineData("int: [2, 5]", "int: [2.5, 5]", 6, 66, "whole numbers")]
    [InlineData("int: [2, 5]", "uniform: [2, 5.5]", 6, 79, "whole number")]
    [InlineData("bits: [2, 4, 8]", "bits: [2, 4, 9]", 7, 30, "expected")]
    [InlineData("strategy: tpe", "strategy: grid", 10, 3, "train.learningRate is a range of any numbers")]
    [InlineData("dataset: fashion-mnist", "dataset: [fashion-mnist, mnist]", 2, 26, "one data set")]
    [InlineData("search:", "earlyStopping: { strategy: asha, gracee: 1 }\nsearch:", 9, 34, "did you mean 'grace'")]
    [InlineData("search:", "earlyStopping: { strategy: asha }\nsearch:", 9, 1, "one seed")]
    [InlineData("search:", "earlyStopping: { strategy: best }\nsearch:", 9, 18, "expected asha or median")]
    [InlineData("search:", "earlyStopping: { strategy: asha, metric: top1 }\nsearch:", 9, 34, "after each epoch prune reports loss, accuracy, validationTop1, and objectives compares by all objectives at once")]
    [InlineData("search:", "earlyStopping: { strategy: median, metric: objectives }\nsearch:", 9, 36, "the median rule compares one figure")]
    [InlineData("search:\n  strategy: tpe\n  trials: 40\n  objectives: [{ maximize: validationTop1 }, ", "earlyStopping: { strategy: asha, metric: objectives }\nsearch:\n  strategy: tpe\n  trials: 40\n  objectives: [{ minimize: parameters }, ", 9, 34, "prune does not report 'parameters' after each epoch")]
    [InlineData("  trials: 40", "  trial: 40", 11, 3, "did you mean 'trials'")]
    [InlineData("  - evaluate\nsearch:", "  - evaluate\nzip: [[prune.epochs, quantize.bits]]\nsearch:", 9, 8, "no list of values")]
    public void A_mistake_is_told_by_line_and_column(string from, string to, int line, int column, string words)
    {
        Assert.Contains(from, Good, StringComparison.Ordinal);
        var (document, problems) = SweepText.Read("sweep.yaml", Good.Replace(from, to, StringComparison.Ordinal), [], All);
        if (problems.Count == 0) problems = SweepPlanner.Plan(document.Spec, All).Problems;

        var told = problems.Select(p => $"{document.Sources.PlaceOf(p.Path)} {p.Message}").ToList();
        Assert.Contains(told, t => t.StartsWith($"{new Place(line, column)}", StringComparison.Ordinal) && t.Contains(words, StringComparison.Ordinal));
    }

    /// <summary>Whoever mends the form has not to learn in a second and a third run what else is wrong.</summary>
    [Fact]
    public void All_mistakes_of_a_search_are_told_at_once()
    {
        var text = Good.Replace("seed: [1, 2]", "seed: x\npriority: 9\nearlyStopping: { strategy: ahsa, metric: los, grace: 0, reduction: many }", StringComparison.Ordinal)
            .Replace("{ maximize: validationTop1 }, { minimize: bytes }", "{ maximise: validationTop1 }, { minimize: byte }", StringComparison.Ordinal)
            .Replace("strategy: tpe", "strategy: tpee\n  paralel: 2", StringComparison.Ordinal).Replace("bits: [2, 4, 8]", "bitts: 2", StringComparison.Ordinal);
        var (document, problems) = SweepText.Read("sweep.yaml", text, [], All);

        string[] told =
        [
            "seed: is x", "priority: is 9", "earlyStopping.strategy: is 'ahsa', expected asha or median (did you mean 'asha'?)", "earlyStopping.metric: is 'los' (did you mean 'loss'?); after each epoch prune reports loss, accuracy, validationTop1",
            "earlyStopping.reduction: is many", "stages[2].quantize.bitts: is an unknown key (did you mean 'bits'?)", "search.strategy: 'tpee' is no strategy", "search.paralel: unknown key",
            "search.objectives[0]: has the key maximise, expected { maximize: METRIC } or { minimize: METRIC } (did you mean 'maximize'?)",
        ];
        var message = document.Sources.Fault(problems).Message;
        foreach (var words in told) Assert.Contains(words, message, StringComparison.Ordinal);
        Assert.Equal(message.Split('\n').Distinct().Count(), message.Split('\n').Length);
        // Of what could not be read nothing more is said, nor of what hangs on a stage that could not be.
        foreach (var place in (string[])["earlyStopping.reduction:", "search.objectives[0]", "seed:"]) Assert.Single(message.Split('\n'), line => line.Contains(place, StringComparison.Ordinal));
    }

    [Fact]
    public void A_range_without_a_search_is_refused_where_it_stands()
    {
        var spec = Sweep(("train", """{"epochs": {"int": [1, 3]}}"""), ("quantize", """{"bits": {"default": {"choice": [2, 4]}}}"""));

        Assert.Equal(["/stages/0/train/epochs", "/stages/1/quantize/bits/default"], SweepPlanner.Problems(spec, All).Select(p => p.Path));
    }

    [Fact]
    public void A_key_of_the_search_can_be_set_from_the_command_line()
    {
        var (document, problems) = SweepText.Read("sweep.yaml", Good, SetOption.ParseAll(["search.trials=7", "search.strategy=random", "prune.multiplications={uniform: [0.1, 0.2]}"]), All);

        Assert.Empty(problems);
        Assert.Equal((7, "random"), (document.Spec.Search!.Trials, document.Spec.Search.Strategy));
        Assert.Equal("0.2", SweepSearch.Read(document.Spec, All, [])!.Values([1, 1, 1, 1])["prune.multiplications"].GetRawText());
    }

    [Fact]
    public void Axes_of_a_grid_advance_together_across_stages()
    {
        var spec = Sweep(("train", """{"epochs": [1, 2]}"""), ("prune", """{"multiplications": [0.5, 0.25], "epochs": [2, 3]}"""), ("evaluate", "{}"), ("quantize", """{"bits": [2, 4]}"""), ("evaluate", "{}"))
            with { Zip = [["train.epochs", "quantize.bits"], ["prune.multiplications", "prune.epochs"]] };
        var plan = Stages.Plan(spec);

        Assert.Empty(plan.Problems);
        string Way(PlannedExecution e) => (e.Parent is { } parent ? Way(plan.Executions[parent]) + " " : "") + string.Join(',', e.Parameters.EnumerateObject().Where(p => p.Name is "epochs" or "multiplications" or "bits").Select(p => p.Value.GetRawText()));
        Assert.Equal(
            ["1 0.5,2 2", "1 0.25,3 2", "2 0.5,2 4", "2 0.25,3 4"],
            plan.Executions.Where(e => e.Manifest.Name == "quantize").Select(Way));
        Assert.Equal(2 + 4 + 4 + 4 + 4, plan.Executions.Count);
    }

    [Theory]
    [InlineData("""[["train.epochs"]]""", "/zip/0", "fewer than two")]
    [InlineData("""[["train.epochs", "prune.epochs"]]""", "/zip/0/1", "has 3 values and train.epochs has 2")]
    [InlineData("""[["train.epochs", "prune.nothing"]]""", "/zip/0/1", "no list of values")]
    [InlineData("""[["train.epochs", "prune#2.epochs"]]""", "/zip/0/1", "no stage 'prune#2'")]
    [InlineData("""[["train.epochs", "epochs"]]""", "/zip/0/1", "STAGE.PARAMETER")]
    [InlineData("""[["train.epochs", "train.epochs"]]""", "/zip/0/1", "zipped already")]
    [InlineData("[null]", "/zip/0", "fewer than two")]
    public void A_group_that_cannot_advance_together_is_refused(string zip, string path, string words)
    {
        var spec = Sweep(("train", """{"epochs": [1, 2]}"""), ("prune", """{"epochs": [1, 2, 3]}""")) with { Zip = JsonSerializer.Deserialize<IReadOnlyList<IReadOnlyList<string>>>(zip) };

        Assert.Contains(SweepPlanner.Problems(spec, All), p => p.Path == path && p.Message.Contains(words, StringComparison.Ordinal));
    }

    [Fact]
    public void Nulls_in_a_search_are_told_and_not_stumbled_over()
    {
        var search = JsonSerializer.Deserialize<SearchSpec>("{}", LatheJson.Options)!;
        Assert.NotEmpty(SweepPlanner.Problems(new SweepSpec(null!, null!, null!, null!, null!) { Search = search }, All));
        Assert.NotEmpty(SweepPlanner.Problems(Sweep(("train", "{}")) with { Search = search with { Objectives = [null!], Constraints = [null!] } }, All));
    }

    [Theory]
    [InlineData("parameters <= 0.5", 0.25, 0, null)]
    [InlineData("parameters <= 0.2", 0.25, 0.25, null)]
    [InlineData("parametersRatio >= 0.5", 0.25, 0.5, null)]
    [InlineData("parameters <= 50", 50.0, 0, null)]
    [InlineData("validationTop1 >= 90%", 0.8, 0.1111, null)]
    [InlineData("bits <= 2", null, 0, "not measured")]
    public void A_constraint_looks_at_the_last_stage_that_measured_the_figure_and_a_share_at_the_first(string text, double? figure, double violation, string? missing)
    {
        var term = ConstraintTerm.Read(text, [.. All.Values.SelectMany(m => m.Metrics!)], out var problem)!;
        Assert.Null(problem);
        var way = new Dictionary<string, double>[] { new() { ["parameters"] = 200, ["validationTop1"] = 0.9 }, new() { ["parameters"] = 50, ["validationTop1"] = 0.8 }, new() { ["bits"] = double.NaN } };

        Assert.Equal(figure, term.Figure.Of(way));
        if (missing is null) Assert.Equal(violation, term.Violation(term.Figure.Of(way)!.Value), 4);
    }

    internal static SearchSpec Search(string strategy, string minimize, int trials = 10) => new(strategy, [new SearchObjective(Minimize: minimize)], trials);

    private static SweepSpec Parse(string yaml)
    {
        var (document, problems) = SweepText.Read("sweep.yaml", yaml, [], All);
        Assert.Empty(problems);
        return document.Spec;
    }

    private static SweepSearch Read(string yaml)
    {
        var problems = new List<SweepProblem>();
        var search = SweepSearch.Read(Parse(yaml), All, problems);
        Assert.Empty(problems);
        return search!;
    }
}
