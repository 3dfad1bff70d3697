using System.Text.Json;
using Lathe.Graph;
using Lathe.Graph.Onnx;
using Lathe.NN.Execution;
using Lathe.NN.Onnx;
using Lathe.NN.Runtime;
using static TorchSharp.torch;

namespace Lathe.NN.Tests.Onnx;

/// <summary>Files that PyTorch wrote (fixtures/make.py), whose logits it also gave.</summary>
[Trait("oneDNN", "on and off")]
public sealed class PyTorchFilesTests
{
    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "Onnx", "fixtures");

    public PyTorchFilesTests() => TorchRuntime.Configure(1);

    [Theory]
    [InlineData("small-11.onnx", 2)]
    [InlineData("small-13-folded.onnx", 0)]
    [InlineData("small-17.onnx", 2)]
    public void Compute_what_PyTorch_did(string file, int batchNorms)
    {
        var network = OnnxImport.Read(Path.Combine(Folder, file));
        Assert.Equal(new TensorShape(1, 16, 16), network.Graph.Input);
        Assert.Equal(Path.GetFileNameWithoutExtension(file), network.Graph.Name);
        Assert.Equal(batchNorms, network.Graph.Nodes.OfType<BatchNorm>().Count());
        Assert.Single(network.Graph.Nodes.OfType<Pad>());
        Assert.Equal([ActivationKind.Relu6, ActivationKind.HardSwish, ActivationKind.Silu], network.Graph.Nodes.OfType<Activation>().Select(a => a.Kind).Take(3));
        Assert.Equal(["Softmax '/Softmax' at the end is left out: logits are what is trained and compared"], network.Notes);

        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using var json = JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, "small.json")));
        var images = tensor(Floats(json, "input")).reshape(3, 1, 16, 16);
        var expected = tensor(Floats(json, "logits")).reshape(3, 5);
        using var module = GraphModule.FromTensors(network.Graph, network.ToCheckpoint().Tensors);
        var difference = (module.Forward(images, training: false) - expected).abs().max().item<float>();
        Assert.True(difference <= 1e-5 * expected.abs().max().item<float>(), $"{difference}");
    }

    [Fact]
    public void Layers_have_the_names_of_PyTorchs_modules()
    {
        var kept = OnnxImport.Read(Path.Combine(Folder, "small-11.onnx"));
        Assert.Equal(
            ["conv1", "bn1", "conv2", "bn2", "reduce", "expand", "depthwise", "hidden", "fc"],
            kept.Graph.Nodes.Where(n => n is Conv2d or BatchNorm or Linear).Select(n => n.Name));
        // Without weight names in the file: PyTorch keeps none for what it folded.
        var folded = OnnxImport.Read(Path.Combine(Folder, "small-13-folded.onnx"));
        Assert.Equal(["conv1", "conv2"], folded.Graph.Nodes.OfType<Conv2d>().Select(n => n.Name).Take(2));
    }

    private static float[] Floats(JsonDocument json, string name) => [.. json.RootElement.GetProperty(name).EnumerateArray().Select(v => v.GetSingle())];
}
