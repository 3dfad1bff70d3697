using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.Graph.Models;
using Lathe.NN.Execution;
using Lathe.NN.FixedPoint;
using Lathe.NN.Runtime;
using Lathe.Testing;
using static TorchSharp.torch;

namespace Lathe.NN.Tests.FixedPoint;

/// <summary>What is rounded never lies beside the middle between two steps, so that floats and whole numbers round alike.</summary>
[Trait("oneDNN", "on and off")]
public sealed class Rounding_ties
{
    public Rounding_ties() => TorchRuntime.Configure(1);

    [Fact]
    public void A_channel_stays_away_from_every_tie_and_near_to_what_it_was()
    {
        const double Nearest = 0.5 / RoundingTies.GreatestDenominator;
        var random = new Random(1);
        for (var trial = 0; trial < 300; trial++)
        {
            var finest = new[] { 64, 21, 9, 1 }[trial % 4];
            var gain = Math.Pow(10, (random.NextDouble() * 3) - 2.5) * (random.Next(2) == 0 ? -1 : 1);
            var (mean, at, deviation) = (random.Next(-2000, 2000) + random.NextDouble(), (random.NextDouble() * 300) - 150, random.NextDouble() * 50);
            var channel = RoundingTies.Channel.Of(gain, mean, at, deviation, finest);
            for (var sum = -3000; sum <= 3000; sum++)
            {
                var y = (channel.Gain * sum) + channel.Bias;
                var away = Math.Abs(y - Math.Floor(y) - 0.5);
                Assert.True(away > Nearest - 1e-9, $"trial {trial}: {channel.Gain}·{sum} + {channel.Bias} = {y}");
            }

            // A bias is a whole number of the finest sums, half of which it may be moved by.
            Assert.InRange(channel.Moved, 0, Math.Min(2, (Math.Abs(gain) / 2) + 0.15));
            Assert.InRange(Math.Abs((channel.Gain * mean) + channel.Bias - at), 0, channel.Moved + 1e-9);
        }
    }

    /// <summary>Of weights that are all zero, say, whose variance was next to nothing: a sum would be worth a thousand steps.</summary>
    [Fact]
    public void A_channel_of_huge_gain_is_moved_by_little_too()
    {
        foreach (var deviation in (double[])[0, 0.3, 40])
        {
            var channel = RoundingTies.Channel.Of(1234.5, 0.3, 77.7, deviation, 1);
            Assert.InRange(channel.Moved, 0, 2);
            Assert.Equal(77.7, (channel.Gain * 0.3) + channel.Bias, 2.0);
        }
    }

    /// <summary>Sums of weights of many bits are worth little each: whatever they are, values stay where they were.</summary>
    [Fact]
    public void Values_stay_where_they_were_whatever_a_sum_is_worth()
    {
        var random = new Random(2);
        for (var trial = 0; trial < 400; trial++)
        {
            var finest = new[] { 64, 21, 9, 1 }[trial % 4];
            var gain = Math.Pow(10, (random.NextDouble() * 7) - 6);
            var (mean, at, deviation) = ((random.NextDouble() - 0.5) * 100 / gain, (random.NextDouble() * 300) - 150, random.NextDouble() * 60);
            var channel = RoundingTies.Channel.Of(gain, mean, at, deviation, finest);
            Assert.InRange(channel.Moved, 0, 0.25);
            foreach (var away in (double[])[-3, 0, 3])
            {
                var sum = mean + (away * deviation / gain);
                Assert.Equal(at + (away * deviation), (channel.Gain * sum) + channel.Bias, 0.3);
            }
        }
    }

    [Fact]
    public void A_channel_without_a_gain_becomes_a_whole_number() =>
        Assert.Equal(new RoundingTies.Channel(0, 7, 0.25), RoundingTies.Channel.Of(0, 3, 7.25, 0, 64));

    /// <summary>Every operation and the zoo's ways of putting batch norm, biases, sums and concatenations together.</summary>
    [Fact]
    public void Floats_and_whole_numbers_compute_the_same_logits()
    {
        NetworkGraph[] networks =
        [
            .. Enumerable.Range(0, 300).Select(seed => RandomNetworks.Small.Example(seed)),
            Zoo.Build("resnet20@0.5", new TensorShape(3, 16, 16), 10),
            Zoo.Build("mobilenetv2@0.2", new TensorShape(3, 40, 40), 10),
            Zoo.Build("densenet76-12@0.5", new TensorShape(3, 12, 12), 10),
        ];
        for (var seed = 0; seed < networks.Length; seed++)
        {
            using var network = QuantizedNetwork.Of(networks[seed], seed, 2 + (seed % 3), evenly: true);
            Assert.InRange(RoundingTies.Avoid(network.Graph, network.Tensors, network.Formats), 0, 2);
            using var module = GraphModule.FromTensors(network.Graph, network.Tensors);
            using var images = QuantizedNetwork.Inputs(network.Graph, seed);
            using var noGradient = no_grad();
            using var floats = module.Forward(images, training: false);
            var compiled = network.Compile();
            var whole = new int[floats.numel()];
            using var engine = new FixedPointEngine(compiled);
            engine.Run(network.Bytes(compiled, seed), whole);
            var (expected, largest) = (floats.data<float>().ToArray(), floats.abs().max().item<float>());
            for (var i = 0; i < whole.Length; i++)
                Assert.True(Math.Abs(Math.ScaleB(whole[i], -compiled.LogitFraction) - expected[i]) <= 1e-4 * largest, $"network {seed}, logit {i}: {Math.ScaleB(whole[i], -compiled.LogitFraction)} and {expected[i]}");
        }
    }

    /// <summary>Weights of a coarse step and inputs of a coarse one: a unit of the sum is worth 16 of the next steps.</summary>
    [Fact]
    public void A_bias_moves_by_half_a_step_at_most_however_coarse_the_sums_are()
    {
        var net = new GraphBuilder("coarse", new TensorShape(1, 4, 4));
        net.Conv("conv", 2, 3, bias: true);
        net.Flatten("flatten");
        net.Linear("logits", 2);
        var graph = ActivationPoints.Insert(net.Build(), new Dictionary<string, (int, bool)> { ["input"] = (0, true), ["conv"] = (4, true) }, 8);
        using var scope = NewDisposeScope();
        using var module = GraphModule.Create(graph, seed: 1);
        var tensors = module.Snapshot();
        using (no_grad()) tensors["conv.bias"].copy_(tensor([0.47f, -3.3f]));
        var moved = RoundingTies.Avoid(graph, tensors, new Dictionary<string, WeightFormat> { ["conv.weight"] = new(2, 0), ["logits.weight"] = new(2, 0) });
        Assert.Equal([0.5f, -3.3125f], tensors["conv.bias"].data<float>().ToArray());
        Assert.Equal(0.48, moved, 1e-5);
    }

    [Fact]
    public void A_network_of_float_activations_is_left_alone()
    {
        using var network = QuantizedNetwork.Of(Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10), 1, 2, evenly: true);
        var before = network.Tensors.ToDictionary(t => t.Key, t => t.Value.clone());
        Assert.Equal(0, RoundingTies.Avoid(ActivationPoints.Remove(network.Graph), network.Tensors, network.Formats));
        foreach (var (name, tensor) in network.Tensors) Assert.True(tensor.equal(before[name]).all().item<bool>(), name);
    }
}
