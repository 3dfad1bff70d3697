using Lathe.Graph.Checkpoints;
using Lathe.NN.FixedPoint;
using Lathe.NN.Runtime;
using static TorchSharp.torch;
using Parameter = TorchSharp.Modules.Parameter;

namespace Lathe.Quantizer.Weights;

/// <summary>The weights that are to become modes, with their formats: what every method does with them.</summary>
/// <param name="weights">The network's parameters by name, which training moves.</param>
/// <param name="formats">Formats by the names of the weights that have one.</param>
public sealed class QuantizedWeights(IReadOnlyDictionary<string, Parameter> weights, IReadOnlyDictionary<string, WeightFormat> formats)
{
    private readonly Dictionary<string, WeightFormat> _formats = new(formats);

    /// <summary>Formats by tensor name.</summary>
    public IReadOnlyDictionary<string, WeightFormat> Formats => _formats;

    /// <summary>Number of values in the largest of the weights.</summary>
    public long LargestCount { get; } = formats.Keys.Select(name => weights[name].numel()).DefaultIfEmpty(1).Max();

    /// <summary>Each weight with its format.</summary>
    public IEnumerable<(string Name, Parameter Weight, WeightFormat Format)> All => _formats.Select(f => (f.Key, weights[f.Key], f.Value));

    /// <summary>Q(w) where the tensor has a format, else null. The caller, or its dispose scope, disposes it.</summary>
    public Tensor? Quantized(string name, Tensor value) =>
        _formats.TryGetValue(name, out var format) ? WeightGrid.Quantize(value, format.Bits, format.Fraction) : null;

    /// <summary>Clips each weight to its outer modes, ±Δ·(2^(N−1)−1).</summary>
    public void Clip()
    {
        using var _ = no_grad();
        foreach (var (_, weight, format) in All)
        {
            var outer = format.MaxLevel * format.StepSize;
            weight.ClampInPlace(-outer, outer);
        }
    }

    /// <summary>Sets each weight to Q(w).</summary>
    public void Round()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        foreach (var (_, weight, format) in All) weight.copy_(WeightGrid.Quantize(weight, format.Bits, format.Fraction));
    }

    /// <summary>Takes the step size that is nearest to the weights as they are now.</summary>
    public void Refine(string name) => _formats[name] = WeightGrid.Nearest(name, weights[name], _formats[name].Bits);

    /// <summary>Takes other step sizes.</summary>
    /// <param name="fractions">f by tensor name.</param>
    public void Take(IReadOnlyDictionary<string, int> fractions)
    {
        foreach (var (name, fraction) in fractions) _formats[name] = _formats[name] with { Fraction = fraction };
    }

    /// <summary>Takes other formats.</summary>
    /// <param name="formats">By tensor name.</param>
    public void Take(IReadOnlyDictionary<string, WeightFormat> formats)
    {
        foreach (var (name, format) in formats) _formats[name] = format;
    }

    /// <summary>Root mean square of (w − Q(w))/Δ over all weights: 0 once they have become modes, about 0.29 if spread evenly.</summary>
    public double Residual()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var (sum, count) = (0.0, 0L);
        foreach (var (_, weight, format) in All)
        {
            var steps = weight.sub(WeightGrid.Quantize(weight, format.Bits, format.Fraction)).DividedBy(WeightGrid.StepSize(format.Fraction));
            sum += steps.to(ScalarType.Float64).Squared().sum().item<double>();
            count += weight.numel();
        }

        return Math.Sqrt(sum / Math.Max(1, count));
    }
}
