using System.Text.Json;
using CsCheck;
using Lathe.Contracts;
using Lathe.Hosting;
using Lathe.NN.Checkpoints;
using Lathe.NN.Execution;
using Lathe.NN.Graphs;
using Lathe.NN.Models;
using Lathe.NN.Runtime;
using Lathe.NN.Sizing;
using Lathe.NN.Training;
using Lathe.Pruner.Budget;
using Lathe.Pruner.Methods;
using Lathe.Testing;
using TorchSharp;
using static TorchSharp.torch;

namespace Lathe.Pruner.Tests;

/// <summary>All methods behind the one stage: the same budgets, met alike.</summary>
public sealed class Comparing_methods : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("lathe-methods-").FullName;

    public static TheoryData<PruneMethod> Methods => [.. Enum.GetValues<PruneMethod>()];

    public static TheoryData<PruneMethod, string> MethodsAndModels =>
        new MatrixTheoryData<PruneMethod, string>(Enum.GetValues<PruneMethod>(), ["vgg7@0.25", "resnet20", "mobilenetv2@0.25", "densenet76-12"]);

    private HostingSettings Settings => HostingSettings.In(Path.Combine(_root, "home")) with
    {
        Data = Path.Combine(_root, "data"),
        Threads = 1,
        SlotFolder = Path.Combine(_root, "slots"),
    };

    [Theory]
    [MemberData(nameof(MethodsAndModels))]
    public void Every_method_meets_both_targets_and_leaves_no_channel_closed_that_fits(PruneMethod method, string model)
    {
        TorchRuntime.Configure(1);
        MeetsExactly(Zoo.Build(model, new TensorShape(3, 32, 32), 10), method, 0.45, 0.4, multiple: 1, seed: 3);
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void Every_method_meets_them_on_any_network(PruneMethod method)
    {
        TorchRuntime.Configure(1);
        Gen.Select(Gen.Int[0, int.MaxValue], Gen.Double[0.02, 1], Gen.Double[0.02, 1], Gen.Int[0, 3].Select(power => 1 << power))
            .Sample((seed, parameters, multiplications, multiple) =>
                MeetsExactly(RandomNetworks.Make(seed), method, parameters, multiplications, multiple, seed), iter: 60);
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void Stopped_at_random_steps_every_method_ends_with_the_same_bits(PruneMethod method)
    {
        var parameters = JsonSerializer.SerializeToElement(
            new { method = JsonNamingPolicy.CamelCase.ConvertName(method.ToString()), multiplications = 0.4, epochs = 2, batchSize = 32, validation = 0.125, distill = 0.3 });
        var dense = Dense();
        var trial = new StageTrial(Settings);
        var undisturbed = trial.Run<PruneStage, PruneParameters>(parameters, "mnist", dense);
        var (outcome, stops) = Interrupted.Run<PruneStage, PruneParameters>(
            Settings, parameters, "mnist", dense, 1, Random.Shared.Next(1, 26), Random.Shared.Next(1, 26));
        Assert.Equal(3, stops);
        Assert.Equal(undisturbed.Output, outcome.Output);

        var step = CheckpointFile.ReadHeader(trial.Checkpoints.PathOf(outcome.Output)).Lineage.Steps[^1];
        var record = step.Records!.Value.Deserialize<PruningRecord>(LatheJson.Options)!;
        Assert.Equal(Enumerable.Range(1, record.Training!.Epochs.Count), record.Training.Epochs);
        Assert.Equal(["features.0", "features.4", "classifier.0", "classifier.3"], record.Layers.Select(l => l.Layer));
        Assert.Equal(outcome.Metrics["multiplications"], record.Layers.Sum(l => l.MultiplicationsAfter));
        Assert.Equal(3_024_384, record.Layers.Sum(l => l.MultiplicationsBefore));
        Assert.Equal([1, 2], record.Path.Select(p => p.Epoch));
        Assert.Equal(outcome.Metrics["multiplications"], record.Path[^1].Multiplications);
        Assert.Equal(0.4 * 3_024_384, record.Path[^1].TargetMultiplications!.Value, 1e-6);
        Assert.Null(record.Path[^1].TargetParameters);
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void A_pruned_network_can_be_pruned_again(PruneMethod method)
    {
        var name = JsonNamingPolicy.CamelCase.ConvertName(method.ToString());
        var trial = new StageTrial(Settings);
        var once = trial.Run<PruneStage, PruneParameters>(
            JsonSerializer.SerializeToElement(new { method = name, multiplications = 0.5, epochs = 1, batchSize = 64 }), "mnist", Dense());
        var twice = trial.Run<PruneStage, PruneParameters>(
            JsonSerializer.SerializeToElement(new { method = name, multiplications = 0.5, parameters = 0.6, epochs = 1, batchSize = 64 }), "mnist", once.Output);
        Assert.InRange(twice.Metrics["multiplications"], 1, once.Metrics["multiplications"] * 0.5);
        Assert.InRange(twice.Metrics["parameters"], 1, once.Metrics["parameters"] * 0.6);
    }

    [Fact]
    public void Slimming_shrinks_scales()
    {
        var dense = Dense();
        double Scales(double slimmingWeight)
        {
            var trial = new StageTrial(Settings);
            var outcome = trial.Run<PruneStage, PruneParameters>(
                JsonSerializer.SerializeToElement(new { method = "slimming", multiplications = 1.0, pruningShare = 1.0, slimmingWeight, epochs = 2, batchSize = 32 }), "mnist", dense);
            using var checkpoint = CheckpointFile.Read(trial.Checkpoints.PathOf(outcome.Output));
            return checkpoint.Tensors["features.1.weight"].abs().mean().item<float>();
        }

        Assert.InRange(Scales(0.1), 0, Scales(0) * 0.9);
    }

    [Fact]
    public void Random_channels_depend_on_the_seed_alone()
    {
        var graph = Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10);
        using var module = GraphModule.Create(graph, seed: 1);
        using var other = GraphModule.Create(graph, seed: 2);
        bool[] Live(GraphModule network, long seed)
        {
            using var pruning = new Pruning(graph, network.Parameters, new PruneParameters { Method = PruneMethod.Random, Multiplications = 0.3 }, seed);
            return [.. pruning.Finished!.Live.SelectMany(group => group)];
        }

        Assert.Equal(Live(module, 1), Live(other, 1));
        Assert.NotEqual(Live(module, 1), Live(module, 2));
    }

    [Fact]
    public void Uniform_keeps_the_same_share_of_every_layer_and_the_filters_of_the_largest_norm()
    {
        var graph = Zoo.Build("vgg7@0.25", new TensorShape(3, 32, 32), 10);
        using var scope = NewDisposeScope();
        using var module = GraphModule.Create(graph, seed: 1);
        using var pruning = new Pruning(graph, module.Parameters, new PruneParameters { Method = PruneMethod.Uniform, Multiplications = 0.25 });
        var norms = WeightChoice.FilterNorms(pruning.Groups, module.Parameters);
        foreach (var group in pruning.Groups.Groups.Where(g => g.Prunable))
        {
            var live = pruning.Finished!.Live[group.Index];
            // The exact finish fills what is left with a few channels more.
            Assert.InRange(live.Count(l => l) / (double)live.Length, 0.4, 0.65);
            var least = norms[group.Index].Where((_, c) => live[c]).Min();
            Assert.All(norms[group.Index].Where((_, c) => !live[c]), closed => Assert.True(closed <= least));
        }
    }

    [Fact]
    public void A_filter_counts_by_its_norm_relative_to_its_layer()
    {
        var builder = new GraphBuilder("two", new TensorShape(1, 4, 4));
        builder.Conv("first", 2, 1);
        builder.Conv("second", 2, 1);
        builder.Flatten("flat");
        builder.Linear("fc", 2);
        using var scope = NewDisposeScope();
        using var module = GraphModule.Create(builder.Build(), seed: 1);
        using (no_grad())
        {
            module.Parameters["first.weight"].copy_(tensor(new[] { 1f, -3f }).reshape(2, 1, 1, 1));
            module.Parameters["second.weight"].copy_(tensor(new[] { 10f, 10f, -20f, 40f }).reshape(2, 2, 1, 1));
        }

        var groups = ChannelGroups.Of(module.Graph);
        var norms = WeightChoice.FilterNorms(groups, module.Parameters);
        Assert.Equal([0.5, 1.5], norms[groups.Groups.Single(g => g.Producers.Contains("first")).Index], (a, b) => Math.Abs(a - b) < 1e-6);
        Assert.Equal([0.5, 1.5], norms[groups.Groups.Single(g => g.Producers.Contains("second")).Index], (a, b) => Math.Abs(a - b) < 1e-6);
    }

    [Fact]
    public void A_global_threshold_takes_the_least_first_and_no_more_than_it_must()
    {
        var graph = Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10);
        var groups = ChannelGroups.Of(graph);
        var size = SizeModel.Of(graph, groups);
        GroupWidths[] widths = [.. groups.Groups.Select(g => new GroupWidths(g.Gates.Count, 1, g.Prunable))];
        var dense = size.Evaluate([.. widths.Select(w => (double)w.Full)]).Multiplications;
        var random = new Random(4);
        double[][] magnitudes = [.. groups.Groups.Select(g => g.Gates.Select(_ => random.NextDouble()).ToArray())];
        var open = new WidthRule(size, new SizeBudget(null, 0.5 * dense), widths).GlobalThreshold(magnitudes);
        Assert.True(size.Evaluate(open).Multiplications <= 0.5 * dense);
        // The greatest of those that went, put back: too many again.
        var gone = magnitudes.SelectMany((m, g) => m.Order().Take(widths[g].Full - (int)open[g]).Select(value => (value, g))).Max();
        open[gone.g]++;
        Assert.True(size.Evaluate(open).Multiplications > 0.5 * dense);
        Assert.All(magnitudes.SelectMany((m, g) => m.OrderDescending().Take((int)open[g]).Where(_ => widths[g].Prunable)), kept => Assert.True(kept >= gone.value));
    }

    private static void MeetsExactly(NetworkGraph graph, PruneMethod method, double parametersShare, double multiplicationsShare, int multiple, int seed)
    {
        using var scope = NewDisposeScope();
        using var module = GraphModule.Create(graph, seed);
        var groups = ChannelGroups.Of(graph);
        var size = SizeModel.Of(graph, groups);
        GroupWidths[] widths = [.. groups.Groups.Select(g => new GroupWidths(g.Gates.Count, multiple, g.Prunable))];
        var reach = ReachableSizes.Of(size, widths);
        var budget = new SizeBudget(
            Math.Max(parametersShare * reach.DenseParameters, reach.LeastParameters),
            Math.Max(multiplicationsShare * reach.DenseMultiplications, reach.LeastMultiplications));
        using var pruning = new Pruning(graph, module.Parameters, new PruneParameters
        {
            Method = method, Parameters = budget.Parameters, Multiplications = budget.Multiplications, ChannelMultiple = multiple, PruningShare = 1, Epochs = 1,
        }, seed);
        // The only step of the only epoch, whatever it taught: scales as a training might have left them.
        using (no_grad())
            RandomNetworks.MoveScales(module, seed);
        pruning.Hooks(_ => { }).AfterStep!(new StepContext(module, 0, 0, 1, 0, 1, 0.1));

        var finished = pruning.Finished!;
        Assert.True(budget.Holds(finished.Parameters, finished.Multiplications));
        double[] open = [.. finished.Live.Select(group => (double)group.Count(live => live))];
        var closed = false;
        for (var g = 0; g < open.Length; g++)
        {
            Assert.InRange(open[g], widths[g].Least, widths[g].Full);
            Assert.True(open[g] % multiple == 0 || open[g] == widths[g].Full);
            if (widths[g].Above((int)open[g]) is not { } wider) continue;
            closed = true;
            double[] more = [.. open];
            more[g] = wider;
            var after = size.Evaluate(more);
            Assert.False(budget.Holds(after.Parameters, after.Multiplications), $"group {g} could have {wider} channels");
        }

        var live = new bool[groups.Gates.Count];
        foreach (var group in groups.Groups)
        {
            for (var i = 0; i < group.Gates.Count; i++) live[group.Gates[i]] = finished.Live[group.Index][i] || !group.Prunable;
        }

        var complexity = Complexity.Of(Surgery.Shrink(graph, groups, live));
        Assert.Equal((finished.Parameters, finished.Multiplications), (complexity.Parameters, complexity.Multiplications));
        Assert.Equal(closed, pruning.OneMoreChannel is not null);
        if (pruning.OneMoreChannel is { } next)
            Assert.False(budget.Holds(finished.Parameters + next.Parameters, finished.Multiplications + next.Multiplications));
    }

    public void Dispose() => Directory.Delete(_root, recursive: true);

    private CheckpointRef Dense()
    {
        BarImages.Write(Path.Combine(_root, "data"), train: 1024, test: 64);
        TorchRuntime.Configure(1);
        var graph = Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10);
        using var module = GraphModule.Create(graph, seed: 1);
        using var checkpoint = new Checkpoint(graph, module.Snapshot(), Lineage.Empty, new Dictionary<string, WeightFormat>());
        return new StageTrial(Settings).Checkpoints.Write(stream => CheckpointFile.Write(stream, checkpoint));
    }
}
