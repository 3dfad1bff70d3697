using Lathe.Contracts;
using Lathe.NN.Checkpoints;
using Lathe.NN.Graphs;
using TorchSharp;

namespace Lathe.Quantizer.Symog;

/// <summary>Which weights are quantized, and their step sizes: one power of two for each layer, chosen once.</summary>
public static class StepSizes
{
    /// <summary>Formats of every convolution's and linear layer's weight, first and last included, unless excluded by name.</summary>
    /// <exception cref="LatheException">An excluded name is no layer of the network.</exception>
    public static IReadOnlyDictionary<string, WeightFormat> Choose(
        NetworkGraph graph, IReadOnlyDictionary<string, torch.Tensor> tensors, QuantizeParameters parameters)
    {
        CheckExcluded(graph, parameters);
        return Layers(graph).Except(Excluded(parameters)).Select(layer => $"{layer}.weight").ToDictionary(
            name => name,
            name => new WeightFormat(parameters.Bits, FixedPoint.ChooseFraction(tensors[name], parameters.Bits)));
    }

    /// <summary>Refuses names that are no layers; needs no weights, so it can be asked before anything is trained.</summary>
    /// <exception cref="LatheException">An excluded name is no layer of the network.</exception>
    public static void CheckExcluded(NetworkGraph graph, QuantizeParameters parameters)
    {
        var layers = Layers(graph);
        if (Excluded(parameters).FirstOrDefault(name => !layers.Contains(name)) is { } unknown)
            throw new LatheException($"quantize.exclude: the network has no layer '{unknown}'; its layers are {string.Join(", ", layers)}");
    }

    private static List<string> Layers(NetworkGraph graph) => [.. graph.Nodes.Where(node => node is Conv2d or Linear).Select(node => node.Name)];

    private static string[] Excluded(QuantizeParameters parameters) =>
        parameters.Exclude.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
}
