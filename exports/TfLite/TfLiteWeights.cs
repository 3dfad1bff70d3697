using System.Runtime.InteropServices;
using Lathe.NN.FixedPoint;

namespace Lathe.Exports.TfLite;

/// <summary>
/// Weights, scales and biases with which TFLite's sums stand for the engine's. TFLite computes (Σ w·(q − zero) + bias)·(input scale · weight scale / output
/// scale), the engine a·Σ k·(q − zero) + b for each channel. So a channel's weight scale is |a|·output scale / input scale, which holds a batch norm's gain.
/// A weight may be k·L with a scale that is L times as fine: the bias is a whole number of such steps.
/// </summary>
/// <param name="Levels">Whole numbers, [out, ...] as the step has them.</param>
/// <param name="Scales">One, or one for each channel.</param>
/// <param name="Bias">In steps of input scale · weight scale.</param>
/// <param name="Lost">Largest part of an output step that rounding a bias costs.</param>
internal sealed record TfLiteWeights(sbyte[] Levels, float[] Scales, int[] Bias, double Lost)
{
    // Constant channels: their sums' unit is so much of an output step. No byte's range is further away than so many steps.
    private const double ConstantUnit = 1.0 / (1 << 16);
    private const double Furthest = 1 << 10;

    // What a channel's sum adds at most, in output steps, for it to count as constant.
    private const double Nothing = 1e-3;

    private const int MostOfByte = 255;

    /// <summary>Those of a step's maps, with the finest steps that fit, of those with which biases lose least.</summary>
    /// <param name="levels">k, channel after channel.</param>
    /// <param name="maps">a and b of each channel.</param>
    /// <param name="scale">Output scale / input scale.</param>
    /// <param name="most">Greatest magnitude of a weight.</param>
    /// <returns>Null: a channel's bias does not fit 32 bits.</returns>
    public static TfLiteWeights? Of(sbyte[] levels, IReadOnlyList<Requantizer> maps, double scale, int most)
    {
        var depth = levels.Length / maps.Count;
        var channels = maps.Select((map, c) => new Channel(Slope(map), Intercept(map), levels.AsMemory(c * depth, depth))).ToArray();
        var isUniform = Array.TrueForAll(channels, channel => channel.Slope == channels[0].Slope && channel.Slope > 0);
        int[] fine;
        if (isUniform)
        {
            // One scale for all, of which powers of two stay such.
            var factors = Powers(most / Math.Max(1, channels.Max(channel => channel.Greatest))).Where(factor => Array.TrueForAll(channels, channel => channel.Fits(factor))).ToArray();
            if (factors.Length == 0) return null;
            var best = factors.MinBy(factor => channels.Max(channel => channel.LostSteps(factor)));
            fine = [.. Enumerable.Repeat(best, channels.Length)];
        }
        else
        {
            channels = Array.ConvertAll(channels, channel => channel.IsNothing ? channel.Constant() : channel);
            var factors = channels.Select(channel => Enumerable.Range(1, most / Math.Max(1, channel.Greatest)).Reverse().Where(channel.Fits).ToArray()).ToArray();
            if (Array.Exists(factors, own => own.Length == 0)) return null;
            fine = [.. factors.Select((own, c) => own.MinBy(channels[c].LostSteps))];
        }

        var scales = channels.Select((channel, c) => (float)(Math.Abs(channel.Slope) * scale / fine[c])).ToArray();
        return new TfLiteWeights(
            [.. channels.SelectMany((channel, c) => channel.Times(fine[c]))],
            isUniform ? [scales[0]] : scales,
            [.. channels.Select((channel, c) => (int)channel.Bias(fine[c]))],
            channels.Select((channel, c) => channel.Lost(fine[c])).Max());
    }

    /// <summary>a of a map.</summary>
    public static double Slope(Requantizer map) => Math.ScaleB(map.Multiplier, -map.Shift);

    /// <summary>b of a map.</summary>
    public static double Intercept(Requantizer map) => Math.ScaleB((double)map.Offset, -map.Shift);

    // The finest first: of several that lose the same, it is taken.
    private static IEnumerable<int> Powers(int most)
    {
        for (var power = 1 << 6; power > 0; power >>= 1)
        {
            if (power <= most) yield return power;
        }
    }

    private sealed record Channel(double Slope, double Intercept, ReadOnlyMemory<sbyte> Levels)
    {
        public int Greatest { get; } = MemoryMarshal.ToEnumerable(Levels).Max(level => Math.Abs((int)level));

        private long Sum { get; } = MemoryMarshal.ToEnumerable(Levels).Sum(level => Math.Abs((long)level)) * MostOfByte;

        public bool IsNothing => Math.Abs(Slope) * Sum < Nothing;

        public Channel Constant() => new(ConstantUnit, Math.Clamp(Intercept, -Furthest, Furthest), new sbyte[Levels.Length]);

        public double Bias(int factor) => Math.Round(Intercept * factor / Math.Abs(Slope));

        public bool Fits(int factor) => (Sum * factor) + Math.Abs(Bias(factor)) <= int.MaxValue;

        public double Lost(int factor) => Math.Abs((Bias(factor) * Math.Abs(Slope) / factor) - Intercept);

        // In millionths of an output step: less is the noise of its float numbers.
        public double LostSteps(int factor) => Math.Round(Lost(factor) * 1e6);

        // For a negative slope the levels change their sign, because a scale is above 0.
        public IEnumerable<sbyte> Times(int factor) => MemoryMarshal.ToEnumerable(Levels).Select(level => (sbyte)(level * factor * Math.Sign(Slope)));
    }
}
