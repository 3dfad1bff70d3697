using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.NN.FixedPoint;
using static TorchSharp.torch;

namespace Lathe.Quantizer.Weights;

/// <summary>Which weights are quantized, and their step sizes: one power of two for each layer.</summary>
public static class StepSizes
{
    /// <summary>Formats of weights whose bits are known.</summary>
    /// <param name="tensors">The network's tensors by name.</param>
    /// <param name="bits">Bits by the names of the layers.</param>
    /// <returns>By the names of the weights.</returns>
    public static IReadOnlyDictionary<string, WeightFormat> Choose(IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, int> bits) =>
        bits.ToDictionary(layer => WeightOf(layer.Key), layer => WeightGrid.Nearest(WeightOf(layer.Key), tensors[WeightOf(layer.Key)], layer.Value));

    /// <summary>Name of a layer's weight.</summary>
    public static string WeightOf(string layer) => $"{layer}.weight";

    /// <summary>Names that are no layers, or leave none. It needs no weights, so it can be asked before anything is trained.</summary>
    public static IReadOnlyList<ParameterProblem> Problems(NetworkGraph graph, QuantizeParameters parameters)
    {
        var layers = Layers(graph);
        var known = string.Join(", ", layers);
        var excluded = Excluded(parameters);
        if (excluded.Any(string.IsNullOrWhiteSpace))
            return [Exclude($"'{parameters.Exclude}' has an empty name; expected names of layers with a comma between each two: {known}")];
        var problems = new List<ParameterProblem>();
        if (excluded.FirstOrDefault(IsUnknown) is { } wrong) problems.Add(Exclude($"the network has no layer '{wrong}'; its layers are {known}"));
        problems.AddRange(parameters.Bits.ByName.Keys.Where(IsUnknown).Select(pattern => Bits(pattern, $"the network has no layer '{pattern}'; its layers are {known}")));
        if (problems.Count > 0) return problems;
        var quantized = Quantized(graph, parameters);
        if (quantized.Count == 0) return [Exclude($"'{parameters.Exclude}' leaves no layer to quantize; the network's are {known}")];
        return
        [
            .. parameters.Bits.ByName.Keys.Where(pattern => !quantized.Exists(layer => LayerBits.Fits(pattern, layer)))
                .Select(idle => Bits(idle, $"gives '{idle}' bits, but quantize.exclude leaves it float; take it out of one of them")),
        ];

        bool IsUnknown(string pattern) => !layers.Exists(layer => LayerBits.Fits(pattern, layer));
        static ParameterProblem Exclude(string message) => ParameterProblem.Of("exclude", message);
        static ParameterProblem Bits(string pattern, string message) => new(JsonPointer.Of("bits", pattern), message);
    }

    /// <summary>Bits of the weights of every layer that does not stay float, first and last included, by its name; with a target for bytes the fewest that each may have.</summary>
    public static IReadOnlyDictionary<string, int> BitsByLayer(NetworkGraph graph, QuantizeParameters parameters) =>
        Quantized(graph, parameters).ToDictionary(layer => layer, parameters.Bits.Of);

    private static List<string> Layers(NetworkGraph graph) => [.. graph.Nodes.Where(node => node is Conv2d or Linear).Select(node => node.Name)];

    private static List<string> Quantized(NetworkGraph graph, QuantizeParameters parameters)
    {
        var excluded = Excluded(parameters);
        return Layers(graph).FindAll(layer => !Array.Exists(excluded, pattern => LayerBits.Fits(pattern, layer)));
    }

    private static string[] Excluded(QuantizeParameters parameters) =>
        parameters.Exclude.Length == 0 ? [] : parameters.Exclude.Split(',', StringSplitOptions.TrimEntries);
}
