using CsCheck;
using Lathe.Graph.Models;
using Lathe.Testing;

namespace Lathe.Graph.Tests;

public class ChannelGroupsTests
{
    private static GraphBuilder Net(int channels = 2) => new("test", new TensorShape(channels, 6, 6));

    private static GraphBuilder SqueezeAndExcitation()
    {
        var net = Net();
        net.Conv("conv", 4, 3);
        var channels = net.BatchNorm("bn");
        net.GlobalAvgPool("squeeze");
        net.Conv("reduce", 2, 1, bias: true);
        net.Relu("relu");
        net.Conv("expand", 4, 1, bias: true);
        net.Mul("mul", channels, net.Activation("scale", ActivationKind.Sigmoid));
        return net;
    }

    [Fact]
    public void Each_channel_before_a_flatten_stands_for_all_its_positions()
    {
        var net = Net();
        net.Conv("conv", 3, 3);
        net.BatchNorm("bn");
        net.MaxPool("pool", 2);
        net.Flatten("flatten");
        net.Linear("fc", 5);
        var groups = ChannelGroups.Of(net.Build());
        Assert.Equal([-1, -1], groups.GatesOf["input"]);
        Assert.Equal([0, 1, 2], groups.GatesOf["pool"]);
        Assert.Equal([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2], groups.GatesOf["flatten"]);
        Assert.Equal([3, 4, 5, 6, 7], groups.GatesOf["fc"]);
        Assert.Equal([true, false], groups.Groups.Select(g => g.Prunable));
        Assert.Equal([new NodeChannel("bn", 1)], groups.Gates[1].BatchNorms);
        Assert.Equal([new NodeChannel("conv", 1)], groups.Gates[1].Producers);
    }

    [Fact]
    public void A_residual_addition_ties_its_branches()
    {
        var groups = ChannelGroups.Of(Zoo.Build("resnet18", new(3, 64, 64), 10));
        Assert.Equal(groups.GatesOf["bn1"], groups.GatesOf["layer1.1.add"]);
        Assert.Equal(groups.GatesOf["layer2.0.downsample.1"], groups.GatesOf["layer2.1.conv2"]);
        // Four stages, eight blocks with an inner width of their own, and the logits.
        Assert.Equal(13, groups.Groups.Count);
        Assert.Equal(["bn1", "layer1.0.bn2", "layer1.1.bn2"], groups.Groups[0].BatchNorms);
    }

    [Fact]
    public void A_zero_padded_shortcut_ties_the_narrow_stage_to_the_middle_of_the_wide_one()
    {
        var groups = ChannelGroups.Of(Zoo.Build("resnet20", new(3, 32, 32), 10));
        var (first, second, third) = (groups.GatesOf["bn1"], groups.GatesOf["layer2.2.conv2"], groups.GatesOf["layer3.2.conv2"]);
        Assert.Equal(first, second[8..24]);
        Assert.Equal(second, third[16..48]);
        Assert.Equal([16, 32, 64], new[] { first, second, third }.Select(gates => gates.Distinct().Count()));
        // The first stage's channels, the second's own, the third's own, nine blocks with an inner width, and the logits.
        Assert.Equal(13, groups.Groups.Count);
        Assert.Equal([16, 16, 32], groups.Groups.Where(g => g.BatchNorms.Contains("layer3.2.bn2")).Select(g => g.Gates.Count));
        Assert.All(groups.Groups.Where(g => g.Prunable), g => Assert.True(g.ClosesByBatchNorm));
    }

    [Fact]
    public void Zero_channels_stay_with_what_they_are_added_to()
    {
        var net = Net();
        net.Conv("narrow", 2, 1);
        net.Pad("pad", 1, 2);
        net.Conv("wide", 5, 1, from: "narrow");
        net.Add("add", "wide", "pad");
        net.BatchNorm("bn");
        net.Flatten("flatten");
        net.Linear("fc", 3);
        var graph = net.Build();
        var groups = ChannelGroups.Of(graph);
        Assert.Equal([2, 0, 1, 3, 4], groups.GatesOf["wide"]);
        var live = Enumerable.Repeat(true, groups.Gates.Count).ToArray();
        (live[0], live[3]) = (false, false);
        var small = Surgery.Shrink(graph, groups, live);
        Assert.Equal((1, 1), small.Nodes.OfType<Pad>().Select(p => (p.Before, p.After)).Single());
        Assert.Equal(3, small.Nodes.OfType<Conv2d>().Last().OutChannels);
    }

    [Fact]
    public void Squeeze_and_excitation_ties_a_channel_to_its_factor()
    {
        var net = SqueezeAndExcitation();
        net.Flatten("flatten");
        net.Linear("fc", 3);
        var groups = ChannelGroups.Of(net.Build());
        Assert.Equal(groups.GatesOf["conv"], groups.GatesOf["expand"]);
        var group = groups.Groups[0];
        Assert.Equal(["conv", "expand"], group.Producers);
        // The factor of a closed channel is sigmoid(0) = 1/2, and nothing reads it but the product with zero.
        Assert.True(group.Prunable);
        Assert.True(group.ClosesByBatchNorm);
    }

    [Fact]
    public void A_sigmoid_that_something_else_reads_too_makes_its_channels_unprunable()
    {
        var net = SqueezeAndExcitation();
        net.Flatten("flatten");
        net.Linear("fc", 3);
        net.Append(new Flatten("factors", ["scale"]));
        net.Linear("side", 3);
        net.Add("logits", "fc", "side");
        Assert.False(ChannelGroups.Of(net.Build()).Groups[0].Prunable);
    }

    [Fact]
    public void A_batch_norm_behind_a_sigmoid_makes_its_channels_prunable_again()
    {
        var net = Net();
        net.Conv("conv", 4, 1);
        net.Activation("sigmoid", ActivationKind.Sigmoid);
        net.BatchNorm("bn");
        net.Flatten("flatten");
        net.Linear("fc", 3);
        var group = ChannelGroups.Of(net.Build()).Groups[0];
        Assert.True(group.Prunable);
        Assert.True(group.ClosesByBatchNorm);
    }

    [Fact]
    public void Dense_connections_close_by_the_batch_norms_of_their_readers()
    {
        var groups = ChannelGroups.Of(Zoo.Build("densenet76-12", new(3, 32, 32), 10));
        // What the last layer of the first block makes is read by the transition alone.
        var last = groups.Groups.Single(g => g.Producers.Contains("features.denseblock1.denselayer12.conv2"));
        Assert.Equal(["features.transition1.norm"], last.BatchNorms);
        Assert.All(groups.Groups.Where(g => g.Prunable), g => Assert.True(g.ClosesByBatchNorm));
    }

    [Fact]
    public void What_is_added_to_the_image_cannot_be_removed()
    {
        var net = Net();
        net.Conv("conv", 2, 3, padding: 1);
        net.Add("add", "conv", "input");
        net.Flatten("flatten");
        net.Linear("fc", 3);
        var groups = ChannelGroups.Of(net.Build());
        Assert.Equal([-1, -1], groups.GatesOf["conv"]);
    }

    [Fact]
    public void A_depthwise_convolution_passes_gates_on_and_a_single_channel_is_not_depthwise()
    {
        var net = Net();
        net.Conv("conv", 3, 3);
        net.Conv("depthwise", 3, 3, groups: 3);
        net.Conv("one", 1, 1);
        net.Conv("other", 1, 1);
        net.Flatten("flatten");
        net.Linear("fc", 3);
        var groups = ChannelGroups.Of(net.Build());
        Assert.Equal(groups.GatesOf["conv"], groups.GatesOf["depthwise"]);
        Assert.Equal(["conv", "depthwise"], groups.Groups[0].Producers);
        Assert.NotEqual(groups.GatesOf["one"], groups.GatesOf["other"]);
    }

    [Fact]
    public void A_grouped_convolution_ties_positions_across_its_groups()
    {
        var net = Net();
        net.Conv("conv", 6, 3);
        net.Conv("grouped", 4, 3, groups: 2);
        net.Flatten("flatten");
        net.Linear("fc", 3);
        var groups = ChannelGroups.Of(net.Build());
        Assert.Equal([0, 1, 2, 0, 1, 2], groups.GatesOf["conv"]);
        Assert.Equal([3, 4, 3, 4], groups.GatesOf["grouped"]);
    }

    [Fact]
    public void A_concatenation_appends_and_splits_groups_by_use()
    {
        var net = Net();
        net.Conv("a", 2, 1);
        net.Conv("b", 2, 1, from: "input");
        net.Concat("cat", "b", "a", "b");
        net.Flatten("flatten");
        net.Linear("fc", 3);
        var groups = ChannelGroups.Of(net.Build());
        Assert.Equal([2, 3, 0, 1, 2, 3], groups.GatesOf["cat"]);
        Assert.Equal([[0, 1], [2, 3], [4, 5, 6]], groups.Groups.Select(g => g.Gates));
    }

    [Fact]
    public void A_sigmoid_makes_its_channels_unprunable()
    {
        var net = Net();
        net.Conv("conv", 4, 1);
        net.BatchNorm("bn");
        net.Append(new Activation("sigmoid", ["bn"], ActivationKind.Sigmoid));
        net.Flatten("flatten");
        net.Linear("fc", 3);
        Assert.False(ChannelGroups.Of(net.Build()).Groups[0].Prunable);
    }

    [Fact]
    public void A_hidden_layer_without_batch_norm_does_not_close_by_batch_norm()
    {
        var graph = Zoo.Build("vgg11", new(3, 224, 224), 10);
        var groups = ChannelGroups.Of(graph);
        var hidden = groups.Groups[groups.Gates[groups.GatesOf["classifier.0"][0]].Group];
        Assert.True(hidden.Prunable);
        Assert.False(hidden.ClosesByBatchNorm);
        Assert.True(groups.Groups[0].ClosesByBatchNorm);
    }

    [Theory]
    [InlineData(false, false, true)]
    [InlineData(true, false, false)] // the bias comes after the batch norm
    [InlineData(true, true, true)] // another batch norm takes it away again
    public void A_bias_behind_the_batch_norm_keeps_a_gate_from_closing_by_it(bool bias, bool second, bool closes)
    {
        var net = Net();
        net.Conv("conv", 3, 3);
        net.BatchNorm("bn");
        net.Conv("depthwise", 3, 3, groups: 3, bias: bias);
        if (second) net.BatchNorm("bn2");
        net.Flatten("flatten");
        net.Linear("fc", 3);
        Assert.Equal(closes, ChannelGroups.Of(net.Build()).Groups[0].ClosesByBatchNorm);
    }

    [Fact]
    public void A_path_around_the_batch_norm_keeps_a_gate_from_closing_by_it()
    {
        var net = Net();
        net.Conv("conv", 3, 3);
        net.BatchNorm("bn");
        net.Add("add", "conv", "bn");
        net.Flatten("flatten");
        net.Linear("fc", 3);
        Assert.False(ChannelGroups.Of(net.Build()).Groups[0].ClosesByBatchNorm);
    }

    [Fact]
    public void Every_tensor_holds_the_gates_of_a_group_equally_often() =>
        RandomNetworks.Small.Sample(
            graph =>
            {
                var groups = ChannelGroups.Of(graph);
                Assert.Equal(Enumerable.Range(0, groups.Gates.Count), groups.Groups.SelectMany(g => g.Gates).Order());
                foreach (var gates in groups.GatesOf.Values)
                {
                    foreach (var group in groups.Groups)
                        Assert.Single(group.Gates.Select(gate => gates.Count(g => g == gate)).Distinct());
                }
            },
            iter: 500,
            threads: 1,
            print: GraphJson.Write);
}
