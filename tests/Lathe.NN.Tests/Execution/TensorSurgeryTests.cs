using Lathe.Graph;
using Lathe.Graph.Models;
using Lathe.NN.Execution;
using Lathe.NN.Runtime;
using Lathe.Testing;
using TorchSharp;
using static TorchSharp.torch;

namespace Lathe.NN.Tests.Execution;

[Trait("oneDNN", "on and off")]
public class TensorSurgeryTests
{
    public TensorSurgeryTests() => TorchRuntime.Configure();

    // Seeds are fixed here, because a bound on rounding errors holds for almost every network, not for all.
    [Fact]
    public void Cutting_closed_channels_leaves_logits_unchanged()
    {
        for (var seed = 0; seed < 100; seed++)
        {
            using var scope = NewDisposeScope();
            Compare(RandomNetworks.Small.Example(seed), seed, zeroProducers: true);
        }
    }

    [Fact]
    public void Closing_batch_norms_is_enough_where_the_group_says_so()
    {
        for (var seed = 150; seed < 250; seed++)
        {
            using var scope = NewDisposeScope();
            Compare(RandomNetworks.Small.Example(seed), seed, zeroProducers: false);
        }
    }

    [Theory]
    [InlineData("lenet5")]
    [InlineData("resnet20")]
    [InlineData("resnet18@0.25")]
    [InlineData("resnet50@0.25")]
    [InlineData("mobilenetv2@0.5")]
    [InlineData("densenet76-12@0.5")]
    public void Models_of_the_zoo_are_cut_by_their_batch_norms_alone(string name)
    {
        using var scope = NewDisposeScope();
        var entry = Zoo.Entry(name);
        var side = Math.Min(entry.Input.Height, 32);
        var graph = Zoo.Build(name, entry.Input with { Height = side, Width = side }, 10);
        Assert.All(ChannelGroups.Of(graph).Groups.Where(g => g.Prunable), g => Assert.True(g.ClosesByBatchNorm));
        Compare(graph, 7, zeroProducers: false);
    }

    private static void Compare(NetworkGraph graph, int seed, bool zeroProducers)
    {
        var groups = ChannelGroups.Of(graph);
        var live = RandomNetworks.Live(groups).Example(seed);
        if (!zeroProducers)
        {
            foreach (var group in groups.Groups.Where(g => !g.ClosesByBatchNorm))
            {
                foreach (var gate in group.Gates) live[gate] = true;
            }
        }

        var tensors = ReferenceRun.RandomTensors(graph, seed);
        foreach (var gate in groups.Gates.Where(g => !live[g.Index]))
        {
            foreach (var channel in gate.BatchNorms) Zero(tensors, channel);
            if (!zeroProducers) continue;
            foreach (var channel in gate.Producers) Zero(tensors, channel);
        }

        var before = tensors.ToDictionary(t => t.Key, t => t.Value.clone());
        var (small, cut) = TensorSurgery.Cut(graph, tensors, groups, live);
        Assert.All(tensors, t => Assert.True(t.Value.equal(before[t.Key]).all().item<bool>()));
        Assert.Equal(
            ParameterShapes.Of(small).Select(p => (p.Name, string.Join(',', p.Shape))),
            cut.Select(t => (t.Key, string.Join(',', t.Value.shape))));

        var images = randn([2, graph.Input.Channels, graph.Input.Height, graph.Input.Width], generator: new Generator((ulong)seed));
        var expected = ReferenceRun.Logits(graph, tensors, images);
        var actual = ReferenceRun.Logits(small, cut, images);
        var difference = (expected - actual).abs().max().item<float>();
        Assert.True(difference <= 1e-4f * expected.abs().max().item<float>() + 1e-12f, $"difference {difference} in {GraphJson.Write(graph)}");
    }

    private static void Zero(Dictionary<string, Tensor> tensors, NodeChannel channel)
    {
        tensors[channel.Node + ".weight"][channel.Channel].zero_();
        if (tensors.TryGetValue(channel.Node + ".bias", out var bias)) bias[channel.Channel].zero_();
    }
}
