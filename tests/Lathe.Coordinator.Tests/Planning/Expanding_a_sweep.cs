using CsCheck;
using Lathe.Contracts;
using static Lathe.Coordinator.Tests.Stages;

namespace Lathe.Coordinator.Tests;

public sealed class Expanding_a_sweep
{
    [Fact]
    public void Three_targets_by_three_widths_train_once_prune_three_times_and_quantize_nine_times()
    {
        var plan = Plan(Sweep(
            ("train", "{}"),
            ("prune", """{"multiplications": [0.5, 0.25, 0.125]}"""),
            ("quantize", """{"bits": [2, 3, 4]}"""),
            ("evaluate", "{}")));

        Assert.Empty(plan.Problems);
        Assert.Equal(1, Count(plan, "train"));
        Assert.Equal(3, Count(plan, "prune"));
        Assert.Equal(9, Count(plan, "quantize"));
        Assert.Equal(9, Count(plan, "evaluate"));
    }

    [Fact]
    public void Defaults_and_the_model_are_filled_in()
    {
        var train = Plan(Sweep(("train", """{"epochs": 2}"""))).Executions[0];

        Assert.Equal("""{"epochs":2,"learningRate":0.1,"model":"lenet5"}""", CanonicalJson.Write(train.Parameters));
    }

    [Fact]
    public void A_stage_that_only_measures_does_not_change_what_the_next_one_starts_from()
    {
        var plan = Plan(Sweep(("train", "{}"), ("evaluate", "{}"), ("prune", "{}"), ("evaluate", "{}")));

        Assert.Equal(["train", "evaluate", "prune", "evaluate"], plan.Executions.Select(e => e.Manifest.Name));
        Assert.Equal([null, 0, 0, 2], plan.Executions.Select(e => e.Parent));
    }

    [Fact]
    public void An_axis_of_a_measuring_stage_does_not_multiply_the_stages_after_it()
    {
        var plan = Plan(Sweep(("train", "{}"), ("evaluate", """{"batch": [10, 20]}"""), ("prune", "{}")));

        Assert.Equal(2, Count(plan, "evaluate"));
        Assert.Equal(1, Count(plan, "prune"));
    }

    [Fact]
    public void The_same_measurement_asked_twice_is_made_once()
    {
        var plan = Plan(Sweep(("train", "{}"), ("evaluate", "{}"), ("evaluate", """{"batch": 500}""")));

        Assert.Equal(1, Count(plan, "evaluate"));
    }

    [Fact]
    public void Equal_points_collapse_however_they_are_written()
    {
        var plan = Plan(Sweep(("train", "{}"), ("prune", """{"multiplications": [0.5, 5e-1, 0.50, 0.25]}""")));

        Assert.Equal(2, Count(plan, "prune"));
    }

    [Fact]
    public void A_point_that_equals_the_default_collapses_with_it()
    {
        var plan = Plan(Sweep(("train", "{}"), ("prune", """{"multiplications": [null, 0.5]}""")) with { Seeds = [1, 1], Models = ["a", "a"] });

        Assert.Equal(1, Count(plan, "train"));
        Assert.Equal(2, Count(plan, "prune"));
    }

    [Fact]
    public void A_list_where_the_schema_has_a_list_is_one_value()
    {
        var plan = Plan(Sweep(("train", "{}"), ("quantize", """{"milestones": [1, 2, 3]}""")));

        Assert.Equal(1, Count(plan, "quantize"));
        Assert.Equal(3, plan.Executions[1].Parameters.GetProperty("milestones").GetArrayLength());
    }

    [Fact]
    public void Varied_names_what_tells_siblings_apart()
    {
        var plan = Plan(Sweep(
            ("train", "{}"),
            ("prune", """{"multiplications": [0.5, 0.25], "epochs": [3]}"""),
            ("quantize", """{"bits": [2, 4]}""")));

        Assert.Empty(plan.Executions[0].Varied);
        Assert.All(plan.Executions.Where(e => e.Manifest.Name == "prune"), e => Assert.Equal(["multiplications"], e.Varied));
        Assert.All(plan.Executions.Where(e => e.Manifest.Name == "quantize"), e => Assert.Equal(["bits"], e.Varied));
    }

    [Fact]
    public void Branches_come_in_the_order_models_data_sets_seeds_axes()
    {
        var plan = Plan(Sweep(("train", """{"epochs": [1, 2]}""")) with
        {
            Models = ["a", "b"], Datasets = ["mnist", "cifar-10"], Seeds = [7, 3],
        });

        Assert.Equal(
            from model in new[] { "a", "b" }
            from dataset in new[] { "mnist", "cifar-10" }
            from seed in new[] { 7L, 3L }
            from epochs in new[] { 1, 2 }
            select (model, dataset, seed, epochs),
            plan.Executions.Select(e => (e.Model, e.Dataset, e.Seed, e.Parameters.GetProperty("epochs").GetInt32())));
    }

    private static readonly Gen<SweepSpec> AnySweep =
        from models in Gen.OneOf(Gen.Const("a"), Gen.Const("b"), Gen.Const("c")).Array[1, 3]
        from seeds in Gen.Long[0, 3].Array[1, 3]
        from epochs in Gen.Int[1, 5].Array[1, 3]
        from targets in Gen.Int[1, 8].Array[1, 4]
        from bits in Gen.Int[2, 8].Array[1, 4]
        from measured in Gen.Bool
        select new SweepSpec("any", models, ["mnist"], seeds,
        [
            new StageSpec("train", Json($$"""{"epochs": [{{string.Join(',', epochs)}}]}""")),
            .. measured ? [new StageSpec("evaluate", Json("{}"))] : Array.Empty<StageSpec>(),
            new StageSpec("prune", Json($$"""{"multiplications": [{{string.Join(',', targets.Select(t => t / 8.0))}}]}""")),
            new StageSpec("quantize", Json($$"""{"bits": [{{string.Join(',', bits)}}]}""")),
        ]);

    [Fact]
    public void Every_tree_has_parents_before_children_and_no_execution_twice() => AnySweep.Sample(
        spec =>
        {
            var tree = Plan(spec).Executions;
            Assert.Equal(Enumerable.Range(0, tree.Count), tree.Select(e => e.Index));
            Assert.All(tree, e => Assert.True(e.Parent is null ? e.Manifest.Input == StageInput.Model : e.Parent < e.Index));
            Assert.All(tree.Where(e => e.Parent is not null), e =>
            {
                var parent = tree[e.Parent!.Value];
                Assert.Equal(StageOutput.Checkpoint, parent.Manifest.Output);
                Assert.Equal((parent.Model, parent.Dataset, parent.Seed), (e.Model, e.Dataset, e.Seed));
            });
            Assert.Equal(tree.Count, tree.Select(e => (e.Parent, e.Model, e.Seed, e.Manifest.Name, CanonicalJson.Write(e.Parameters))).Distinct().Count());
        },
        iter: 50);

    [Fact]
    public void Every_tree_has_one_leaf_for_each_point_of_the_grid() => AnySweep.Sample(
        spec =>
        {
            var tree = Plan(spec).Executions;
            var branches = spec.Models.Distinct().Count() * spec.Seeds.Distinct().Count();
            var sizes = spec.Stages.Where(s => s.Stage != "evaluate")
                .Select(s => s.Parameters.EnumerateObject().First().Value.EnumerateArray().Select(v => v.GetDouble()).Distinct().Count());
            var expected = branches;
            foreach (var (size, stage) in sizes.Zip(["train", "prune", "quantize"]))
            {
                expected *= size;
                Assert.Equal(expected, tree.Count(e => e.Manifest.Name == stage));
            }
        },
        iter: 50);

    private static int Count(SweepPlan plan, string stage) => plan.Executions.Count(e => e.Manifest.Name == stage);
}
