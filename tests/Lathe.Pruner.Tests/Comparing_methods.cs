using System.Text.Json;
using CsCheck;
using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.Graph.Models;
using Lathe.Graph.Sizing;
using Lathe.Hosting;
using Lathe.NN.Checkpoints;
using Lathe.NN.Execution;
using Lathe.NN.Runtime;
using Lathe.NN.Training;
using Lathe.Pruner.Budget;
using Lathe.Pruner.Gates;
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
        var graph = Zoo.Build(model, new TensorShape(3, 32, 32), 10);
        MeetsExactly(graph, Scales(graph).Example(3), method, 0.45, 0.4, multiple: 1);
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void Every_method_meets_them_on_any_network(PruneMethod method)
    {
        TorchRuntime.Configure(1);
        var networks =
            from graph in RandomNetworks.Wide
            from scales in Scales(graph)
            select (graph, scales);
        Gen.Select(networks, Gen.Double[0.02, 1], Gen.Double[0.02, 1], Gen.Int[0, 3].Select(power => 1 << power))
            .Sample((network, parameters, multiplications, multiple) =>
                MeetsExactly(network.graph, network.scales, method, parameters, multiplications, multiple), iter: 60, print: drawn => GraphJson.Write(drawn.Item1.graph));
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
        Gen.Int[1, 25].Array[2].Sample(steps =>
        {
            var (outcome, stops) = Interrupted.Run<PruneStage, PruneParameters>(Settings, parameters, "mnist", dense, [1, .. steps]);
            Assert.Equal(3, stops);
            Assert.Equal(undisturbed.Output, outcome.Output);
        }, iter: 1);

        var step = CheckpointHeader.Read(trial.Checkpoints.PathOf(undisturbed.Output)).Lineage.Steps[^1];
        var record = step.Records!.Value.Deserialize<PruningRecord>(LatheJson.Options)!;
        Assert.Equal(Enumerable.Range(1, record.Training!.Epochs.Count), record.Training.Epochs);
        Assert.Equal(["features.0", "features.4", "classifier.0", "classifier.3"], record.Layers.Select(l => l.Layer));
        Assert.Equal(undisturbed.Metrics["multiplications"], record.Layers.Sum(l => l.MultiplicationsAfter));
        Assert.Equal(3_024_384, record.Layers.Sum(l => l.MultiplicationsBefore));
        var choosing = record.Path.TakeWhile(p => p.Epoch < 1 || p.Multiplications > 0.4 * 3_024_384).ToList();
        Assert.Equal([1.0, 2.0], record.Path.Where(p => p.Epoch == Math.Floor(p.Epoch) && p.Epoch > 0).Select(p => p.Epoch).Distinct());
        if (method is PruneMethod.Hfp or PruneMethod.Slimming)
        {
            Assert.Equal((0, 215_546, 3_024_384), (choosing[0].Epoch, choosing[0].Parameters, choosing[0].Multiplications));
            // The start and each tenth of the way.
            Assert.Equal(11, choosing.Count);
            Assert.Equal(choosing.Select(p => p.Epoch).Order(), choosing.Select(p => p.Epoch));
        }
        else
        {
            Assert.Empty(choosing);
        }

        Assert.Equal(undisturbed.Metrics["multiplications"], record.Path[^1].Multiplications);
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

    [Theory]
    [InlineData(0.1)]
    [InlineData(0.25)]
    [InlineData(0.6)]
    public void Uniform_keeps_the_same_share_of_every_layer_and_the_filters_of_the_largest_norm(double target)
    {
        var graph = Zoo.Build("vgg7@0.25", new TensorShape(3, 32, 32), 10);
        using var scope = NewDisposeScope();
        using var module = GraphModule.Create(graph, seed: 1);
        SpreadNorms(module);
        using var pruning = new Pruning(graph, module.Parameters, new PruneParameters { Method = PruneMethod.Uniform, Multiplications = target });
        var norms = FilterNorms.Of(pruning.Groups, module.Parameters);
        var convolutions = pruning.Groups.Groups.Where(g => g.Prunable && g.Producers.Any(p => graph.Nodes.Any(node => node is Conv2d && node.Name == p))).ToList();
        Assert.Equal(6, convolutions.Count);
        // The same share, to a channel of rounding and half of what the exact finish adds; it also fills the linear layer with crumbs.
        var widths = convolutions.Select(g => (Open: pruning.Finished!.Live[g.Index].Count(live => live), All: (double)g.Gates.Count)).ToList();
        Assert.True(widths.Max(w => (w.Open - 1.5) / w.All) <= widths.Min(w => (w.Open + 1.5) / w.All), string.Join(", ", widths));
        foreach (var group in pruning.Groups.Groups.Where(g => g.Prunable))
        {
            var live = pruning.Finished!.Live[group.Index];
            var least = norms[group.Index].Where((_, c) => live[c]).Min();
            Assert.All(norms[group.Index].Where((_, c) => !live[c]), closed => Assert.True(closed <= least));
        }
    }

    [Fact]
    public void L1_takes_the_least_filters_of_the_network_wherever_they_are()
    {
        var graph = Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10);
        using var scope = NewDisposeScope();
        using var module = GraphModule.Create(graph, seed: 1);
        // The second convolution's last filters are next to nothing.
        using (no_grad())
            module.Parameters["features.4.weight"][TensorIndex.Slice(20)].copy_(module.Parameters["features.4.weight"][TensorIndex.Slice(20)].Times(0.001));
        using var pruning = new Pruning(graph, module.Parameters, new PruneParameters { Method = PruneMethod.L1, Multiplications = 0.8 });
        var second = pruning.Groups.Groups.Single(g => g.Producers.Contains("features.4")).Index;
        Assert.DoesNotContain(false, pruning.Finished!.Live[second].Take(20));
        Assert.True(pruning.Finished.Live[second].Skip(20).Count(live => !live) > 5);
        Assert.All(pruning.Groups.Groups.Where(g => g.Index != second), g => Assert.DoesNotContain(false, pruning.Finished.Live[g.Index]));
    }

    [Theory]
    [InlineData(PruneMethod.Hfp, true)]
    [InlineData(PruneMethod.Slimming, true)]
    [InlineData(PruneMethod.Uniform, false)]
    [InlineData(PruneMethod.L1, false)]
    [InlineData(PruneMethod.Random, false)]
    public void Methods_that_choose_by_scales_alone_train_scales_beside_the_network(PruneMethod method, bool ownGates)
    {
        var graph = SmallNetworks.Depthwise();
        using var scope = NewDisposeScope();
        using var module = GraphModule.Create(graph, seed: 1);
        using var pruning = new Pruning(graph, module.Parameters, new PruneParameters { Method = method, Multiplications = 0.5 });
        Assert.Equal(ownGates, pruning.Hooks(_ => { }).ExtraParameters!.Count > 0);
        if (ownGates) return;
        // What the forward pass sees of a layer without batch norm: the layer itself, with closed channels zero.
        var side = pruning.Groups.Groups.Single(g => g.Producers.Contains("side"));
        Assert.Empty(side.BatchNorms);
        var live = tensor([.. pruning.Finished!.Live[side.Index].Select(open => open ? 1f : 0f)]);
        var weight = module.Parameters["side.weight"];
        Assert.True(pruning.Gates.View("side.weight", weight).equal(weight * live.reshape(-1, 1, 1, 1)).all().item<bool>());
    }

    [Fact]
    public void Slimming_pulls_every_scale_alike_and_nothing_else()
    {
        using var scope = NewDisposeScope();
        using var module = GraphModule.Create(SmallNetworks.Depthwise(), seed: 1);
        using (no_grad()) module.Parameters["expand.norm.weight"][2] = tensor(-0.7f);
        foreach (var parameter in module.Parameters.Values) parameter.grad = zeros_like(parameter);
        var parameters = new PruneParameters { Method = PruneMethod.Slimming, SlimmingWeight = 0.25, Multiplications = 0.5 };
        using var pruning = new Pruning(module.Graph, module.Parameters, parameters);
        Assert.NotEmpty(pruning.Gates.OwnGates);
        foreach (var gate in pruning.Gates.OwnGates.Values) gate.grad = zeros_like(gate);
        // Far under HFP's threshold, and open all the same: only the choice closes channels.
        using (no_grad()) pruning.Gates.OwnGates.Values.First()[0] = tensor(0.001f);
        pruning.Gates.Update(module.Parameters);
        Assert.All(pruning.Gates.Live, group => Assert.DoesNotContain(false, group));

        pruning.Hooks(_ => { }).AfterBackward!(new StepContext(module, 0, 0, 10, 0, 1, 0.1));

        // Two batch norms share the group of the expanded channels: each has half of its pull.
        var expand = module.Parameters["expand.norm.weight"].grad!.data<float>().ToArray();
        Assert.Equal([-1, 1], expand[2..4].Select(Math.Sign));
        Assert.Equal(0.25f, module.Parameters["stem.norm.weight"].grad![0].item<float>(), 1e-6f);
        Assert.All(pruning.Gates.OwnGates.Values, gate => Assert.True(gate.grad!.eq(0.25f).all().item<bool>()));
        foreach (var (name, parameter) in module.Parameters.Where(p => !p.Key.EndsWith(".norm.weight", StringComparison.Ordinal)))
            Assert.True(parameter.grad!.eq(0).all().item<bool>(), name);
    }

    [Fact]
    public void Tied_filters_count_by_the_mean_of_their_norms()
    {
        using var scope = NewDisposeScope();
        using var module = GraphModule.Create(SmallNetworks.Residual(), seed: 1);
        using (no_grad())
        {
            module.Parameters["stem.weight"].fill_(1);
            module.Parameters["block.conv2.weight"].fill_(1);
            module.Parameters["stem.weight"][3].fill_(0);
        }

        var groups = ChannelGroups.Of(module.Graph);
        var norms = FilterNorms.Of(groups, module.Parameters)[groups.Groups.Single(g => g.Producers.Contains("stem")).Index];
        // Of 12 filters one is zero: the others are 12/11 of the stem's mean, and all are 1 in the other layer.
        Assert.Equal(0.5, norms[3], 1e-6);
        Assert.Equal((1 + (12.0 / 11)) / 2, norms[4], 1e-6);
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
        var norms = FilterNorms.Of(groups, module.Parameters);
        Assert.Equal([0.5, 1.5], norms[groups.Groups.Single(g => g.Producers.Contains("first")).Index], (a, b) => Math.Abs(a - b) < 1e-6);
        Assert.Equal([0.5, 1.5], norms[groups.Groups.Single(g => g.Producers.Contains("second")).Index], (a, b) => Math.Abs(a - b) < 1e-6);
    }

    [Fact]
    public void A_global_threshold_takes_the_least_first_and_no_more_than_it_must()
    {
        var graph = Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10);
        var groups = ChannelGroups.Of(graph);
        var size = SizeModel.Of(graph, groups);
        var widths = GroupWidths.Of(graph, groups, 1);
        var dense = size.Evaluate([.. widths.Select(w => (double)w.Full)]).Multiplications;
        var random = new Random(4);
        double[][] magnitudes = [.. groups.Groups.Select(g => g.Gates.Select(_ => random.NextDouble()).ToArray())];
        var open = new WidthRule(SizeBudget.Of(size, null, 0.5 * dense), widths).GlobalThreshold(magnitudes);
        Assert.True(size.Evaluate(open).Multiplications <= 0.5 * dense);
        // The greatest of those that went, put back: too many again.
        var gone = magnitudes.SelectMany((m, g) => m.Order().Take(widths[g].Full - (int)open[g]).Select(value => (value, g))).Max();
        open[gone.g]++;
        Assert.True(size.Evaluate(open).Multiplications > 0.5 * dense);
        Assert.All(magnitudes.SelectMany((m, g) => m.OrderDescending().Take((int)open[g]).Where(_ => widths[g].Prunable)), kept => Assert.True(kept >= gone.value));
    }

    /// <summary>Spreads the norms of some layers' filters wide and leaves others' close together, so that layers compare very unlike.</summary>
    private static void SpreadNorms(GraphModule module)
    {
        using var _ = no_grad();
        var random = new Random(6);
        foreach (var (node, i) in module.Graph.Nodes.Where(n => n is Conv2d or Linear).Select((node, i) => (node, i)).Where(n => n.i % 2 == 0))
        {
            var weight = module.Parameters[$"{node.Name}.weight"];
            for (var c = 0; c < weight.shape[0]; c++) weight[c].copy_(weight[c].Times(Math.Exp(2 * random.NextDouble() * (1 + i % 3))));
        }
    }

    private static void MeetsExactly(NetworkGraph graph, float[] scales, PruneMethod method, double parametersShare, double multiplicationsShare, int multiple)
    {
        using var scope = NewDisposeScope();
        using var module = GraphModule.Create(graph, seed: 3);
        var groups = ChannelGroups.Of(graph);
        var size = SizeModel.Of(graph, groups);
        var widths = GroupWidths.Of(graph, groups, multiple);
        var reach = ReachableSizes.Of(size, widths);
        var budget = SizeBudget.Of(size, 
            Math.Max(parametersShare * reach.DenseParameters, reach.LeastParameters),
            Math.Max(multiplicationsShare * reach.DenseMultiplications, reach.LeastMultiplications));
        using var pruning = new Pruning(graph, module.Parameters, new PruneParameters
        {
            Method = method, TargetParameters = budget.Parameters, Multiplications = budget.Multiplications, ChannelMultiple = multiple, PruningShare = 1, Epochs = 1,
        }, seed: 3);
        // The only step of the only epoch, whatever it taught: scales as a training might have left them.
        using (no_grad())
            MoveScales(module, scales);
        pruning.Hooks(_ => { }).AfterStep!(new StepContext(module, 0, 0, 1, 0, 1, 0.1));

        var finished = pruning.Finished!;
        Assert.True(budget.Holds([.. finished.Live.Select(group => (double)group.Count(live => live))]));
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
            Assert.False(budget.Holds(more), $"group {g} could have {wider} channels");
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
            Assert.True(finished.Parameters + next["parameters"] > budget.Parameters || finished.Multiplications + next["multiplications"] > budget.Multiplications);
    }

    public void Dispose() => Directory.Delete(_root, recursive: true);

    /// <summary>Scales of all batch norms, some of them under HFP's threshold.</summary>
    private static Gen<float[]> Scales(NetworkGraph graph) => Gen.Float[-0.15f, 0.15f].Array[graph.Nodes.OfType<BatchNorm>().Sum(norm => norm.Channels)];

    private static void MoveScales(GraphModule module, ReadOnlySpan<float> scales)
    {
        foreach (var norm in module.Graph.Nodes.OfType<BatchNorm>())
        {
            module.Parameters[$"{norm.Name}.weight"].copy_(tensor(scales[..norm.Channels].ToArray()));
            scales = scales[norm.Channels..];
        }
    }

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
