using Lathe.Contracts;
using Lathe.Exports;
using Lathe.Graph;
using Lathe.Graph.Models;
using Lathe.NN.Execution;
using Lathe.NN.Onnx;
using Lathe.NN.Runtime;
using static TorchSharp.torch;

namespace Lathe.Cli.Tests.Exports;

/// <summary>What ONNX Runtime computes from an exported network is what the network computes.</summary>
[Trait("oneDNN", "on and off")]
public sealed class Exporting_to_ONNX
{
    public Exporting_to_ONNX() => TorchRuntime.Configure(1);

    [Theory]
    [InlineData("lenet5", 1, 28)]
    [InlineData("vgg7@0.1", 3, 16)]
    [InlineData("vgg11@0.1", 3, 32)]
    [InlineData("resnet20@0.5", 3, 16)]
    [InlineData("densenet76-12@0.5", 3, 12)]
    [InlineData("resnet18@0.1", 3, 48)]
    [InlineData("resnet50@0.05", 3, 40)]
    [InlineData("mobilenetv2@0.2", 3, 40)]
    [InlineData("densenet121@0.1", 3, 40)]
    public void Every_family_of_the_zoo_agrees(string model, int channels, int side) =>
        AssertAgrees(Zoo.Build(model, new TensorShape(channels, side, side), 7));

    [Theory]
    [InlineData(ActivationKind.Relu)]
    [InlineData(ActivationKind.Relu6)]
    [InlineData(ActivationKind.HardSwish)]
    [InlineData(ActivationKind.Silu)]
    [InlineData(ActivationKind.Sigmoid)]
    [InlineData(ActivationKind.HardSigmoid)]
    public void Every_activation_agrees(ActivationKind kind) => AssertAgrees(Small(net => net.Activation("act", kind)));

    public static TheoryData<string> Poolings => [.. Pools.Keys];

    [Theory]
    [MemberData(nameof(Poolings))]
    public void Every_pooling_agrees(string name) => AssertAgrees(Small(net => Pools[name](net)));

    [Fact]
    public void Squeeze_pad_concat_dropout_and_flat_batch_norm_agree() => AssertAgrees(Small(net =>
    {
        var from = net.Last;
        net.GlobalAvgPool("squeeze");
        net.Conv("expand", 6, 1, bias: true);
        var scale = net.Activation("gate", ActivationKind.Sigmoid);
        var scaled = net.Mul("scaled", from, scale);
        var padded = net.Pad("padded", 1, 2, scaled);
        net.Concat("joined", padded, from, padded);
        var one = net.Conv("one", 6, 3, padding: 2, groups: 6);
        net.Append(new Conv2d("dilated", [one], 6, 6, 3, Padding: 2, Dilation: 2));
        net.Add("sum", net.Last, one, one);
        net.Dropout("drop");
        net.Flatten("flat.early");
        net.BatchNorm("flat.bn");
    }, flatten: false));

    [Fact]
    public void Names_that_clash_with_the_models_own_are_told_apart()
    {
        var net = new GraphBuilder("clash", new TensorShape(2, 6, 6));
        net.Conv("logits", 3, 3);
        net.Activation("logits.weight", ActivationKind.Relu6);
        net.Conv("logits.weight.min", 3, 1);
        net.Flatten("logits_1");
        net.Linear("fc", 4);
        net.Dropout("drop");
        AssertAgrees(net.Build());
    }

    [Fact]
    public void A_model_with_other_weights_does_not_agree()
    {
        var graph = Small(net => net.Relu("relu"));
        using var one = Random(graph, 1);
        using var other = Random(graph, 2);
        var agreement = OnnxAgreement.Measure(Bytes(one), other, Images(graph), threads: 1);
        Assert.False(agreement.Holds);
        Assert.True(agreement.LargestDifference > 0.01 * agreement.LargestLogit);
    }

    [Fact]
    public void A_file_that_is_no_model_is_refused_in_words()
    {
        var graph = Small(net => net.Relu("relu"));
        using var network = Random(graph, 1);
        var fault = Assert.Throws<LatheException>(() => OnnxAgreement.Measure([1, 2, 3], network, Images(graph), threads: 1));
        Assert.StartsWith("ONNX Runtime cannot run the model of network 'small': ", fault.Message);
    }

    private static readonly Dictionary<string, Action<GraphBuilder>> Pools = new()
    {
        ["max"] = net => net.MaxPool("pool", 2),
        ["max 3/2 padded"] = net => net.MaxPool("pool", 3, 2, 1),
        ["average 2/2"] = net => net.AvgPool("pool", 2, 2),
        ["average 3/2 padded"] = net => net.Append(new AvgPool2d("pool", [net.Last], 3, 2, 1)),
        ["every second pixel"] = net => net.AvgPool("pool", 1, 2),
        ["global"] = net => net.GlobalAvgPool("pool"),
        ["adaptive to 1x1"] = net => net.AdaptiveAvgPool("pool", 1, 1),
        ["adaptive, equal windows"] = net => net.AdaptiveAvgPool("pool", 3, 4),
        ["adaptive, one side equal"] = net => net.AdaptiveAvgPool("pool", 3, 5),
        ["adaptive, overlapping windows"] = net => net.AdaptiveAvgPool("pool", 7, 5),
        ["adaptive, to more than there was"] = net => net.AdaptiveAvgPool("pool", 15, 13),
    };

    /// <summary>A convolution with batch norm on 2 x 12 x 12 images, the part given, and a linear layer.</summary>
    private static NetworkGraph Small(Action<GraphBuilder> part, bool flatten = true)
    {
        var net = new GraphBuilder("small", new TensorShape(2, 12, 12));
        net.Conv("conv", 6, 3, padding: 1);
        net.BatchNorm("bn");
        part(net);
        if (flatten) net.Flatten("flat");
        net.Linear("fc", 5, bias: !flatten);
        return net.Build();
    }

    private static void AssertAgrees(NetworkGraph graph)
    {
        using var network = Random(graph, 3);
        var agreement = OnnxAgreement.Measure(Bytes(network), network, Images(graph), threads: 1);
        Assert.True(agreement.Holds, agreement.ToString());
        Assert.Equal(24, agreement.Images);
        Assert.Equal(Bytes(network), Bytes(network));
    }

    private static byte[] Bytes(GraphModule network)
    {
        using var scope = NewDisposeScope();
        using var to = new MemoryStream();
        OnnxExport.Write(to, network.Graph, network.Snapshot(), new Dictionary<string, string> { ["b"] = "2", ["a"] = "1" });
        return to.ToArray();
    }

    /// <summary>Two sizes of batch.</summary>
    private static IEnumerable<Tensor> Images(NetworkGraph graph)
    {
        foreach (var count in (int[])[16, 8])
            yield return randn([count, graph.Input.Channels, graph.Input.Height, graph.Input.Width], generator: new Generator((ulong)count));
    }

    /// <summary>Batch norms that do something.</summary>
    private static GraphModule Random(NetworkGraph graph, long seed)
    {
        var module = GraphModule.Create(graph, seed);
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var generator = new Generator((ulong)seed);
        foreach (var shape in ParameterShapes.Of(graph).Where(p => p.Kind is not (ParameterKind.Weight or ParameterKind.Bias)))
        {
            Tensor tensor = shape.Trainable ? module.Parameters[shape.Name] : module.Buffers[shape.Name];
            var noise = rand([.. shape.Shape], generator: generator);
            tensor.copy_(shape.Kind is ParameterKind.Scale or ParameterKind.RunningVariance ? noise + 0.5 : noise - 0.5);
        }

        return module;
    }
}
