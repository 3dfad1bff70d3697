using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.NN.FixedPoint;
using Lathe.NN.Runtime;
using static TorchSharp.torch;

namespace Lathe.Quantizer.Weights;

/// <summary>
/// Scales each filter in front of a batch norm so that the layer's one step size fits it best, and takes the scale back in the batch norm. The network
/// computes the same function, and the file is as large as before: batch norm has a scale for each channel anyway. A layer's filters differ in size, and
/// with 2 bits a filter of half the size of the others is rounded to almost nothing. Detail ours; for pairs of layers the idea is in Nagel et al.,
/// "Data-Free Quantization Through Weight Equalization and Bias Correction" (ICCV 2019, arXiv 1906.04721).
/// </summary>
public static class FilterScales
{
    // Scales tried: 2^(k/Fineness), from a quarter to four times.
    private const int Fineness = 16;
    private const int MostHalvings = 2;

    // A filter under this share of its layer's median is as good as dead: its batch norm's ε outweighs its variance, and a scale would only raise noise.
    private const double Dead = 0.05;

    /// <summary>The network's tensors with scaled filters.</summary>
    /// <param name="graph">The network.</param>
    /// <param name="tensors">Its parameters and buffers by name; not changed.</param>
    /// <param name="formats">Formats of the weights, by name.</param>
    /// <returns>New tensors where something is scaled, outside any dispose scope: the caller disposes them. The same ones elsewhere.</returns>
    public static IReadOnlyDictionary<string, Tensor> Fit(
        NetworkGraph graph, IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, WeightFormat> formats)
    {
        using var _ = no_grad();
        var fitted = new Dictionary<string, Tensor>(tensors);
        foreach (var (layer, norm) in Pairs(graph))
        {
            if (!formats.TryGetValue($"{layer}.weight", out var format)) continue;
            using var scope = NewDisposeScope();
            var weight = tensors[$"{layer}.weight"].to(ScalarType.Float32);
            var scale = Of(weight, format);
            fitted[$"{layer}.weight"] = Kept(weight * Column(scale, weight));
            if (tensors.TryGetValue($"{layer}.bias", out var bias)) fitted[$"{layer}.bias"] = Kept(bias * scale);
            // (s·x − s·μ) / √(s²·v + ε) · γ' = (x − μ) / √(v + ε) · γ
            var variance = tensors[$"{norm.Name}.running_var"].to(ScalarType.Float64);
            var wide = scale.to(ScalarType.Float64);
            var scaled = variance * wide * wide;
            fitted[$"{norm.Name}.running_mean"] = Kept(tensors[$"{norm.Name}.running_mean"] * scale);
            fitted[$"{norm.Name}.running_var"] = Kept(scaled.to(ScalarType.Float32));
            var slope = scaled.PlusInPlace(norm.Epsilon).sqrt() / (variance.clone().PlusInPlace(norm.Epsilon).sqrt() * wide);
            fitted[$"{norm.Name}.weight"] = Kept((tensors[$"{norm.Name}.weight"].to(ScalarType.Float64) * slope).to(ScalarType.Float32));
        }

        return fitted;

        static Tensor Kept(Tensor tensor) => tensor.DetachFromDisposeScope();
    }

    /// <summary>For each filter the scale with the least squared error relative to the filter's squares; of equally good ones the nearest to 1.</summary>
    /// <param name="weight">Float32 [outputs, ...].</param>
    /// <param name="format">Bits and step size.</param>
    /// <returns>Float32 [outputs].</returns>
    public static Tensor Of(Tensor weight, WeightFormat format)
    {
        var flat = weight.flatten(1);
        var squares = flat.Squared().mean([1]);
        var best = ones_like(squares);
        var least = Error(best);
        foreach (var k in Enumerable.Range(1, MostHalvings * Fineness).SelectMany(k => (int[])[-k, k]))
        {
            var scale = ones_like(squares).Times(Math.Pow(2, k / (double)Fineness));
            var error = Error(scale);
            var better = error.lt(least);
            best = where(better, scale, best);
            least = where(better, error, least);
        }

        var alive = squares.sqrt().gt(squares.sqrt().median().Times(Dead));
        return where(alive, best, ones_like(best));

        Tensor Error(Tensor scale)
        {
            var scaled = flat * scale.unsqueeze(1);
            return scaled.sub(WeightGrid.Quantize(scaled, format.Bits, format.Fraction)).Squared().mean([1]) / (squares * scale.Squared());
        }
    }

    /// <summary>Layers with weights whose output nothing but one batch norm reads.</summary>
    private static IEnumerable<(string Layer, BatchNorm Norm)> Pairs(NetworkGraph graph) =>
        from norm in graph.Nodes.OfType<BatchNorm>()
        let layer = graph.Nodes.FirstOrDefault(node => node.Name == norm.Inputs[0])
        where layer is Conv2d or Linear && layer.Name != graph.Output && graph.Nodes.Count(node => node.Inputs.Contains(layer.Name)) == 1
        select (layer.Name, norm);

    private static Tensor Column(Tensor scale, Tensor weight) =>
        scale.reshape([.. Enumerable.Range(0, (int)weight.dim()).Select(d => d == 0 ? -1L : 1L)]);
}
