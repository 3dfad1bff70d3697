using System.Text;
using System.Text.Json;
using Lathe.Graph;
using Lathe.Graph.Models;
using Lathe.NN.Execution;
using Lathe.NN.Runtime;
using static TorchSharp.torch;

namespace Lathe.NN.Tests.Weights;

/// <summary>
/// The zoo's networks against torchvision's, whose logits fixtures/make.py wrote down: weights and input come from one formula on both sides.
/// </summary>
public class TorchvisionParity
{
    public TorchvisionParity() => TorchRuntime.Configure(1);

    [Theory]
    [InlineData("resnet18", "resnet18")]
    [InlineData("resnet50", "resnet50")]
    [InlineData("mobilenetv2", "mobilenet_v2")]
    [InlineData("densenet121", "densenet121")]
    [InlineData("vgg11", "vgg11_bn")]
    public void Logits_are_those_of_torchvision(string model, string theirs)
    {
        var fixture = JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Weights", "fixtures", "logits.json"))).RootElement.GetProperty(theirs);
        var side = fixture.GetProperty("side").GetInt32();
        var expected = fixture.GetProperty("logits").EnumerateArray().Select(x => x.GetDouble()).ToArray();

        using var scope = NewDisposeScope();
        var graph = Zoo.Build(model, new TensorShape(3, side, side), 1000);
        using var module = GraphModule.FromTensors(graph, ParameterShapes.Of(graph).ToDictionary(shape => shape.Name, Fill));
        using var noGradient = no_grad();
        var images = tensor([.. Uniform("input", 3 * side * side).Select(u => (float)(2 * u))]).reshape(1, 3, side, side);
        var logits = module.Forward(images, training: false).data<float>().ToArray();

        var largest = expected.Max(Math.Abs);
        Assert.True(largest > 0.01, "the logits have died out, so there is nothing to compare");
        for (var i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs(logits[i] - expected[i]) <= 1e-4 * largest, $"logit {i} is {logits[i]}, torchvision's {expected[i]}");
    }

    private static Tensor Fill(ParameterShape shape)
    {
        var isScale = shape.Name.EndsWith("weight", StringComparison.Ordinal);
        var isVariance = shape.Name.EndsWith("running_var", StringComparison.Ordinal);
        var gain = shape.Shape.Count > 1 ? Math.Sqrt(24.0 / (shape.Values / shape.Shape[0])) : 0.2;
        var offset = isVariance || (shape.Shape.Count == 1 && isScale) ? 1 : 0;
        if (isVariance)
            gain = 1;
        return tensor([.. Uniform(shape.Name, (int)shape.Values).Select(u => (float)(offset + (gain * u)))]).reshape([.. shape.Shape]);
    }

    private static IEnumerable<double> Uniform(string name, int count)
    {
        var start = Crc32(Encoding.UTF8.GetBytes(name));
        for (var i = 0; i < count; i++)
        {
            var x = unchecked(((uint)i * 2654435761u) + start);
            x = unchecked((x ^ (x >> 15)) * 2246822519u);
            x ^= x >> 13;
            yield return (x / 4294967296.0) - 0.5;
        }
    }

    private static uint Crc32(byte[] bytes)
    {
        var crc = uint.MaxValue;
        foreach (var value in bytes)
        {
            crc ^= value;
            for (var bit = 0; bit < 8; bit++)
                crc = (crc & 1) != 0 ? (crc >> 1) ^ 0xEDB88320u : crc >> 1;
        }

        return ~crc;
    }
}
