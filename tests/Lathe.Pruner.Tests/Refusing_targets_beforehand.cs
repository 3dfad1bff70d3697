using CsCheck;
using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Models;
using Lathe.Graph.Sizing;
using Lathe.Pruner.Budget;
using Lathe.Testing;

namespace Lathe.Pruner.Tests;

public sealed class Refusing_targets_beforehand
{
    private static readonly NetworkGraph LeNet = Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10);

    [Theory]
    [InlineData(1.5, 1, "1.5 (0.000000496 of 3,024,384) cannot be reached: even with the narrowest allowed layers more remain; expected between 24,559 (0.0082) and 3,024,384 (1)")]
    [InlineData(0.00001, 1, "30.24 (0.00001 of 3,024,384) cannot be reached: even with the narrowest allowed layers more remain; ")]
    [InlineData(1e-300, 1, "3.024E-294 (1E-300 of 3,024,384) cannot be reached: ")]
    [InlineData(1e300, 1, "1E+300 (3.306E+293 of 3,024,384) cannot be reached: the network has fewer to begin with; ")]
    [InlineData(24558.999, 1, "24,558.99 (0.0081 of 3,024,384) cannot be reached: ")]
    [InlineData(4e6, 1, "4,000,000 (1.3226 of 3,024,384) cannot be reached: the network has fewer to begin with; expected between 24,559 (0.0082) and 3,024,384 (1)")]
    [InlineData(4e6, 16, "4,000,000 (1.3226 of 3,024,384) cannot be reached: the network has fewer to begin with; expected between 1,580,704 (0.5227) and 3,024,384 (1)")]
    [InlineData(0.01, 16, "30,243.84 (0.01 of 3,024,384) cannot be reached: even with the narrowest layers that channelMultiple 16 allows more remain; expected between 1,580,704 (0.5227) and 3,024,384 (1), or a smaller channelMultiple")]
    [InlineData(0.5, 1024, "1,512,192 (0.5 of 3,024,384) cannot be reached: nothing in the network can be pruned with channelMultiple 1024; expected 3,024,384 (1), or a smaller channelMultiple")]
    public void A_message_has_the_digits_the_range_and_the_cause(double target, int multiple, string message) =>
        Assert.StartsWith("prune.multiplications: " + message, Fault(LeNet, new PruneParameters { Multiplications = target, ChannelMultiple = multiple }));

    [Fact]
    public void A_network_with_nothing_to_prune_is_called_that()
    {
        var net = new GraphBuilder("linear", new TensorShape(1, 28, 28));
        net.Flatten("flatten");
        net.Linear("logits", 10);
        Assert.Equal(
            "prune.multiplications: 3,920 (0.5 of 7,840) cannot be reached: nothing in the network can be pruned; expected 7,840 (1)",
            Fault(net.Build(), new PruneParameters { Multiplications = 0.5 }));
    }

    [Theory]
    [InlineData(100, "100 (0.00006613 of the at most 1,512,192 that the pruning before it leaves) cannot be reached: even with the narrowest allowed layers more remain; expected between 24,559 (0.0163) and 1,512,192 (1)")]
    [InlineData(0.00001, "15.12 (0.00001 of the at most 1,512,192 that the pruning before it leaves) cannot be reached: even with the narrowest allowed layers more remain; ")]
    [InlineData(2e6, "2,000,000 (1.3226 of the at most 1,512,192 that the pruning before it leaves) cannot be reached: the network has fewer to begin with; ")]
    public void A_target_that_no_pruned_network_can_have_is_refused_behind_a_pruning_too(double target, string message) =>
        Assert.StartsWith(
            "prune.multiplications: " + message,
            Fault(LeNet, new PruneParameters { Multiplications = 0.5 }, new PruneParameters { Multiplications = target }));

    [Fact]
    public void Of_several_prunings_each_bounds_those_behind_it()
    {
        PruneParameters half = new() { Multiplications = 0.5 };
        Run(LeNet, half, half, half, half);
        Assert.Contains("the at most 378,048 that", Fault(LeNet, half, half, half, half with { Multiplications = 378_049 }));
        Run(LeNet, half, half, half, half with { Multiplications = 378_048 });
        // The second one's multiple says nothing of layers that the first made narrower.
        Run(LeNet, half, half with { Multiplications = 30_000, ChannelMultiple = 16 });
        Run(LeNet, half with { ChannelMultiple = 4 }, half with { Multiplications = 30_000 });
    }

    [Fact]
    public void What_a_pruned_network_can_have_is_never_refused_beforehand() =>
        Gen.Select(
            from graph in RandomNetworks.Wide
            from magnitudes in RandomNetworks.Magnitudes(ChannelGroups.Of(graph))
            select (graph, magnitudes),
            Gen.Double[0, 1], Gen.Int[1, 4], Gen.Int[1, 4]).Sample((network, share, before, after) =>
        {
            var (graph, magnitudes) = network;
            var reach = Reach(graph, before);
            PruneParameters first = new()
            {
                Multiplications = Math.Max(1.5, reach.LeastMultiplications + (share * (reach.DenseMultiplications - reach.LeastMultiplications))),
                ChannelMultiple = before,
            };
            var small = Pruned(graph, first, magnitudes);
            var left = Reach(small, after);
            foreach (var (parameters, multiplications) in ((double, double)[])[(left.LeastParameters, left.LeastMultiplications), (left.DenseParameters, left.DenseMultiplications)])
            {
                PruneParameters second = new() { TargetParameters = parameters, Multiplications = multiplications, ChannelMultiple = after };
                Run(small, second);
                Run(graph, first, second);
                Run(graph, first, second with { TargetParameters = ShareOf(parameters, left.DenseParameters), Multiplications = ShareOf(multiplications, left.DenseMultiplications) });
            }
        }, iter: 300, print: drawn => GraphJson.Write(drawn.Item1.graph));

    [Fact]
    public void A_grouped_convolution_pruned_to_a_depthwise_one_can_go_below_what_it_could_at_first()
    {
        var net = new GraphBuilder("grouped", new TensorShape(1, 8, 8));
        net.Conv("first", 4, 3);
        net.Conv("grouped", 8, 3, groups: 2);
        net.GlobalAvgPool("pool");
        net.Flatten("flatten");
        net.Linear("logits", 10);
        var graph = net.Build();
        var least = Reach(graph).LeastMultiplications;
        PruneParameters first = new() { Multiplications = least };
        var less = Reach(Pruned(graph, first, RandomNetworks.Magnitudes(ChannelGroups.Of(graph)).Example(1))).LeastMultiplications;
        Assert.InRange(less, 1, least - 1);
        Run(graph, first, new PruneParameters { Multiplications = less });
        Assert.EndsWith("expected at most 956 (1)", Fault(graph, first, new PruneParameters { Multiplications = least + 1 }));
    }

    [Fact]
    public void What_a_pruning_leaves_lies_in_the_range_that_is_predicted_of_it() =>
        Gen.Select(
            from graph in RandomNetworks.Wide
            from magnitudes in RandomNetworks.Magnitudes(ChannelGroups.Of(graph))
            select (graph, magnitudes),
            Gen.Double[0, 1], Gen.Double[0, 1], Gen.Int[0, 2], Gen.Int[1, 4], Gen.Double[0.3, 1]).Sample((network, p, m, targets, multiple, again) =>
        {
            var (graph, magnitudes) = network;
            var reach = Reach(graph, multiple);
            PruneParameters first = new()
            {
                TargetParameters = targets == 0 ? null : Math.Max(1.5, reach.LeastParameters + (p * (reach.DenseParameters - reach.LeastParameters))),
                Multiplications = targets == 1 ? null : Math.Max(1.5, reach.LeastMultiplications + (m * (reach.DenseMultiplications - reach.LeastMultiplications))),
                ChannelMultiple = multiple,
            };
            var form = TargetCheck.Of(NetworkForms.Of(graph)).Leaves(first);
            var small = Pruned(graph, first, magnitudes);
            AssertWithin(form, small);

            // The ranges are what the next pruning knows of the network.
            PruneParameters second = new() { Multiplications = again, TargetParameters = targets == 2 ? again : null };
            if (TargetCheck.Of(NetworkForms.Of(small)).Problems(second).Count > 0) return;
            var left = TargetCheck.Of(form).Leaves(second);
            if (left.Sizes.Count > 0) AssertWithin(left, Pruned(small, second, RandomNetworks.Magnitudes(ChannelGroups.Of(small)).Example(multiple)));
        }, iter: 150, print: drawn => GraphJson.Write(drawn.Item1.graph));

    [Theory]
    [InlineData("lenet5", 1, 28, 0.3, 0.06)]
    [InlineData("vgg7", 3, 32, 0.3, 0.02)]
    [InlineData("resnet20", 3, 32, 0.5, 0.04)]
    public void The_range_of_a_size_with_a_target_is_narrow(string model, int channels, int side, double target, double width)
    {
        var form = NetworkForms.Of(Zoo.Build(model, new TensorShape(channels, side, side), 10));
        foreach (var parameters in (PruneParameters[])[new() { Multiplications = target }, new() { TargetParameters = target }])
        {
            var name = parameters.Multiplications is null ? NetworkForms.Parameters : NetworkForms.Multiplications;
            var (dense, left) = (form.Sizes[name].Most, TargetCheck.Of(form).Leaves(parameters).Sizes[name]);
            Assert.InRange(left.Least / dense, target - width, left.Most / dense);
            Assert.InRange(left.Most / dense, left.Least / dense, target);
        }
    }

    private static void AssertWithin(NetworkForm form, NetworkGraph left)
    {
        foreach (var (name, size) in NetworkForms.Of(left).Sizes)
            Assert.True(size.Least >= form.Sizes[name].Least && size.Most <= form.Sizes[name].Most, $"{name}: {size.Least:N0} is not in {form.Sizes[name]}");
    }

    /// <summary>The network that a pruning to its targets leaves, whatever its channels are worth.</summary>
    private static NetworkGraph Pruned(NetworkGraph graph, PruneParameters parameters, double[][] magnitudes)
    {
        var groups = ChannelGroups.Of(graph);
        var widths = GroupWidths.Of(graph, groups, parameters.ChannelMultiple);
        var (size, reach) = (SizeModel.Of(graph, groups), Reach(graph, parameters.ChannelMultiple));
        var finished = ExactFinish.Choose(
            size, SizeBudget.From(parameters, new NetworkCosts(graph, groups), reach), widths, magnitudes, [.. widths.Select(w => (double)w.Full)]);
        var live = new bool[groups.Gates.Count];
        foreach (var group in groups.Groups)
        {
            for (var i = 0; i < group.Gates.Count; i++) live[group.Gates[i]] = finished.Live[group.Index][i];
        }

        return Surgery.Shrink(graph, groups, live);
    }

    private static ReachableSizes Reach(NetworkGraph graph, int multiple = 1)
    {
        var groups = ChannelGroups.Of(graph);
        return ReachableSizes.Of(SizeModel.Of(graph, groups), GroupWidths.Of(graph, groups, multiple));
    }

    /// <summary>Not so small that rounding takes it under the size itself.</summary>
    private static double ShareOf(double size, double whole) => Math.Min(1, size / whole * (1 + 1e-12));

    private static string Fault(NetworkGraph graph, params PruneParameters[] prunings) =>
        Assert.Throws<LatheException>(() => Run(graph, prunings)).Message;

    /// <summary>Asks as a sweep does: what leaves one pruning enters the next.</summary>
    internal static void Run(NetworkGraph graph, params PruneParameters[] prunings)
    {
        var form = NetworkForms.Of(graph);
        foreach (var pruning in prunings)
        {
            if (SizeBudget.Missing(pruning) is { } missing) throw missing.Fault("prune");
            if (TargetCheck.Of(form).Problems(pruning) is [var problem, ..]) throw problem.Fault("prune");
            form = TargetCheck.Of(form).Leaves(pruning);
        }
    }
}
