using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.NN.Runtime;
using static TorchSharp.torch;

namespace Lathe.Quantizer.Weights;

/// <summary>Which weights are quantized, and their step sizes: one power of two for each layer.</summary>
public static class StepSizes
{
    private const int Quantiles = 1024;

    /// <summary>Formats of weights whose bits are known.</summary>
    /// <param name="tensors">The network's tensors by name.</param>
    /// <param name="bits">Bits by the names of the layers.</param>
    /// <returns>By the names of the weights.</returns>
    public static IReadOnlyDictionary<string, WeightFormat> Choose(IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, int> bits) =>
        bits.ToDictionary(layer => WeightOf(layer.Key), layer => Nearest(WeightOf(layer.Key), tensors[WeightOf(layer.Key)], layer.Value));

    /// <summary>Name of a layer's weight.</summary>
    public static string WeightOf(string layer) => $"{layer}.weight";

    /// <summary>
    /// The format of so many bits that is nearest to a weight. Where all of it is zero, as in a branch that starts as nothing, no step is nearer than
    /// another: it gets the step of weights that start at random, so that training can grow them.
    /// </summary>
    /// <param name="name">The tensor's.</param>
    /// <param name="weight">Float32 [outputs, ...].</param>
    /// <param name="bits">N, 2 to 8.</param>
    /// <exception cref="LatheException">The weights are too large for the coarsest step.</exception>
    public static WeightFormat Nearest(string name, Tensor weight, int bits)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var largest = weight.abs().max().item<float>();
        if (largest < WeightGrid.StepSize(WeightGrid.GreatestFraction) / 2) return new WeightFormat(bits, FractionAtStart(weight.numel() / weight.shape[0], bits));
        var fraction = WeightGrid.ChooseFraction(weight, bits);
        if (fraction == WeightGrid.LeastFraction
            && WeightGrid.SquaredError(weight, bits, fraction - 1) < WeightGrid.SquaredError(weight, bits, fraction))
        {
            throw new LatheException(
                $"{name} has weights of up to {largest:0.###E+0}; with the coarsest step, 2^{-fraction}, {bits}-bit weights reach {WeightGrid.GreatestMode(bits) * WeightGrid.StepSize(fraction)}. "
                + "Scale the layer down, or leave it float with quantize.exclude");
        }

        return new WeightFormat(bits, fraction);
    }

    /// <summary>f for weights from a normal distribution of variance 2 / inputs, with which layers start.</summary>
    private static int FractionAtStart(long inputs, int bits)
    {
        using var scope = NewDisposeScope();
        // Its quantiles: nothing is drawn.
        var shares = tensor(Enumerable.Range(1, Quantiles - 1).Select(i => (float)((2.0 * i / Quantiles) - 1)).ToArray());
        return WeightGrid.ChooseFraction(shares.erfinv().TimesInPlace(Math.Sqrt(2) * Math.Sqrt(2.0 / inputs)), bits);
    }

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
