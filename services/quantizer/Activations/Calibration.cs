using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.NN.Checkpoints;
using Lathe.NN.Data;
using Lathe.NN.Execution;
using Lathe.NN.FixedPoint;
using Lathe.Quantizer.Weights;
using static TorchSharp.torch;

namespace Lathe.Quantizer.Activations;

/// <summary>
/// Step sizes of activations: powers of two, chosen so that all but one value in ten thousand lie within range, on the network that training
/// starts from (for a method that does not train: with its weights rounded). The mean over batches of that percentile decides. Afterwards
/// training adapts the network to them.
/// </summary>
public static class Calibration
{
    private const int Batches = 16;
    private const int BatchSize = 64;
    private const double Percentile = 0.9999;

    // Of larger tensors every n-th value is looked at: the percentile of a million values is as good.
    private const long MostValues = 1 << 20;

    // 2^-24 to 2^8, as for weights.
    private const int LeastFraction = -8;
    private const int GreatestFraction = 24;

    /// <summary>The network as it is to be trained: with its activations rounded, or float where the parameters say none.</summary>
    /// <param name="checkpoint">The network as it came.</param>
    /// <param name="formats">Of its weights, by name.</param>
    /// <param name="train">Training images; the seed decides which are looked at.</param>
    /// <param name="seed">The run's.</param>
    /// <param name="parameters">Bits of activations, and the method.</param>
    /// <param name="device">Where to compute.</param>
    public static NetworkGraph Quantized(
        Checkpoint checkpoint, IReadOnlyDictionary<string, WeightFormat> formats, Split train, long seed, QuantizeParameters parameters, Device device)
    {
        var graph = ActivationPoints.Remove(checkpoint.Graph);
        if (parameters.Activations.Value is not { } bits) return graph;

        var points = ActivationPoints.Of(graph);
        using var module = GraphModule.FromTensors(graph, checkpoint.Tensors, device);
        var weights = new QuantizedWeights(module.Parameters, formats);
        if (parameters.Method == QuantizeMethod.Naive) weights.Round();
        var magnitudes = Magnitudes(module, points, train, seed);
        var fractions = points.GroupBy(point => point.Scale).ToDictionary(
            group => group.Key,
            group => group.Min(point => Fraction(magnitudes[point.Tensor], Greatest(point, bits))));
        return ActivationPoints.Insert(graph, points.ToDictionary(point => point.Tensor, point => (fractions[point.Scale], point.Signed)), bits);
    }

    /// <summary>The finest step 2^(−f) with which a magnitude is still in range.</summary>
    /// <param name="magnitude">At least 0.</param>
    /// <param name="greatest">The greatest whole number of steps.</param>
    public static int Fraction(double magnitude, int greatest)
    {
        var fraction = GreatestFraction;
        while (fraction > LeastFraction && Math.ScaleB(magnitude, fraction) > greatest + 0.5) fraction--;
        return fraction;
    }

    private static int Greatest(ActivationPoint point, int bits) => (1 << (point.Signed ? bits - 1 : bits)) - 1;

    private static Dictionary<string, double> Magnitudes(GraphModule module, IReadOnlyList<ActivationPoint> points, Split train, long seed)
    {
        using var noGradient = no_grad();
        var sums = points.ToDictionary(point => point.Tensor, _ => 0.0);
        var loader = new BatchLoader(train, BatchSize, seed);
        var seen = 0;
        foreach (var batch in loader.Epoch(0).Take(Batches))
        {
            using var owned = batch;
            using var scope = NewDisposeScope();
            module.Forward(batch.On(module.Device).Images, training: false, tap: (name, value) =>
            {
                if (sums.ContainsKey(name)) sums[name] += Magnitude(value);
            });
            seen++;
        }

        return sums.ToDictionary(sum => sum.Key, sum => sum.Value / seen);
    }

    /// <summary>The percentile of the absolute values.</summary>
    private static double Magnitude(Tensor value)
    {
        using var scope = NewDisposeScope();
        var values = value.detach().abs().flatten();
        var step = (values.numel() + MostValues - 1) / MostValues;
        if (step > 1) values = values.slice(0, 0, values.numel(), step);
        var rank = Math.Clamp((long)Math.Ceiling(values.numel() * Percentile), 1, values.numel());
        return values.to(ScalarType.Float32).kthvalue(rank, 0, keepdim: false).values.item<float>();
    }
}
