using System.Diagnostics;
using CsCheck;
using Lathe.Graph;
using Lathe.Graph.Models;
using Lathe.Graph.Sizing;
using Lathe.NN.Execution;
using Lathe.NN.Runtime;
using Lathe.Pruner.Budget;
using Lathe.Pruner.Gates;
using Lathe.Pruner.Methods;
using Lathe.Testing;
using TorchSharp;
using static TorchSharp.torch;

namespace Lathe.Pruner.Tests;

[Trait("oneDNN", "on and off")]
public sealed class Pruning_every_architecture
{
    public static TheoryData<string> Models => ["resnet56", "resnet50", "mobilenetv2", "densenet121"];

    [Theory]
    [MemberData(nameof(Models))]
    public void Targets_are_checked_and_met_in_seconds(string name)
    {
        var watch = Stopwatch.StartNew();
        var entry = Zoo.Entry(name);
        var graph = Zoo.Build(name, entry.Input, entry.Classes);
        Refusing_targets_beforehand.Run(graph, new PruneParameters { TargetParameters = 0.5, Multiplications = 0.5 });

        var groups = ChannelGroups.Of(graph);
        var size = SizeModel.Of(graph, groups);
        var widths = GroupWidths.Of(graph, groups, 1);
        var reach = ReachableSizes.Of(size, widths);
        Assert.InRange(reach.LeastParameters / reach.DenseParameters, 0, 0.05);
        Assert.InRange(reach.LeastMultiplications / reach.DenseMultiplications, 0, 0.05);
        var random = new Random(1);
        double[][] magnitudes = [.. groups.Groups.Select(g => g.Gates.Select(_ => random.NextDouble()).ToArray())];
        var budget = SizeBudget.Of(size, 0.5 * reach.DenseParameters, 0.5 * reach.DenseMultiplications);
        var finished = ExactFinish.Choose(size, budget, widths, magnitudes, [.. widths.Select(w => (double)w.Full)]);
        Assert.True(budget.Holds([.. finished.Live.Select(group => (double)group.Count(live => live))]));
        Assert.InRange(watch.Elapsed.TotalSeconds, 0, 60);
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void Cutting_closed_channels_leaves_logits_unchanged(string name)
    {
        var graph = Zoo.Build(name, new TensorShape(3, 32, 32), 10);
        // Every batch norm shifts, so that a channel left open by mistake would be seen.
        Compare(graph, tensor => tensor.Kind is ParameterKind.Shift or ParameterKind.RunningMean);
    }

    [Fact]
    public void A_layer_without_batch_norm_may_serve_several_groups_and_a_gate_several_channels()
    {
        var net = new GraphBuilder("own gates", new TensorShape(3, 8, 8));
        var left = net.Conv("left", 2, 3, padding: 1, bias: true);
        var right = net.Conv("right", 3, 3, padding: 1, bias: true, from: NetworkGraph.InputName);
        // The right one's channels come first, and the wide layer's are split between the two.
        var both = net.Concat("both", right, left);
        var wide = net.Conv("wide", 5, 3, padding: 1, bias: true, from: NetworkGraph.InputName);
        net.Add("sum", wide, both);
        net.Relu("relu");
        net.Conv("in", 6, 1, bias: true);
        net.Relu("relu2");
        net.Conv("grouped", 4, 3, groups: 2, bias: true);
        net.Flatten("flatten");
        net.Linear("fc", 10);
        var graph = net.Build();
        Compare(graph, tensor => tensor.Kind is ParameterKind.Bias);

        using var scope = NewDisposeScope();
        using var module = GraphModule.Create(graph, seed: 2);
        var groups = ChannelGroups.Of(graph);
        using var gates = new ChannelGates(graph, groups, threshold: 0.01);
        Assert.Equal(groups.Groups.Count(g => g.Prunable), gates.OwnGates.Count);
        gates.Update(module.Parameters);
        module.Forward(randn(4, 3, 8, 8, generator: new Generator(1)), training: true, gates.View).pow(2).sum().backward();
        foreach (var (gate, parameter) in gates.OwnGates)
            Assert.True(parameter.grad is not null && parameter.grad.ne(0).all().item<bool>(), gate);

        // One gate, wherever its channels lie: the group of the left layer is channels 3 and 4 of the wide one.
        var group = groups.Groups.Single(g => g.Producers.Contains("left")).Index;
        using (no_grad()) gates.OwnGates[$"gate.{group}"][1] = tensor(5f);
        var viewed = gates.View("wide.bias", ones(5));
        Assert.Equal([1f, 1f, 1f, 1f, 5f], viewed.data<float>().ToArray());
    }

    [Fact]
    public void An_own_gate_scales_its_channel_and_no_other_on_any_network()
    {
        TorchRuntime.Configure(1);
        var grouped = 0;
        var cuts =
            from graph in RandomNetworks.Wide
            let groups = ChannelGroups.Of(graph)
            from live in RandomNetworks.Live(groups)
            select (graph, groups, live);
        cuts.Sample(
            network =>
            {
                var (graph, groups, live) = network;
                using var scope = NewDisposeScope();
                using var module = GraphModule.Create(graph, seed: 1);
                using var gates = new ChannelGates(graph, groups, threshold: 0.01);
                // What each channel is multiplied with: 1, or its gate's own number.
                var factor = Enumerable.Repeat(1f, groups.Gates.Count).ToArray();
                using (no_grad())
                {
                    foreach (var group in groups.Groups.Where(g => g is { Prunable: true, ClosesByBatchNorm: false, BatchNorms.Count: 0 }))
                    {
                        foreach (var gate in group.Gates) factor[gate] = 0.5f + (gate * 0.01f);
                        gates.OwnGates[$"gate.{group.Index}"].copy_(tensor([.. group.Gates.Select(gate => factor[gate])]));
                    }
                }

                gates.Update(module.Parameters);
                foreach (var group in groups.Groups.Where(group => factor[group.Gates[0]] != 1))
                    Assert.All(group.Gates.Select((gate, i) => (gate, i)), g => Assert.Equal(factor[g.gate], gates.Magnitudes[group.Index][g.i], 1e-6));

                gates.Freeze([.. groups.Groups.Select(g => g.Gates.Select(gate => live[gate]).ToArray())]);
                foreach (var producer in graph.Nodes.Where(node => node is Conv2d or Linear))
                {
                    var of = groups.GatesOf[producer.Name];
                    // A layer whose output meets a concatenation has channels of several groups; those that a batch norm closes are not scaled here.
                    var own = Enumerable.Range(0, of.Length).Where(i => groups.Groups[groups.Gates[of[i]].Group].BatchNorms.Count == 0).ToArray();
                    if (own.Length == 0) continue;
                    if (producer is Conv2d { Groups: > 1 } conv && !ChannelGroups.IsDepthwise(conv)) grouped++;
                    var seen = gates.View($"{producer.Name}.bias", ones(of.Length)).data<float>().ToArray();
                    Assert.Equal(own.Select(i => live[of[i]] ? factor[of[i]] : 0), own.Select(i => seen[i]));
                }

                var folded = gates.Fold(module.Snapshot());
                var (small, tensors) = TensorSurgery.Cut(graph, folded, groups, live);
                using var gated = GraphModule.FromTensors(graph, folded);
                using var cut = GraphModule.FromTensors(small, tensors);
                SurgeryProof.Compare(gated, cut, randn([4, graph.Input.Channels, graph.Input.Height, graph.Input.Width], generator: new Generator(1)));
            },
            iter: 150,
            print: drawn => GraphJson.Write(drawn.graph));
        Assert.InRange(grouped, 10, int.MaxValue);
    }

    private static void Compare(NetworkGraph graph, Func<ParameterShape, bool> moved)
    {
        using var scope = NewDisposeScope();
        using var module = GraphModule.Create(graph, seed: 5);
        var generator = new Generator(7);
        using (no_grad())
        {
            foreach (var shape in ParameterShapes.Of(graph).Where(moved))
            {
                Tensor value = shape.Trainable ? module.Parameters[shape.Name] : module.Buffers[shape.Name];
                value.copy_(randn([.. shape.Shape], generator: generator) * 0.3);
            }
        }

        var groups = ChannelGroups.Of(graph);
        using var gates = new ChannelGates(graph, groups, threshold: 0.01);
        var random = new Random(3);
        var live = new bool[groups.Gates.Count];
        foreach (var group in groups.Groups)
        {
            foreach (var gate in group.Gates) live[gate] = !group.Prunable || random.Next(2) == 0;
            live[group.Gates[random.Next(group.Gates.Count)]] = true;
        }

        gates.Freeze([.. groups.Groups.Select(g => g.Gates.Select(gate => live[gate]).ToArray())]);
        var folded = gates.Fold(module.Snapshot());
        var (small, tensors) = TensorSurgery.Cut(graph, folded, groups, live);
        Assert.True(Complexity.Of(small).Parameters < 0.7 * Complexity.Of(graph).Parameters);
        using var gated = GraphModule.FromTensors(graph, folded);
        using var cut = GraphModule.FromTensors(small, tensors);
        var images = randn([4, graph.Input.Channels, graph.Input.Height, graph.Input.Width], generator: generator);
        SurgeryProof.Compare(gated, cut, images);

        // The forward pass through the gates is that of the folded network.
        using var viewed = module.Forward(images, training: false, gates.View);
        Assert.True(viewed.allclose(gated.Forward(images, training: false), rtol: 1e-4, atol: 1e-4));
    }
}
