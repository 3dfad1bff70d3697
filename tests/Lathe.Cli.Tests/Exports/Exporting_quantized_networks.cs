using Lathe.Contracts;
using Lathe.Exports;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.Graph.Models;
using Lathe.Graph.Onnx;
using Lathe.NN.Checkpoints;
using Lathe.NN.Execution;
using Lathe.NN.FixedPoint;
using Lathe.NN.Onnx;
using Lathe.NN.Runtime;
using Lathe.NN.Tests.FixedPoint;
using Lathe.Testing;
using static TorchSharp.torch;

namespace Lathe.Cli.Tests.Exports;

/// <summary>What ONNX Runtime computes from whole-number weights and activations is what the network computes.</summary>
[Trait("oneDNN", "on and off")]
public sealed class Exporting_quantized_networks
{
    private static readonly IReadOnlyDictionary<string, string> NoMetadata = new Dictionary<string, string>();

    public Exporting_quantized_networks() => TorchRuntime.Configure(1);

    [Theory]
    [InlineData("lenet5", 1, 28, 2, OnnxWeightType.Int8)]
    [InlineData("lenet5", 1, 28, 2, OnnxWeightType.Int4)]
    [InlineData("lenet5", 1, 28, 2, OnnxWeightType.Int2)]
    [InlineData("resnet20@0.5", 3, 16, 3, OnnxWeightType.Int4)]
    [InlineData("mobilenetv2@0.2", 3, 40, 4, OnnxWeightType.Int8)]
    [InlineData("densenet76-12@0.5", 3, 12, 7, OnnxWeightType.Int8)]
    public void Networks_of_the_zoo_agree(string model, int channels, int side, int bits, OnnxWeightType type)
    {
        var (agreement, _) = Measure(Zoo.Build(model, new TensorShape(channels, side, side), 10), 1, bits, type);
        AssertAgrees(agreement, model, 0.1);
    }

    [Fact]
    public void Networks_of_every_operation_agree()
    {
        for (var seed = 0; seed < 40; seed++)
        {
            var (agreement, _) = Measure(RandomNetworks.Small.Example(seed), seed, bits: 2 + (seed % 6), OnnxWeightType.Int8);
            AssertAgrees(agreement, $"seed {seed}", 0.1);
        }
    }

    /// <summary>As the stage quantize leaves networks: nothing lies beside a tie, and every form computes the same.</summary>
    [Fact]
    public void Without_ties_all_forms_agree_to_the_last_digits_of_a_float()
    {
        (NetworkGraph Graph, int Seed, int Bits)[] networks =
        [
            // In the last two, means over windows of several sizes lie in the middle between two steps.
            .. Enumerable.Range(0, 30).Append(209).Append(256).Select(seed => (RandomNetworks.Small.Example(seed), seed, 2 + (seed % 5))),
            (Zoo.Build("resnet20@0.5", new TensorShape(3, 16, 16), 10), 30, 2),
            (Zoo.Build("mobilenetv2@0.2", new TensorShape(3, 40, 40), 10), 31, 4),
            (Zoo.Build("densenet76-12@0.5", new TensorShape(3, 12, 12), 10), 32, 3),
        ];
        foreach (var (graph, seed, bits) in networks)
        {
            using var network = QuantizedNetwork.Of(graph, seed, bits, evenly: true);
            RoundingTies.Avoid(network.Graph, network.Tensors, network.Formats);
            foreach (var type in Enum.GetValues<OnnxWeightType>().Where(type => bits <= type switch { OnnxWeightType.Int2 => 2, OnnxWeightType.Int4 => 4, _ => 8 }))
                AssertAgrees(Measure(network, seed, type).Agreement, $"network {seed} of {bits} bits as {type}", 1e-4);
            using var stream = new MemoryStream();
            OnnxExport.Write(stream, network.Graph, network.Tensors, NoMetadata);
            using var module = GraphModule.FromTensors(network.Graph, network.Tensors);
            AssertAgrees(OnnxAgreement.Measure(stream.ToArray(), module, [QuantizedNetwork.Inputs(network.Graph, seed)], threads: 1), $"network {seed} in floats", 1e-4);
        }
    }

    /// <summary>ONNX Runtime knows nothing of QONNX and computes by the body that the model holds; the weights' own nodes change nothing, since their numbers are on the grid.</summary>
    [Theory]
    [InlineData("lenet5", 1, 28, 2)]
    [InlineData("resnet20@0.5", 3, 16, 3)]
    [InlineData("mobilenetv2@0.2", 3, 40, 8)]
    public void QONNX_computes_what_the_network_does(string model, int channels, int side, int bits)
    {
        using var network = QuantizedNetwork.Of(Zoo.Build(model, new TensorShape(channels, side, side), 10), 1, bits, evenly: true);
        RoundingTies.Avoid(network.Graph, network.Tensors, network.Formats);
        using var stream = new MemoryStream();
        OnnxExport.WriteQonnx(stream, new Checkpoint(network.Graph, network.Tensors, Lineage.Empty, network.Formats), NoMetadata);
        using var module = GraphModule.FromTensors(network.Graph, network.Tensors);
        AssertAgrees(OnnxAgreement.Measure(stream.ToArray(), module, [QuantizedNetwork.Inputs(network.Graph, 1)], threads: 1), model, 1e-4);

        var written = Lathe.Graph.Onnx.Format.ModelProto.Parser.ParseFrom(stream.ToArray());
        var quantizers = written.Graph.Node.Where(node => node.OpType == "IntQuant").ToList();
        Assert.Equal(network.Formats.Count + network.Graph.Nodes.OfType<Quantize>().Count(), quantizers.Count);
        Assert.All(quantizers, node => Assert.Equal(("qonnx.custom_op.general", 4), (node.Domain, node.Input.Count)));
        Assert.Equal("IntQuant", Assert.Single(written.Functions).Name);

        // The body limits: weights of twice their size come out as they would be cut off.
        var weight = network.Formats.First();
        var constant = written.Graph.Initializer.First(tensor => tensor.Name == weight.Key);
        var doubled = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(constant.RawData.Span).ToArray().Select(value => value * 16).ToArray();
        constant.RawData = Google.Protobuf.ByteString.CopyFrom(System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(doubled));
        var most = weight.Value.MaxLevel * weight.Value.StepSize;
        network.Tensors[weight.Key].copy_(tensor(doubled).reshape(network.Tensors[weight.Key].shape).clamp(-most, most));
        using var limited = GraphModule.FromTensors(network.Graph, network.Tensors);
        AssertAgrees(OnnxAgreement.Measure(Google.Protobuf.MessageExtensions.ToByteArray(written), limited, [QuantizedNetwork.Inputs(network.Graph, 1)], threads: 1), $"{model}, limited", 0.1);
    }

    /// <summary>ONNX Runtime must not round weights that nobody asked to be rounded.</summary>
    [Fact]
    public void Layers_that_stay_float_stay_float()
    {
        using var quantized = QuantizedNetwork.Of(Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10), 1, 4, evenly: true);
        using var generator = new Generator(1);
        foreach (var (name, weight) in quantized.Tensors.Where(t => quantized.Formats.ContainsKey(t.Key) && t.Key != "classifier.3.weight"))
            weight.mul_(rand(weight.shape, generator: generator).PlusInPlace(0.5));
        var mixed = quantized with { Formats = quantized.Formats.Where(f => f.Key == "classifier.3.weight").ToDictionary() };
        AssertAgrees(Measure(mixed, 1, OnnxWeightType.Int8).Agreement, "float layers", 0.002);
    }

    [Fact]
    public void Quantized_activations_are_the_same_in_a_float_model()
    {
        using var network = QuantizedNetwork.Of(Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10), 1, 2, evenly: true);
        using var stream = new MemoryStream();
        OnnxExport.Write(stream, network.Graph, network.Tensors, NoMetadata);
        using var module = GraphModule.FromTensors(network.Graph, network.Tensors);
        var agreement = OnnxAgreement.Measure(stream.ToArray(), module, [QuantizedNetwork.Inputs(network.Graph, 1)], threads: 1);
        Assert.True(agreement.Holds, agreement.ToString());
    }

    [Fact]
    public void Fewer_bits_make_a_smaller_file()
    {
        var graph = Zoo.Build("vgg7@0.25", new TensorShape(3, 32, 32), 10);
        var weights = graph.Nodes.Where(node => node is Conv2d or Linear).Sum(node => ParameterShapes.Of(node).First().Values);
        const int Rest = 60_000;
        Assert.InRange(Measure(graph, 1, 2, OnnxWeightType.Int8).Bytes, weights, weights + Rest);
        Assert.InRange(Measure(graph, 1, 2, OnnxWeightType.Int4).Bytes, weights / 2, (weights / 2) + Rest);
        Assert.InRange(Measure(graph, 1, 2, OnnxWeightType.Int2).Bytes, weights / 4, (weights / 4) + Rest);
    }

    [Fact]
    public void Too_many_bits_and_float_weights_are_refused()
    {
        using var quantized = QuantizedNetwork.Of(Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10), 1, 5);
        using var checkpoint = Checkpoint(quantized);
        var wide = Assert.Throws<LatheException>(() => OnnxExport.WriteQuantized(Stream.Null, checkpoint, OnnxWeightType.Int4, NoMetadata));
        Assert.Contains("of 5 bits: int4 holds at most 4; store them as int8", wide.Message, StringComparison.Ordinal);
        var floats = checkpoint with { Formats = new Dictionary<string, WeightFormat>() };
        Assert.Throws<LatheException>(() => OnnxExport.WriteQuantized(Stream.Null, floats, OnnxWeightType.Int8, NoMetadata));
    }

    /// <summary>
    /// A float sum beside a tie rounds one way here and the other way there, and what follows differs by a step: seldom, and by little.
    /// </summary>
    private static void AssertAgrees(LogitAgreement agreement, string what, double tolerance) =>
        Assert.True(agreement.LargestDifference <= tolerance * agreement.LargestLogit, $"{what}: {agreement}");

    private static (LogitAgreement Agreement, long Bytes) Measure(NetworkGraph graph, int seed, int bits, OnnxWeightType type)
    {
        using var quantized = QuantizedNetwork.Of(graph, seed, bits, evenly: true);
        return Measure(quantized, seed, type);
    }

    private static (LogitAgreement Agreement, long Bytes) Measure(QuantizedNetwork network, int seed, OnnxWeightType type)
    {
        using var stream = new MemoryStream();
        OnnxExport.WriteQuantized(stream, Checkpoint(network), type, NoMetadata);
        using var module = GraphModule.FromTensors(network.Graph, network.Tensors);
        return (OnnxAgreement.Measure(stream.ToArray(), module, [QuantizedNetwork.Inputs(network.Graph, seed)], threads: 1), stream.Length);
    }

    private static Checkpoint Checkpoint(QuantizedNetwork network) => new(network.Graph, network.Tensors, Lineage.Empty, network.Formats);
}
