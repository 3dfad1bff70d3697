using Lathe.Graph;
using Lathe.Graph.Models;
using Lathe.NN.Data;

namespace Lathe.Benchmarks.Engine;

/// <summary>A network and the batches it is trained on.</summary>
/// <param name="Model">Its name in the zoo.</param>
/// <param name="Input">Shape of an image.</param>
/// <param name="Classes">Number of classes.</param>
/// <param name="Batch">Images in a step.</param>
/// <param name="HasMethods">Whether HFP and SYMOG are measured on it.</param>
/// <param name="ByHand">The same network of TorchSharp's modules, for so many classes.</param>
internal sealed record Workload(string Model, TensorShape Input, int Classes, int Batch, bool HasMethods, Func<int, PlainResNet> ByHand)
{
    public static IReadOnlyDictionary<string, Workload> Known { get; } = new[]
    {
        new Workload("resnet20", new TensorShape(3, 32, 32), 10, 128, HasMethods: true, PlainResNet.ResNet20),
        new Workload("resnet50", new TensorShape(3, 224, 224), 1000, 16, HasMethods: false, PlainResNet.ResNet50),
    }.ToDictionary(workload => workload.Model);

    public NetworkGraph Graph => Zoo.Build(Model, Input, Classes);

    /// <summary>Random pixels and labels for so many steps.</summary>
    public Split RandomImages(int steps)
    {
        var random = new Random(1);
        var labels = new byte[steps * Batch];
        var images = new byte[(long)labels.Length * Input.Channels * Input.Height * Input.Width];
        random.NextBytes(images);
        for (var i = 0; i < labels.Length; i++)
            labels[i] = (byte)random.Next(Math.Min(Classes, 256));
        return new Split(images, labels, Input, Classes, new Normalization([0.5, 0.5, 0.5], [0.25, 0.25, 0.25]));
    }
}
