using Lathe.Contracts;
using Lathe.NN.Checkpoints;
using Lathe.NN.Graphs;
using TorchSharp;

namespace Lathe.Quantizer.Weights;

/// <summary>Which weights are quantized, and their step sizes: one power of two for each layer.</summary>
public static class StepSizes
{
    /// <summary>Formats of every convolution's and linear layer's weight, first and last included, unless excluded by name.</summary>
    /// <exception cref="LatheException">A name in the parameters is no layer of the network.</exception>
    public static IReadOnlyDictionary<string, WeightFormat> Choose(
        NetworkGraph graph, IReadOnlyDictionary<string, torch.Tensor> tensors, QuantizeParameters parameters)
    {
        CheckNames(graph, parameters);
        var excluded = Excluded(parameters);
        return Layers(graph).Where(layer => !excluded.Any(pattern => LayerBits.Fits(pattern, layer))).ToDictionary(
            layer => $"{layer}.weight",
            layer => Nearest(tensors[$"{layer}.weight"], parameters.Bits.Of(layer)));
    }

    /// <summary>The format of so many bits that is nearest to a weight.</summary>
    public static WeightFormat Nearest(torch.Tensor weight, int bits) => new(bits, FixedPoint.ChooseFraction(weight, bits));

    /// <summary>Refuses names that are no layers; needs no weights, so it can be asked before anything is trained.</summary>
    /// <exception cref="LatheException">A name in the parameters is no layer of the network.</exception>
    public static void CheckNames(NetworkGraph graph, QuantizeParameters parameters)
    {
        var layers = Layers(graph);
        Check("exclude", Excluded(parameters));
        Check("bits", parameters.Bits.ByName.Keys);

        void Check(string parameter, IEnumerable<string> patterns)
        {
            if (patterns.FirstOrDefault(pattern => !layers.Exists(layer => LayerBits.Fits(pattern, layer))) is { } unknown)
                throw new LatheException($"quantize.{parameter}: the network has no layer '{unknown}'; its layers are {string.Join(", ", layers)}");
        }
    }

    private static List<string> Layers(NetworkGraph graph) => [.. graph.Nodes.Where(node => node is Conv2d or Linear).Select(node => node.Name)];

    private static string[] Excluded(QuantizeParameters parameters) =>
        parameters.Exclude.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
}
