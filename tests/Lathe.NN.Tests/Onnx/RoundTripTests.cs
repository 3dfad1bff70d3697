using Lathe.Graph;
using Lathe.Graph.Models;
using Lathe.Graph.Onnx;
using Lathe.NN.Execution;
using Lathe.NN.Onnx;
using Lathe.NN.Runtime;
using Lathe.NN.Tests.Execution;
using Lathe.Testing;
using static TorchSharp.torch;

namespace Lathe.NN.Tests.Onnx;

/// <summary>A network that is exported and imported again computes what it did.</summary>
[Trait("oneDNN", "on and off")]
public sealed class RoundTripTests
{
    public RoundTripTests() => TorchRuntime.Configure(1);

    [Theory]
    [InlineData("lenet5", 1, 28)]
    [InlineData("vgg7@0.1", 3, 16)]
    [InlineData("vgg11@0.1", 3, 32)]
    [InlineData("vgg16@0.05", 3, 32)]
    [InlineData("resnet20@0.5", 3, 16)]
    [InlineData("densenet76-12@0.5", 3, 12)]
    [InlineData("resnet18@0.1", 3, 48)]
    [InlineData("resnet50@0.05", 3, 40)]
    [InlineData("mobilenetv2@0.2", 3, 40)]
    [InlineData("densenet121@0.1", 3, 40)]
    public void Every_family_of_the_zoo_comes_back(string model, int channels, int side)
    {
        var graph = Zoo.Build(model, new TensorShape(channels, side, side), 7);
        var back = AssertComesBack(graph, seed: 1);
        // Dropout does nothing in evaluation and is left out; everything else has the same tensors under the same names.
        Assert.Equal(
            ParameterShapes.Of(graph).Select(p => (p.Name, string.Join(',', p.Shape))),
            ParameterShapes.Of(back.Graph).Select(p => (p.Name, string.Join(',', p.Shape))));
        Assert.Equal(graph.Nodes.OfType<BatchNorm>().Select(b => (b.Epsilon, b.Momentum)), back.Graph.Nodes.OfType<BatchNorm>().Select(b => (b.Epsilon, b.Momentum)));
        Assert.Equal(graph.Nodes.Count(n => n is not Dropout), back.Graph.Nodes.Count);
        Assert.Empty(back.Notes);
    }

    [Fact]
    public void Random_networks_come_back()
    {
        for (var seed = 0; seed < 300; seed++)
        {
            using var scope = NewDisposeScope();
            AssertComesBack(RandomNetworks.Small.Example(seed), seed);
        }
    }

    private static ImportedNetwork AssertComesBack(NetworkGraph graph, int seed)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var tensors = ReferenceRun.RandomTensors(graph, seed);
        using var file = new MemoryStream();
        OnnxExport.Write(file, graph, tensors, new Dictionary<string, string>());
        var back = OnnxImport.Read(file.ToArray(), "file", graph.Name);
        var images = randn([3, graph.Input.Channels, graph.Input.Height, graph.Input.Width], generator: new Generator((ulong)seed));
        var expected = ReferenceRun.Logits(graph, tensors, images);
        var actual = ReferenceRun.Logits(back.Graph, back.ToCheckpoint().Tensors, images);
        Assert.Equal(graph.Input, back.Graph.Input);
        Assert.Equal(expected.shape, actual.shape);
        var difference = (expected - actual).abs().max().item<float>();
        Assert.True(difference <= 1e-5 * expected.abs().max().item<float>(), $"{graph.Name}: {difference}");
        return back;
    }
}
