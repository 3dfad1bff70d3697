using Lathe.Graph;
using Lathe.Graph.Models;
using Lathe.NN.Execution;
using Lathe.Pruner.Budget;
using Lathe.Pruner.Gates;
using Lathe.Pruner.Methods;
using TorchSharp;
using static TorchSharp.torch;

namespace Lathe.Pruner.Tests;

public sealed class Closing_gates
{
    private static readonly TensorShape Image = new(1, 28, 28);

    public static TheoryData<string> Networks => ["lenet5", "without batch norm"];

    [Theory]
    [MemberData(nameof(Networks))]
    public void Cutting_closed_channels_leaves_logits_unchanged(string name)
    {
        var graph = Graph(name);
        using var scope = NewDisposeScope();
        using var module = GraphModule.Create(graph, seed: 5);
        var groups = ChannelGroups.Of(graph);
        using var gates = new ChannelGates(graph, groups, threshold: 0.01);
        bool[][] open = [.. groups.Groups.Select(g => g.Gates.Select((_, i) => !g.Prunable || i % 3 != 0).ToArray())];
        gates.Freeze(open);

        var folded = gates.Fold(module.Snapshot());
        var live = new bool[groups.Gates.Count];
        foreach (var group in groups.Groups)
        {
            for (var i = 0; i < group.Gates.Count; i++) live[group.Gates[i]] = open[group.Index][i];
        }

        var (small, tensors) = TensorSurgery.Cut(graph, folded, groups, live);
        using var gated = GraphModule.FromTensors(graph, folded);
        using var cut = GraphModule.FromTensors(small, tensors);
        var images = randn(32, 1, 28, 28, generator: new Generator(1));
        var proof = SurgeryProof.Compare(gated, cut, images);
        Assert.Equal(1, proof.Agreement);
        Assert.InRange(proof.LogitDifference, 0, 1e-5);

        // The forward pass through the gates is that of the folded network.
        using var viewed = module.Forward(images, training: false, gates.View);
        Assert.True(viewed.allclose(gated.Forward(images, training: false), rtol: 1e-5, atol: 1e-5));
    }

    /// <summary>libtorch's "meta" device refuses a tensor of another device as a GPU would.</summary>
    [Fact]
    public void Gates_lie_where_the_network_computes()
    {
        var graph = Graph("lenet5");
        using var scope = NewDisposeScope();
        var meta = new Device(DeviceType.META);
        using var module = GraphModule.Create(graph, seed: 5, meta);
        var groups = ChannelGroups.Of(graph);
        using var gates = new ChannelGates(graph, groups, threshold: 0.01, meta);
        gates.Freeze([.. groups.Groups.Select(g => g.Gates.Select((_, i) => !g.Prunable || i != 0).ToArray())]);
        Assert.All(module.Parameters, p => Assert.Equal(p.Value.shape, gates.View(p.Key, p.Value).shape));
    }

    [Fact]
    public void A_surgery_that_changes_the_network_fails_loudly()
    {
        var graph = Graph("lenet5");
        using var scope = NewDisposeScope();
        using var one = GraphModule.Create(graph, seed: 1);
        using var other = GraphModule.Create(graph, seed: 2);
        var failure = Assert.Throws<Contracts.LatheException>(
            () => SurgeryProof.Compare(one, other, randn(8, 1, 28, 28, generator: new Generator(1))));
        Assert.Contains("no checkpoint was written", failure.Message);
    }

    [Fact]
    public void A_scale_at_or_under_the_threshold_closes_its_channel()
    {
        var graph = Graph("lenet5");
        using var scope = NewDisposeScope();
        using var module = GraphModule.Create(graph, seed: 1);
        var groups = ChannelGroups.Of(graph);
        using var gates = new ChannelGates(graph, groups, threshold: 0.01);
        using (no_grad())
        {
            module.Parameters["features.1.weight"][3] = tensor(-0.009f);
            module.Parameters["features.1.weight"][4] = tensor(-0.5f);
        }

        gates.Update(module.Parameters);
        var first = groups.Groups.Single(g => g.BatchNorms.Contains("features.1")).Index;
        Assert.Equal([3], gates.Live[first].Select((open, c) => open ? -1 : c).Where(c => c >= 0));
        Assert.Equal(0.5, gates.Magnitudes[first][4], 1e-6);
    }

    [Fact]
    public void The_size_gradient_is_the_sign_of_the_scale()
    {
        var graph = Graph("lenet5");
        using var scope = NewDisposeScope();
        using var module = GraphModule.Create(graph, seed: 1);
        var groups = ChannelGroups.Of(graph);
        using var gates = new ChannelGates(graph, groups, threshold: 0.01);
        var scale = module.Parameters["features.1.weight"];
        using (no_grad()) scale[2] = tensor(-0.7f);
        foreach (var parameter in module.Parameters.Values) parameter.grad = zeros_like(parameter);

        gates.Update(module.Parameters);
        var perChannel = new double[groups.Groups.Count];
        var first = groups.Groups.Single(g => g.BatchNorms.Contains("features.1")).Index;
        perChannel[first] = 0.25;
        gates.AddGradient(module.Parameters, perChannel);

        var gradient = scale.grad!.data<float>().ToArray();
        Assert.Equal(-0.25f, gradient[2], 1e-6f);
        Assert.Equal(0.25f, gradient[5], 1e-6f);
        Assert.All(module.Parameters["features.5.weight"].grad!.data<float>().ToArray(), g => Assert.Equal(0, g));
    }

    [Fact]
    public void Magnitudes_are_measured_by_what_is_beside_them_in_their_layer()
    {
        var graph = Zoo.Build("resnet20", new TensorShape(3, 32, 32), 10);
        using var scope = NewDisposeScope();
        using var module = GraphModule.Create(graph, seed: 1);
        var groups = ChannelGroups.Of(graph);
        using var gates = new ChannelGates(graph, groups, threshold: 0.01);
        var before = Measured();

        // Neither the scale of a layer's γ nor that of its weights says anything of its channels.
        using (no_grad())
        {
            module.Parameters["layer3.2.bn2.weight"].mul_(tensor(10f));
            module.Parameters["layer1.0.bn1.weight"].mul_(tensor(0.2f));
            module.Parameters["layer1.1.conv2.weight"].mul_(tensor(7f));
        }

        var after = Measured();
        for (var g = 0; g < before.Length; g++) Assert.All(before[g].Zip(after[g]), m => Assert.Equal(m.First, m.Second, 1e-5));

        // A filter of half the norm, or a scale of half the others', makes half the magnitude.
        var inner = groups.Groups.Single(g => g.BatchNorms.Contains("layer2.1.bn1")).Index;
        using (no_grad())
        {
            module.Parameters["layer2.1.conv1.weight"][5].mul_(tensor(0.5f));
            module.Parameters["layer2.1.bn1.weight"][7] = tensor(0.5f);
        }

        var halved = Measured();
        Assert.Equal(0.5, halved[inner][5] / before[inner][5], 0.05);
        Assert.Equal(0.5, halved[inner][7] / before[inner][7], 0.05);

        double[][] Measured()
        {
            gates.MeasureByLayer(module.Parameters);
            gates.Update(module.Parameters);
            return [.. gates.Magnitudes.Select(m => m.ToArray())];
        }
    }

    private static NetworkGraph Graph(string name)
    {
        var graph = Zoo.Build("lenet5", Image, 10);
        if (name == "lenet5") return graph;
        // The same network with its batch norms taken out: every reader of one reads what it read.
        var around = graph.Nodes.OfType<BatchNorm>().ToDictionary(norm => norm.Name, norm => norm.Inputs[0]);
        return graph with
        {
            Nodes = [.. graph.Nodes.Where(node => node is not BatchNorm)
                .Select(node => node with { Inputs = [.. node.Inputs.Select(input => around.GetValueOrDefault(input, input))] })],
        };
    }
}
