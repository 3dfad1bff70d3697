using CsCheck;
using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Models;
using Lathe.NN.Execution;
using Lathe.NN.FixedPoint;
using Lathe.NN.FixedPoint.Engine;
using Lathe.Testing;
using static TorchSharp.torch;

namespace Lathe.NN.Tests.FixedPoint;

[Trait("oneDNN", "on and off")]
public sealed class FixedPointEngineTests
{
    /// <summary>Every operation, every number of bits, every instruction set, one thread and three.</summary>
    [Fact]
    public void Gives_the_bits_of_the_reference() => Gen.Select(RandomNetworks.Small, Gen.Int[2, 8], Gen.Int[0, 1_000_000]).Sample(
        (graph, bits, seed) =>
        {
            using var quantized = QuantizedNetwork.Of(graph, seed, bits);
            var network = quantized.Compile();
            var images = quantized.Bytes(network, seed);
            var expected = Reference(network, images);
            foreach (var set in FixedPointEngine.Sets)
            {
                foreach (var threads in (int[])[1, 3])
                {
                    using var engine = new FixedPointEngine(network, threads, set);
                    var logits = new int[expected.Length];
                    engine.Run(images, logits);
                    Assert.True(expected.SequenceEqual(logits), $"{set}, {threads} threads: {string.Join(' ', expected)} and {string.Join(' ', logits)}");
                    engine.Run(images, logits);
                    Assert.Equal(expected, logits);
                }
            }
        },
        iter: 70,
        threads: 1,
        print: drawn => GraphJson.Write(drawn.Item1));

    [Theory]
    [InlineData("lenet5", 1, 28, 2)]
    [InlineData("vgg7@0.25", 3, 32, 2)]
    [InlineData("resnet20", 3, 32, 4)]
    [InlineData("mobilenetv2@0.25", 3, 32, 8)]
    [InlineData("resnet18@0.25", 3, 64, 3)]
    public void Gives_the_bits_of_the_reference_for_models_of_the_zoo(string model, int channels, int size, int bits)
    {
        using var quantized = QuantizedNetwork.Of(Zoo.Build(model, new TensorShape(channels, size, size), 10), 1, bits);
        var network = quantized.Compile();
        var image = quantized.Bytes(network, 1).AsSpan(0, network.Tensors[network.Input].Length);
        using var engine = new FixedPointEngine(network, 2);
        var logits = new int[network.Classes];
        engine.Run(image, logits);
        Assert.Equal(Reference(network, image), logits);
    }

    /// <summary>Float sums round where whole numbers do not, so now and then a value that lies between two steps goes the other way.</summary>
    [Fact]
    public void Computes_what_the_quantized_network_computes()
    {
        var (same, all) = (0, 0);
        for (var seed = 0; seed < 60; seed++)
        {
            using var scope = NewDisposeScope();
            using var noGradient = no_grad();
            using var quantized = QuantizedNetwork.Of(RandomNetworks.Small.Example(seed), seed, bits: 2 + (seed % 7));
            var network = quantized.Compile();
            using var module = GraphModule.FromTensors(quantized.Graph, quantized.Tensors);
            var simulated = module.Forward(QuantizedNetwork.Inputs(quantized.Graph, seed), training: false).data<float>().ToArray();
            var logits = Reference(network, quantized.Bytes(network, seed));
            for (var i = 0; i < logits.Length; i++)
            {
                all++;
                // Biases of the last layer are rounded to steps of the sums.
                if (Math.Abs(Math.ScaleB(logits[i], -network.LogitFraction) - simulated[i]) <= Math.ScaleB(1, -network.LogitFraction) + (1e-4 * Math.Abs(simulated[i]))) same++;
            }
        }

        Assert.True(same >= 0.98 * all, $"{same} of {all} logits are the simulated ones");
    }

    [Fact]
    public void Allocates_nothing()
    {
        using var quantized = QuantizedNetwork.Of(Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10), 1, 2);
        var network = quantized.Compile();
        var image = quantized.Bytes(network, 1).AsSpan(0, network.Tensors[network.Input].Length).ToArray();
        using var engine = new FixedPointEngine(network);
        var logits = new int[10];
        engine.Run(image, logits);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 20; i++) engine.Run(image, logits);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void Packed_weights_take_their_bits()
    {
        using var quantized = QuantizedNetwork.Of(Zoo.Build("vgg7@0.5", new TensorShape(3, 32, 32), 10), 1, 2);
        using var engine = new FixedPointEngine(quantized.Compile());
        var floats = ParameterShapes.Of(quantized.Graph).Sum(parameter => parameter.Values * sizeof(float));
        Assert.InRange(engine.ModelBytes, floats / 16, floats / 14);
    }

    [Fact]
    public void What_is_not_quantized_is_named()
    {
        var graph = Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10);
        using var quantized = QuantizedNetwork.Of(graph, 1, 2);
        var weights = Assert.Throws<LatheException>(() => FixedPointCompiler.Compile(
            quantized.Graph, quantized.Tensors, quantized.Formats.Where(f => f.Key != "features.4.weight").ToDictionary()));
        Assert.Equal("network 'lenet5' has float weights in features.4; fixed-point inference needs a checkpoint of the stage quantize with activations: 8, and no layer excluded", weights.Message);
        var activations = Assert.Throws<LatheException>(() => FixedPointCompiler.Compile(graph, quantized.Tensors, quantized.Formats));
        Assert.Contains("needs a checkpoint of quantize: { activations: 8 }", activations.Message, StringComparison.Ordinal);
    }

    private static int[] Reference(FixedPointNetwork network, ReadOnlySpan<byte> images)
    {
        var logits = new List<int>();
        var length = network.Tensors[network.Input].Length;
        for (var i = 0; i < images.Length; i += length) logits.AddRange(FixedPointReference.Run(network, images.Slice(i, length)));
        return [.. logits];
    }
}
