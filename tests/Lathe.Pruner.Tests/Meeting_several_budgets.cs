using System.Text.Json;
using CsCheck;
using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.Graph.Models;
using Lathe.Graph.Sizing;
using Lathe.Hosting;
using Lathe.Pruner.Budget;
using Lathe.Pruner.Methods;
using Lathe.Testing;

namespace Lathe.Pruner.Tests;

public sealed class Meeting_several_budgets
{
    private static readonly NetworkGraph[] Networks =
    [
        Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10),
        Zoo.Build("resnet20", new TensorShape(3, 32, 32), 10),
        Zoo.Build("mobilenetv2@0.25", new TensorShape(3, 32, 32), 10),
    ];

    [Fact]
    public void Flash_memory_and_multiplications_are_met_together_and_no_channel_that_fits_stays_closed() =>
        Gen.Select(
            Gen.Int[0, Networks.Length - 1].SelectMany(network => RandomNetworks.Magnitudes(ChannelGroups.Of(Networks[network])).Select(drawn => (Networks[network], drawn))),
            Gen.Double[0.2, 1], Gen.Double[0.3, 1], Gen.Double[0.1, 1], Gen.Int[1, 8])
            .Sample((network, bytes, ram, multiplications, bits) =>
            {
                var (graph, drawn) = network;
                var groups = ChannelGroups.Of(graph);
                var widths = GroupWidths.Of(graph, groups, 1);
                var costs = new NetworkCosts(graph, groups);
                PruneParameters parameters = new()
                {
                    Bytes = new ByteTarget(bytes), RamBytes = new ByteTarget(ram), Multiplications = multiplications, Bits = bits == 1 ? PlannedBits.None : bits, Activations = 8,
                };
                var reach = ReachableSizes.Of(costs.Size, widths, costs.Others(parameters));
                var budget = SizeBudget.From(parameters, costs, reach);
                if (reach.Problems(budget).Count > 0) return;

                var finished = ExactFinish.Choose(costs.Size, budget, widths, drawn, [.. widths.Select(w => (double)w.Full)]);
                double[] open = [.. finished.Live.Select(group => (double)group.Count(live => live))];
                var small = Surgery.Shrink(graph, groups, Live(groups, finished));
                var formats = small.Nodes.Where(node => bits > 1 && node is Conv2d or Linear).ToDictionary(node => $"{node.Name}.weight", _ => new WeightFormat(bits, 0));
                Assert.True(CheckpointSize.Of(small, bits == 1 ? new Dictionary<string, WeightFormat>() : formats).Total <= bytes * reach.Others["bytes"].Most);
                Assert.True(ActivationMemory.PeakValues(small) <= ram * ActivationMemory.PeakValues(graph));
                Assert.True(Complexity.Of(small).Multiplications <= multiplications * Complexity.Of(graph).Multiplications);
                for (var g = 0; g < open.Length; g++)
                {
                    if (widths[g].Above((int)open[g]) is not { } wider) continue;
                    double[] more = [.. open];
                    more[g] = wider;
                    Assert.False(budget.Holds(more), $"group {g} could have {wider} channels");
                }

                var form = TargetCheck.Of(NetworkForms.Of(graph)).Leaves(parameters);
                foreach (var (name, size) in NetworkForms.Of(small).Sizes) Assert.InRange(size.Least, form.Sizes[name].Least, form.Sizes[name].Most);
            }, iter: 60);

    [Fact]
    public void A_target_for_memory_narrows_the_layers_where_it_peaks_and_no_others()
    {
        var graph = Networks[1];
        var groups = ChannelGroups.Of(graph);
        var widths = GroupWidths.Of(graph, groups, 1);
        var costs = new NetworkCosts(graph, groups);
        PruneParameters parameters = new() { RamBytes = new ByteTarget(0.6) };
        var budget = SizeBudget.From(parameters, costs, ReachableSizes.Of(costs.Size, widths, costs.Others(parameters)));
        double[][] alike = [.. widths.Select(w => Enumerable.Repeat(1.0, w.Full).ToArray())];
        var open = widths.Select(w => (double)w.Full).ToArray();
        ExactFinish.Choose(costs.Size, budget, widths, alike, open);
        // The wide maps are those of the first stage; the last stage's own channels, of 8 x 8, all stay.
        var last = groups.Groups.Where(g => g.Producers.Any(producer => producer.StartsWith("layer3", StringComparison.Ordinal) && producer.EndsWith("conv1", StringComparison.Ordinal))).ToList();
        Assert.NotEmpty(last);
        Assert.All(last, group => Assert.Equal(widths[group.Index].Full, open[group.Index]));
        Assert.Contains(groups.Groups, group => open[group.Index] < widths[group.Index].Full);

        // The pull of training goes where the finish would cut.
        var loss = new SizeLoss(budget, glideShare: 0);
        var gradient = loss.At([.. widths.Select(w => (double)w.Full)], 1, 1)!;
        Assert.All(last, group => Assert.Equal(0, gradient[group.Index]));
        Assert.All(groups.Groups.Where(g => open[g.Index] < widths[g.Index].Full), group => Assert.True(gradient[group.Index] > 0));
        Assert.True(SharePull.Mean(loss, widths, _ => 1) > 0);
        Assert.Null(loss.At(open, 1, 1));
    }

    [Fact]
    public void Channels_and_bits_share_one_budget_and_neither_a_channel_nor_a_bit_that_fits_is_left_out()
    {
        var (channelsGone, bitsMixed) = (0, 0);
        Gen.Select(
            Gen.Int[0, Networks.Length - 1].SelectMany(network => RandomNetworks.Magnitudes(ChannelGroups.Of(Networks[network])).Select(drawn => (Networks[network], drawn))),
            Gen.Double[0.05, 1], Gen.Double[0.3, 1], Gen.Double[1, 4], Gen.Int[-8, 0])
            .Sample((network, bytes, multiplications, rate, scale) =>
            {
                var (graph, drawn) = network;
                var groups = ChannelGroups.Of(graph);
                var widths = GroupWidths.Of(graph, groups, 1);
                var costs = new NetworkCosts(graph, groups);
                PruneParameters parameters = new() { Bytes = new ByteTarget(bytes), Multiplications = multiplications, Bits = PlannedBits.Free };
                var layers = costs.FreeLayers(parameters);
                var reach = ReachableSizes.Of(costs.Size, widths, costs.Others(parameters), layers.Count);
                var budget = SizeBudget.From(parameters, costs, reach);
                if (reach.Problems(budget).Count > 0) return;
                // Each bit less costs some times as much as the one before.
                IReadOnlyList<double>[] losses = [.. layers.Select((_, i) => (IReadOnlyList<double>)[.. Enumerable.Range(0, 7).Select(b => Math.Pow(10, scale) * (1 + (i % 3)) * Math.Pow(rate, -2 * b))])];

                var finished = ExactFinish.Choose(costs.Size, budget, widths, drawn, [.. widths.Select(w => (double)w.Full)], bitLosses: losses);
                var small = Surgery.Shrink(graph, groups, Live(groups, finished));
                var formats = layers.Select((layer, i) => (layer, finished.Bits[i])).ToDictionary(l => $"{l.layer}.weight", l => new WeightFormat(l.Item2, 0));
                Assert.True(CheckpointSize.Of(small, formats).Total <= bytes * reach.Others["bytes"].Most);
                Assert.True(Complexity.Of(small).Multiplications <= multiplications * Complexity.Of(graph).Multiplications);
                double[] open = [.. finished.Live.Select(group => (double)group.Count(live => live)), .. finished.Bits];
                for (var i = 0; i < open.Length; i++)
                {
                    double[] more = [.. open];
                    if (i < widths.Count && widths[i].Above((int)open[i]) is { } wider) more[i] = wider;
                    else if (i >= widths.Count && open[i] < PlannedBits.Most) more[i]++;
                    else continue;
                    Assert.False(budget.Holds(more), $"{i} could have {more[i]}");
                }

                if (finished.Live.Any(group => group.Contains(false))) Interlocked.Increment(ref channelsGone);
                if (finished.Bits.Distinct().Count() > 1) Interlocked.Increment(ref bitsMixed);
                var form = TargetCheck.Of(NetworkForms.Of(graph)).Leaves(parameters);
                foreach (var (name, size) in NetworkForms.Of(small).Sizes) Assert.InRange(size.Least, form.Sizes[name].Least, form.Sizes[name].Most);
            }, iter: 60);
        Assert.True(channelsGone > 10 && bitsMixed > 10, $"{channelsGone} with closed channels, {bitsMixed} with several bits");
    }

    [Theory]
    [InlineData("""{ "bytes": "0.1 KiB" }""", "/bytes", "102 (0.0", "even with the narrowest allowed layers more remain")]
    [InlineData("""{ "ramBytes": 500, "activations": 8 }""", "/ramBytes", "500 (0.0", "even with the narrowest allowed layers more remain")]
    [InlineData("""{ "bytes": "100 KiB", "bits": 2 }""", "/bytes", "102,400 (1.8", "the network has fewer to begin with")]
    public void What_is_out_of_reach_is_refused_beforehand(string parameters, string pointer, string size, string why)
    {
        var read = ParametersSchema.Read<PruneParameters>("prune", JsonElement.Parse(parameters));
        var problem = Assert.Single(TargetCheck.Of(NetworkForms.Of(Networks[0])).Problems(read));
        Assert.Equal(pointer, problem.Pointer);
        Assert.Contains(size, problem.Message, StringComparison.Ordinal);
        Assert.Contains(why, problem.Message, StringComparison.Ordinal);
    }

    private static bool[] Live(ChannelGroups groups, FinishedGates finished)
    {
        var live = new bool[groups.Gates.Count];
        foreach (var group in groups.Groups)
        {
            for (var i = 0; i < group.Gates.Count; i++) live[group.Gates[i]] = finished.Live[group.Index][i];
        }

        return live;
    }
}
