using Lathe.Graph;
using Lathe.Graph.Models;
using Lathe.Graph.Sizing;
using Lathe.NN.Execution;
using Lathe.Pruner.Budget;
using Lathe.Pruner.Gates;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Lathe.Pruner.Tests;

/// <summary>How much the loss feels a gate, by which the exact finish chooses HFP's channels.</summary>
public sealed class Feeling_gates
{
    [Theory]
    [InlineData("resnet20@0.25", 3)]
    [InlineData("mobilenetv2@0.25", 3)]
    public void It_is_the_squared_slope_of_the_loss_when_all_scales_and_shifts_of_a_channel_shrink_together(string name, int seed)
    {
        var graph = Zoo.Build(name, new TensorShape(3, 32, 32), 10);
        using var scope = NewDisposeScope();
        using var module = GraphModule.Create(graph, seed);
        // Shifts are 0 at the start, and then nothing would tell whether they count.
        using (no_grad())
        {
            foreach (var (_, shift) in module.Parameters.Where(p => p.Key.EndsWith(".bias", StringComparison.Ordinal)))
                shift.copy_(randn(shift.shape, generator: new Generator(7)).mul_(0.1));
        }

        var groups = ChannelGroups.Of(graph);
        var sources = GateSources.Of(graph, groups);
        using var gates = new ChannelGates(graph, groups, threshold: 0.01);
        var images = randn(16, 3, 32, 32, generator: new Generator(1));
        var labels = arange(16).remainder(10);
        Loss(module).backward();
        gates.Sensitivity.Observe(module.Parameters);

        var random = new Random(seed);
        var prunable = groups.Groups.Where(g => g.Prunable && g.BatchNorms.Count > 0).ToList();
        using var noGradient = no_grad();
        for (var i = 0; i < 6; i++)
        {
            var group = prunable[random.Next(prunable.Count)].Index;
            var channel = random.Next(groups.Groups[group].Gates.Count);
            const double Step = 5e-4;
            var slope = (LossWithGate(1 + Step) - LossWithGate(1 - Step)) / (2 * Step);
            var felt = Math.Sqrt(gates.Sensitivity.Mean![group][channel]);
            Assert.Equal(Math.Abs(slope), felt, Math.Max(2e-3, 0.1 * felt));

            double LossWithGate(double gate)
            {
                using var changed = GraphModule.FromTensors(graph, module.Snapshot());
                foreach (var norm in sources.BatchNorms)
                {
                    for (var c = 0; c < norm.Places.Count; c++)
                    {
                        if (norm.Places[c] != (group, channel)) continue;
                        changed.Parameters[$"{norm.Node}.weight"][c].mul_(tensor((float)gate));
                        changed.Parameters[$"{norm.Node}.bias"][c].mul_(tensor((float)gate));
                    }
                }

                return Loss(changed).item<float>();
            }
        }

        Tensor Loss(GraphModule network) => F.cross_entropy(network.Forward(images, training: true), labels);
    }

    [Fact]
    public void A_group_that_the_loss_feels_keeps_more_of_its_channels()
    {
        var graph = Zoo.Build("resnet20", new TensorShape(3, 32, 32), 10);
        var groups = ChannelGroups.Of(graph);
        var (size, widths) = (SizeModel.Of(graph, groups), GroupWidths.Of(graph, groups, 1));
        double[] dense = [.. widths.Select(w => (double)w.Full)];
        var budget = SizeBudget.Of(size, null, 0.5 * size.Evaluate(dense).Multiplications);
        double[][] alike = [.. widths.Select(w => Enumerable.Repeat(1.0, w.Full).ToArray())];
        // The inner channels of two blocks of one stage cost the same.
        var (one, other) = (Inner("layer2.1.conv1"), Inner("layer2.2.conv1"));
        double[] weights = [.. widths.Select(w => (double)w.Layers)];
        weights[one] *= 10;
        var finished = ExactFinish.Choose(size, budget, widths, alike, [.. dense], weights);
        Assert.True(finished.Live[one].Count(live => live) > finished.Live[other].Count(live => live));

        int Inner(string node) => groups.Groups.Single(g => g.Producers.SequenceEqual([node])).Index;
    }

    [Fact]
    public void What_is_saved_goes_on_as_it_was()
    {
        var graph = Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10);
        using var scope = NewDisposeScope();
        using var module = GraphModule.Create(graph, seed: 2);
        var groups = ChannelGroups.Of(graph);
        using var undisturbed = new ChannelGates(graph, groups, threshold: 0.01);
        using var interrupted = new ChannelGates(graph, groups, threshold: 0.01);
        Assert.Null(undisturbed.Sensitivity.Mean);
        Assert.Empty(undisturbed.Sensitivity.Save());
        See(undisturbed, batch: 1);
        interrupted.Sensitivity.Restore(undisturbed.Sensitivity.Save());
        See(undisturbed, batch: 2);
        See(interrupted, batch: 2);
        Assert.Equal(undisturbed.Sensitivity.Save(), interrupted.Sensitivity.Save());

        void See(ChannelGates gates, ulong batch)
        {
            foreach (var parameter in module.Parameters.Values) parameter.grad = null;
            F.cross_entropy(module.Forward(randn(8, 1, 28, 28, generator: new Generator(batch)), training: true), arange(8)).backward();
            gates.Sensitivity.Observe(module.Parameters);
        }
    }
}
