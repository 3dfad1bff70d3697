using System.Runtime.InteropServices;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using static TorchSharp.torch;

namespace Lathe.NN.FixedPoint;

/// <summary>
/// Moves the values that a network in whole numbers rounds away from ties (the middle between two steps), so that all runtimes round in the same way.
/// </summary>
/// <remarks>
/// A layer with fixed-point weights sums whole numbers S exactly, in floats too. The next activations are y = a·S + b steps, with the real a and b of batch
/// norm. If y is within a rounding error of a tie n + ½, one runtime rounds to n and another to n + 1, and later layers magnify the difference.
/// This class moves a and b of each channel a little, to a = A·L/D and b = A·β/D with whole A, L, β and an odd D. Then 2·D·y is an even number
/// and D·(2n + 1) an odd one, so y stays at least 1/(2D) of a step away from every tie, which is hundreds of times the error of float32.
/// With weights of many bits a step spans thousands of values of S. The distance to a tie is then half of what one unit of S is worth, and float32's
/// error may come near it. The bias is a whole number of units of weights that are L times as fine, because runtimes store the bias of 8-bit weights
/// in this form. Without batch norm a is a power of two. A bias of a whole number of units, or of steps where these are finer, then makes y exact, ties and
/// logits included: all runtimes round an exact tie to the even side. It moves y by at most half a step. No parameter moves a mean over pixels; it is exact
/// wherever it lies in the middle between two steps, and <see cref="Quotient"/> rounds it as float runtimes do, which divide.
/// </remarks>
public static class RoundingTies
{
    /// <summary>The largest D that is tried first. Ties are then at least 1/(2·1023) of a step away, and a gain changes by about 2^(−20) of its value.</summary>
    public const int GreatestDenominator = 1023;

    /// <summary>Largest move of a channel's values, in steps. A channel that would need more is left as it is.</summary>
    public const double Most = 2;

    /// <summary>The largest whole number that a weight of 8 bits should be multiplied to, see <see cref="Finest"/>.</summary>
    public const int GreatestLevel = 64;

    // Range of a channel's values around its mean, in standard deviations. A change of the gain moves the values in it.
    private const double Width = 3;

    // In steps. If a move is larger, larger D are tried, and biases that are no whole number of 8-bit weights' units.
    private const double Much = 0.25;

    // Numerators that are tried with larger D: the larger, the nearer is a tie.
    private const int Numerators = 4;

    // Whole numbers up to here are exact in float32.
    private const double LargestExact = 1 << 24;

    /// <summary>
    /// The largest L: products of a byte and <see cref="GreatestLevel"/>, two of them added, still fit the 16 bits that runtimes add them in on
    /// processors without VNNI.
    /// </summary>
    /// <param name="maxLevel">The weights' largest whole number.</param>
    public static int Finest(int maxLevel) => Math.Max(1, GreatestLevel / maxLevel);

    /// <summary>Moves the parameters of batch norms, and biases of layers without one, in place.</summary>
    /// <param name="graph">The network; where it has no <see cref="Quantize"/> nothing is moved.</param>
    /// <param name="tensors">Its tensors by name, on any device; quantized weights are modes already.</param>
    /// <param name="formats">Formats of its weights by name.</param>
    /// <returns>
    /// Largest move of a value within three standard deviations, in steps of the next activations. At most <see cref="Most"/> after a batch norm, half a step
    /// elsewhere; 0 if nothing was moved.
    /// </returns>
    public static double Avoid(NetworkGraph graph, IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, WeightFormat> formats)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        return new Network(graph, tensors, formats).Avoid();
    }

    /// <summary>The nearest gain and bias with which a channel never ties.</summary>
    /// <param name="Gain">a, in steps for each sum.</param>
    /// <param name="Bias">b, in steps.</param>
    /// <param name="Moved">Largest move of a value, in steps.</param>
    internal readonly record struct Channel(double Gain, double Bias, double Moved)
    {
        /// <summary>Tries all D and L, and larger ones if these do not come near enough.</summary>
        /// <param name="gain">a.</param>
        /// <param name="mean">The channel's mean of S.</param>
        /// <param name="at">y at the mean, which should stay.</param>
        /// <param name="deviation">Standard deviation of y, at least 0.</param>
        /// <param name="finest">The largest L. A channel exceeds it only if a unit of its sum is worth many steps.</param>
        public static Channel Of(double gain, double mean, double at, double deviation, int finest)
        {
            // As good as constant.
            var best = new Channel(0, Math.Round(at), (Width * deviation) + Math.Abs(Math.Round(at) - at));
            if (gain == 0) return best;
            for (var fine = 1; fine <= finest; fine++) TryAll(fine);
            // Where many sums make a step a tie is never further than half of one; the first D that is near enough is the one furthest from it.
            for (var numerator = 1; numerator <= Numerators && best.Moved > Much; numerator++)
            {
                for (var fine = 1; fine <= finest && best.Moved > Much; fine++)
                {
                    var denominator = (2 * Math.Floor(numerator * fine / Math.Abs(gain) / 2)) + 1;
                    if (denominator > GreatestDenominator && denominator < LargestExact) Try(fine, numerator, denominator);
                }
            }

            for (var fine = finest + 1; fine <= GreatestDenominator && best.Moved > Much; fine++) TryAll(fine);
            return best.Moved <= Most ? best : new Channel(gain, at - (gain * mean), 0);

            void TryAll(int fine)
            {
                for (var denominator = 1; denominator <= GreatestDenominator; denominator += 2)
                    Try(fine, Math.Round(Math.Abs(gain) / fine * denominator), denominator);
            }

            void Try(int fine, double numerator, double denominator)
            {
                if (numerator == 0) return;
                var unit = numerator / denominator;
                var taken = Math.CopySign(unit * fine, gain);
                var turned = Width * deviation * Math.Abs((taken / gain) - 1);
                if (turned >= best.Moved) return;
                var bias = Math.Round((at - (taken * mean)) / unit) * unit;
                var moved = turned + Math.Abs((taken * mean) + bias - at);
                if (moved < best.Moved) best = new Channel(taken, bias, moved);
            }
        }
    }

    private sealed class Network(NetworkGraph graph, IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, WeightFormat> formats)
    {
        private readonly RoundedTensors _rounded = new(graph);

        public double Avoid()
        {
            var moved = 0.0;
            foreach (var node in graph.Nodes)
            {
                moved = Math.Max(moved, node switch
                {
                    BatchNorm norm when SumOf(norm.Inputs[0]) is { } sum && _rounded.After(norm) is { } point => Move(norm, sum, point),
                    Conv2d { Bias: true } or Linear { Bias: true } when SumOf(node.Name) is { } sum => MoveBias(node, sum),
                    _ => 0,
                });
            }

            return moved;
        }

        private double Move(BatchNorm norm, Sum sum, Quantize point)
        {
            var (weight, bias) = (Values(norm, "weight"), Values(norm, "bias"));
            var (mean, variance) = (Values(norm, "running_mean"), Values(norm, "running_var"));
            var own = sum.Layer is { } layer && tensors.ContainsKey($"{layer.Name}.bias") ? Values(layer, "bias") : new double[weight.Length];
            var step = Math.ScaleB(1, -point.Fraction);
            var moved = 0.0;
            for (var c = 0; c < weight.Length; c++)
            {
                var deviation = Math.Sqrt(variance[c] + norm.Epsilon);
                var toSteps = sum.Unit / deviation / step;
                var spread = Math.Abs(weight[c]) * Math.Sqrt(variance[c]) / deviation / step;
                var channel = Channel.Of(weight[c] * toSteps, (mean[c] - own[c]) / sum.Unit, bias[c] / step, spread, sum.Finest);
                moved = Math.Max(moved, channel.Moved);
                weight[c] = channel.Gain / toSteps;
                bias[c] = (channel.Bias + (channel.Gain * (mean[c] - own[c]) / sum.Unit)) * step;
            }

            Set(norm, "weight", weight);
            Set(norm, "bias", bias);
            return moved;
        }

        /// <summary>Where a batch norm follows, the layer's own bias is part of that.</summary>
        private double MoveBias(Node layer, Sum sum)
        {
            if (_rounded.Readers(layer).Any(reader => reader is BatchNorm)) return 0;
            var bias = Values(layer, "bias");
            var point = _rounded.After(layer);
            // Where a unit of the sum is worth several steps, whole steps do as well: they are whole numbers of weights that are a power of two as fine.
            var unit = point is null ? sum.Unit : Math.Min(sum.Unit, Step(point));
            var whole = Array.ConvertAll(bias, value => Math.Round(value / unit) * unit);
            Set(layer, "bias", whole);
            return point is null ? 0 : bias.Zip(whole, (before, after) => Math.Abs(after - before)).Max() / Step(point);
        }

        /// <summary>Unit of a tensor of whole numbers: of a layer's sums, or of activations.</summary>
        private Sum? SumOf(string tensor)
        {
            if (_rounded.Before(tensor) is { } point) return new Sum(null, Step(point), GreatestLevel);
            return _rounded.Node(tensor) is { } node and (Conv2d or Linear) && formats.TryGetValue($"{node.Name}.weight", out var format)
                && _rounded.Before(node.Inputs[0]) is { } input
                ? new Sum(node, Step(input) * format.StepSize, Finest(format.MaxLevel))
                : null;
        }

        private double[] Values(Node node, string name) =>
            MemoryMarshal.Cast<byte, double>(tensors[$"{node.Name}.{name}"].detach().to(ScalarType.Float64).cpu().contiguous().bytes).ToArray();

        private void Set(Node node, string name, double[] values)
        {
            var to = tensors[$"{node.Name}.{name}"];
            to.copy_(tensor(values).to(to.dtype).reshape(to.shape));
        }

        private static double Step(Quantize point) => Math.ScaleB(1, -point.Fraction);
    }

    /// <summary>Whole numbers.</summary>
    /// <param name="Layer">What sums them up; null where they are activations.</param>
    /// <param name="Unit">Value of 1, a power of two.</param>
    /// <param name="Finest">The largest L.</param>
    private sealed record Sum(Node? Layer, double Unit, int Finest);
}
