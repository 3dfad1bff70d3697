using CsCheck;
using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Models;
using Lathe.Graph.Sizing;
using Lathe.Pruner.Budget;
using Lathe.Pruner.Gates;
using Lathe.Pruner.Methods;
using Lathe.Testing;

namespace Lathe.Pruner.Tests;

public sealed class Meeting_a_budget_exactly
{
    private static readonly NetworkGraph[] Networks =
    [
        Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10),
        Zoo.Build("vgg7", new TensorShape(3, 32, 32), 10),
        Zoo.Build("resnet20", new TensorShape(3, 32, 32), 10),
    ];

    [Fact]
    public void No_target_is_passed_and_no_channel_that_fits_stays_closed() =>
        Gen.Select(
            Gen.Int[0, Networks.Length - 1].SelectMany(network => RandomNetworks.Magnitudes(ChannelGroups.Of(Networks[network])).Select(drawn => (Networks[network], drawn))),
            Gen.Double[0.05, 1], Gen.Double[0.05, 1], Gen.Bool.Select(wide => wide ? 8 : 1))
            .Sample((network, parameters, multiplications, multiple) =>
            {
                var (graph, drawn) = network;
                var groups = ChannelGroups.Of(graph);
                var size = SizeModel.Of(graph, groups);
                var widths = GroupWidths.Of(graph, groups, multiple);
                var reach = ReachableSizes.Of(size, widths);
                var budget = SizeBudget.Of(size, 
                    Math.Max(parameters * reach.DenseParameters, reach.LeastParameters),
                    Math.Max(multiplications * reach.DenseMultiplications, reach.LeastMultiplications));
                double[][] magnitudes = [.. drawn.Select(of => of.Select(magnitude => magnitude * 0.02).ToArray())];

                var finished = ExactFinish.Choose(size, budget, widths, magnitudes, Open(widths, magnitudes));

                Assert.True(budget.Holds([.. finished.Live.Select(group => (double)group.Count(live => live))]));
                double[] open = [.. finished.Live.Select(group => (double)group.Count(live => live))];
                for (var g = 0; g < open.Length; g++)
                {
                    Assert.InRange(open[g], widths[g].Least, widths[g].Full);
                    Assert.True(open[g] % multiple == 0 || open[g] == widths[g].Full);
                    if (widths[g].Above((int)open[g]) is not { } wider) continue;
                    double[] more = [.. open];
                    more[g] = wider;
                    Assert.False(budget.Holds(more), $"group {g} could have {wider} channels");
                }

                AssertSurgeryAgrees(graph, groups, finished);
            }, iter: 200);

    [Fact]
    public void Open_gates_are_those_with_the_greatest_magnitudes()
    {
        var (size, widths, magnitudes) = LeNet(seed: 3);
        var reach = ReachableSizes.Of(size, widths);
        var finished = ExactFinish.Choose(size, SizeBudget.Of(size, null, 0.3 * reach.DenseMultiplications), widths, magnitudes, Open(widths, magnitudes));
        for (var g = 0; g < magnitudes.Length; g++)
        {
            if (finished.Live[g].All(live => live)) continue;
            var least = magnitudes[g].Where((_, c) => finished.Live[g][c]).Min();
            var greatest = magnitudes[g].Where((_, c) => !finished.Live[g][c]).Max();
            Assert.True(least >= greatest);
        }
    }

    [Fact]
    public void A_group_counts_the_layers_that_write_and_read_it()
    {
        var net = new GraphBuilder("residual", new TensorShape(3, 8, 8));
        var stem = net.Conv("stem", 8, 3, padding: 1);
        net.Conv("inner", 4, 3, padding: 1);
        net.Conv("outer", 8, 3, padding: 1);
        net.Add("add", net.Last, stem);
        net.GlobalAvgPool("pool");
        net.Flatten("flat");
        net.Linear("fc", 5);
        var graph = net.Build();
        var groups = ChannelGroups.Of(graph);
        var widths = GroupWidths.Of(graph, groups, 1);
        // stem and outer write the sum, inner and fc read it.
        Assert.Equal((8, 4), (widths[Group("stem")].Full, widths[Group("stem")].Layers));
        Assert.Equal((4, 2), (widths[Group("inner")].Full, widths[Group("inner")].Layers));
        Assert.Equal(1, widths[Group("fc")].Layers);

        int Group(string producer) => groups.Groups.Single(g => g.Producers.Contains(producer)).Index;
    }

    [Fact]
    public void Channels_come_back_for_the_size_that_has_a_target()
    {
        // Each channel of both layers takes 3 x 3 x 16 x 16 = 12 x 12 x 4 x 4 multiplications, but 9 and 144 parameters.
        var net = new GraphBuilder("two", new TensorShape(1, 16, 16));
        var fine = net.Conv("fine", 4, 3, padding: 1);
        var left = net.GlobalAvgPool("left");
        var coarse = net.Conv("coarse", 4, 12, stride: 4, padding: 4, from: NetworkGraph.InputName);
        net.GlobalAvgPool("right");
        net.Concat("both", left, net.Last);
        net.Flatten("flat");
        net.Linear("fc", 10);
        var graph = net.Build();
        var groups = ChannelGroups.Of(graph);
        var (size, widths) = (SizeModel.Of(graph, groups), GroupWidths.Of(graph, groups, 1));
        var (one, other) = (Group(fine), Group(coarse));
        double[] open = [.. widths.Select(w => w.Prunable ? 1.0 : w.Full)];
        var now = size.Evaluate(open).Multiplications;
        open[one]++;
        var more = size.Evaluate(open).Multiplications;
        (open[one], open[other]) = (1, 2);
        Assert.Equal(more, size.Evaluate(open).Multiplications);
        open[other] = 1;
        double[] weights = [.. widths.Select((_, g) => g == other ? 1.2 : 1)];
        var finished = ExactFinish.Choose(
            size, SizeBudget.Of(size, null, more + 1), widths, [.. widths.Select(w => Enumerable.Repeat(1.0, w.Full).ToArray())], open, weights);
        Assert.Equal((1, 2), (finished.Live[one].Count(live => live), finished.Live[other].Count(live => live)));
        Assert.True(now < finished.Multiplications);

        int Group(string producer) => groups.Groups.Single(g => g.Producers.Contains(producer)).Index;
    }

    [Theory]
    [InlineData("resnet20", 0.95)]
    [InlineData("mobilenetv2@0.5", 1)]
    [InlineData("vgg11@0.25", 1)] // its last layers cost next to nothing
    public void Where_channels_matter_alike_no_layer_is_emptied_and_none_left_whole_that_costs(string model, double most)
    {
        const int Side = 32;
        // However much a channel of a residual stage saves, and whatever the scale of each group's magnitudes.
        var graph = Zoo.Build(model, new TensorShape(3, Side, Side), 10);
        var groups = ChannelGroups.Of(graph);
        var (size, widths) = (SizeModel.Of(graph, groups), GroupWidths.Of(graph, groups, 1));
        var random = new Random(1);
        double[][] magnitudes = [.. groups.Groups.Select(g => random.NextDouble() is var scale ? g.Gates.Select(_ => scale).ToArray() : [])];
        var dense = ReachableSizes.Of(size, widths).DenseMultiplications;
        var finished = ExactFinish.Choose(size, SizeBudget.Of(size, null, 0.3 * dense), widths, magnitudes, [.. widths.Select(w => (double)w.Full)]);
        for (var g = 0; g < widths.Count; g++)
        {
            if (!widths[g].Prunable || widths[g].Full < 4) continue;
            var share = finished.Live[g].Count(live => live) / (double)widths[g].Full;
            Assert.True(share >= 0.25 && share <= most, $"{string.Join(", ", groups.Groups[g].Producers)}: {share:P0} of {widths[g].Full}");
        }
    }

    [Theory]
    [InlineData("""0.001""", "cannot be reached")]
    [InlineData("""4000000""", "fewer to begin with")]
    public void A_target_out_of_reach_is_refused_with_the_reachable_range(string target, string why)
    {
        var parameters = new PruneParameters { Multiplications = double.Parse(target, System.Globalization.CultureInfo.InvariantCulture) };
        var refused = Assert.Throws<LatheException>(() => Refusing_targets_beforehand.Run(Networks[0], parameters));
        Assert.Contains("prune.multiplications", refused.Message);
        Assert.Contains(why, refused.Message);
        Assert.Contains("3,024,384", refused.Message);
    }

    [Fact]
    public void A_missing_target_is_refused() =>
        Assert.Contains("no target", Assert.Throws<LatheException>(() => Refusing_targets_beforehand.Run(Networks[0], new PruneParameters())).Message);

    [Fact]
    public void The_gradient_of_the_size_loss_is_what_one_more_channel_costs()
    {
        var (size, widths, _) = LeNet(seed: 1);
        var reach = ReachableSizes.Of(size, widths);
        var loss = new SizeLoss(SizeBudget.Of(size, null, 0.5 * reach.DenseMultiplications), glideShare: 0);
        double[] dense = [.. widths.Select(w => (double)w.Full)];
        var gradient = loss.At(dense, weight: 2, t: 1)!;
        for (var g = 0; g < dense.Length; g++)
        {
            if (!widths[g].Prunable) continue;
            double[] less = [.. dense];
            less[g]--;
            var saved = (size.Evaluate(dense).Multiplications - size.Evaluate(less).Multiplications) / reach.DenseMultiplications;
            Assert.Equal(2 * saved, gradient[g], 1e-9);
        }

        Assert.Null(loss.At([.. widths.Select(w => (double)w.Least)], weight: 2, t: 1));
    }

    [Theory]
    [InlineData(0.05, 0, 0.5, 766)]
    [InlineData(0.002, 0, 0.5, 766)]
    [InlineData(0.1, 0.01, 1, 5000)]
    [InlineData(0.05, 0, 0.1, 300)]
    public void The_pull_moves_channels_as_far_whatever_the_schedule(double from, double to, double share, int steps)
    {
        const double Travel = 4;
        const double MeanPull = 0.003;
        var scale = 0.0;
        var reach = HfpSchedule.Reach(from, to, share, steps);
        for (var i = 0; i < steps; i++)
        {
            var rate = to + ((from - to) * 0.5 * (1 + Math.Cos(Math.PI * share * i / steps)));
            scale += rate * MeanPull * HfpSchedule.SizeWeight(Travel, MeanPull, reach, i / (double)steps);
        }

        // λ rises while the learning rate falls, which the product of their means leaves out.
        Assert.InRange(scale, 0.5 * Travel, 1.1 * Travel);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void The_pull_drives_to_the_threshold_first_what_the_finish_closes_first(int seed)
    {
        var random = new Random(seed);
        var graph = Zoo.Build("resnet20", new TensorShape(3, 32, 32), 10);
        var groups = ChannelGroups.Of(graph);
        var (size, widths) = (SizeModel.Of(graph, groups), GroupWidths.Of(graph, groups, 1));
        var reach = ReachableSizes.Of(size, widths);
        double[][] alike = [.. widths.Select(w => Enumerable.Repeat(1.0, w.Full).ToArray())];
        double[] live = [.. widths.Select(w => w.Prunable ? Math.Ceiling((0.3 + (0.7 * random.NextDouble())) * w.Full) : w.Full)];
        var now = size.Evaluate(live).Multiplications;
        var pull = SharePull.Of(new SizeLoss(SizeBudget.Of(size, null, 0.1 * reach.DenseMultiplications), glideShare: 0).At(live, 1, 1)!, live, widths);
        double[] forEachLayer = [.. pull.Select((p, g) => p / widths[g].Layers)];

        // Of any two groups, were there no others.
        var prunable = Enumerable.Range(0, widths.Count).Where(g => widths[g].Prunable).ToList();
        foreach (var (one, other) in prunable.SelectMany(g => prunable.Where(h => h > g).Select(h => (g, h))))
        {
            double[] open = [.. live];
            GroupWidths[] two = [.. widths.Select((w, g) => g == one || g == other ? w : w with { Prunable = false })];
            ExactFinish.Choose(size, SizeBudget.Of(size, null, now - 1), two, alike, open);
            var (closed, left) = open[one] < live[one] ? (one, other) : (other, one);
            // One channel of few is a step, not a slope: groups that are as good as equal may change places.
            Assert.True(forEachLayer[closed] > 0.85 * forEachLayer[left], $"{closed} before {left}");
        }
    }

    [Fact]
    public void The_mean_pull_is_that_of_all_channels_that_may_go()
    {
        var (size, widths, _) = LeNet(seed: 1);
        var reach = ReachableSizes.Of(size, widths);
        double[] dense = [.. widths.Select(w => (double)w.Full)];
        var total = 0.0;
        var channels = 0.0;
        for (var g = 0; g < dense.Length; g++)
        {
            if (!widths[g].Prunable) continue;
            double[] less = [.. dense];
            less[g]--;
            var saved = (size.Evaluate(dense).Multiplications - size.Evaluate(less).Multiplications) / reach.DenseMultiplications;
            total += dense[g] * saved * dense[g] / 2;
            channels += dense[g];
        }

        var loss = new SizeLoss(SizeBudget.Of(size, null, 0.5 * reach.DenseMultiplications), glideShare: 0);
        Assert.Equal(total / channels, SharePull.Mean(loss, widths, _ => 2), 1e-9);
    }

    [Theory]
    [InlineData(14, 0.14)]
    [InlineData(199, 1.99)]
    [InlineData(201, 2)]
    [InlineData(100_000, 2)]
    public void A_schedule_of_few_steps_pulls_no_faster_than_weights_can_follow(double steps, double travel) =>
        Assert.Equal(travel, HfpSchedule.Travel(sizeWeight: 2, steps), 1e-12);

    [Fact]
    public void The_target_glides_from_one_to_its_value()
    {
        Assert.Equal(1, HfpSchedule.Target(0.25, glideShare: 0.7, t: 0), 1e-12);
        Assert.Equal(0.25, HfpSchedule.Target(0.25, glideShare: 0.7, t: 0.7));
        Assert.Equal(0.25, HfpSchedule.Target(0.25, glideShare: 0, t: 0));
        var path = Enumerable.Range(0, 101).Select(i => HfpSchedule.Target(0.25, 0.7, i / 100.0)).ToList();
        Assert.Equal(path.OrderDescending(), path);
    }

    /// <summary>What gates over a threshold of 0.01 leave open.</summary>
    private static double[] Open(IReadOnlyList<GroupWidths> widths, IReadOnlyList<double[]> magnitudes) =>
        [.. magnitudes.Select((m, g) => (double)widths[g].Covering(m.Count(value => value > 0.01)))];

    private static (SizeModel Size, IReadOnlyList<GroupWidths> Widths, double[][] Magnitudes) LeNet(int seed)
    {
        var groups = ChannelGroups.Of(Networks[0]);
        return (SizeModel.Of(Networks[0], groups), GroupWidths.Of(Networks[0], groups, 1), RandomNetworks.Magnitudes(groups).Example(seed));
    }

    private static void AssertSurgeryAgrees(NetworkGraph graph, ChannelGroups groups, FinishedGates finished)
    {
        var live = new bool[groups.Gates.Count];
        foreach (var group in groups.Groups)
        {
            for (var i = 0; i < group.Gates.Count; i++) live[group.Gates[i]] = finished.Live[group.Index][i] || !group.Prunable;
        }

        var complexity = Complexity.Of(Surgery.Shrink(graph, groups, live));
        Assert.Equal((finished.Parameters, finished.Multiplications), (complexity.Parameters, complexity.Multiplications));
    }
}
