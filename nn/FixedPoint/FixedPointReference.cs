using System.Numerics;
using Lathe.Contracts;

namespace Lathe.NN.FixedPoint;

/// <summary>
/// Runs a network of whole numbers in integers of any size, one output at a time, by the definitions of its steps. Slow; it is what
/// <see cref="FixedPointEngine"/> and the C export are held against.
/// </summary>
public static class FixedPointReference
{
    /// <summary>Logits of one image.</summary>
    /// <param name="network">The network.</param>
    /// <param name="image">Bytes of its input tensor.</param>
    /// <returns>In steps of 2^(−<see cref="FixedPointNetwork.LogitFraction"/>).</returns>
    public static int[] Run(FixedPointNetwork network, ReadOnlySpan<byte> image)
    {
        var values = new BigInteger[network.Tensors.Count][];
        var input = network.Tensors[network.Input];
        if (image.Length != input.Length) throw new ArgumentException($"{image.Length} bytes given; the image has {input.Length}", nameof(image));
        values[network.Input] = new BigInteger[image.Length];
        for (var i = 0; i < image.Length; i++) values[network.Input][i] = image[i] - (int)input.Zero;

        var logits = Array.Empty<BigInteger>();
        foreach (var step in network.Steps)
        {
            // Here a tensor holds its values in steps, without the zero that bytes are counted from.
            var made = Make(network, step, [.. step.Inputs.Select(tensor => values[tensor])]);
            if (step.Output < 0)
            {
                logits = made;
                continue;
            }

            var tensor = network.Tensors[step.Output];
            values[step.Output] = Array.ConvertAll(made, value => BigInteger.Clamp(value, tensor.Least - tensor.Zero, tensor.Greatest - tensor.Zero));
        }

        return Array.ConvertAll(logits, logit => (int)BigInteger.Clamp(logit, int.MinValue, int.MaxValue));
    }

    private static BigInteger[] Make(FixedPointNetwork network, IntegerStep step, BigInteger[][] inputs)
    {
        var from = network.Tensors[step.Inputs[0]];
        var to = step.Output < 0 ? from : network.Tensors[step.Output];
        var channels = to.Shape.Channels;
        var x = inputs[0];
        switch (step)
        {
            case MultiplyStep multiply:
                return Multiply(multiply, x);
            case ChannelStep map:
                return Each(x.Length, i => Map(map.Maps[i % channels], x[i]));
            case SlopeStep slope:
                return Each(x.Length, i => Map(x[i].Sign < 0 ? slope.Negative[i % channels] : slope.Positive, x[i]));
            case SumStep sum:
                return Each(x.Length, i => Map(sum.Map, inputs.Aggregate(BigInteger.Zero, (total, input) => total + input[i])));
            case ProductStep product:
                return Each(to.Length, i => Map(product.Map, Factor(inputs[0], i) * Factor(inputs[1], i)));
            case MeanStep mean:
                return Mean(mean, x, from.Shape.Width, channels);
            case MaximumStep maximum:
                return Maximum(maximum, x, from, to);
            case TableStep table:
                return Each(x.Length, i => Look(table.Table, x[i], from, to));
            case JoinStep join:
                return Join(network, join, inputs, to);
            case PadStep pad:
                return Each(to.Length, i =>
                {
                    var channel = (i % channels) - pad.Before;
                    var (row, column) = ((i / channels / to.Shape.Width) - pad.Top, (i / channels % to.Shape.Width) - pad.Left);
                    var isInside = channel >= 0 && channel < from.Shape.Channels && row >= 0 && row < from.Shape.Height && column >= 0 && column < from.Shape.Width;
                    return isInside ? x[(((row * from.Shape.Width) + column) * from.Shape.Channels) + channel] : 0;
                });
            case SubsampleStep subsample:
                return Each(to.Length, i =>
                {
                    var (pixel, channel) = (i / channels, i % channels);
                    var (row, column) = (pixel / to.Shape.Width * subsample.Stride.Height, pixel % to.Shape.Width * subsample.Stride.Width);
                    return x[(((row * from.Shape.Width) + column) * channels) + channel];
                });
            case FlattenStep flatten:
                var columns = x.Length / flatten.Rows;
                return Each(x.Length, i => x[(i % flatten.Rows * columns) + (i / flatten.Rows)]);
            case LogitStep:
                return x;
            default:
                throw new LatheException($"the reference has no {step.GetType().Name}");
        }

        BigInteger Factor(BigInteger[] values, int i) => values.Length == channels ? values[i % channels] : values[i];
    }

    private static BigInteger[] Each(int length, Func<int, BigInteger> value) => [.. Enumerable.Range(0, length).Select(value)];

    /// <summary>round((x·m + b) / 2^s), ties to even.</summary>
    private static BigInteger Map(Requantizer map, BigInteger value) => Rounded((value * map.Multiplier) + map.Offset, BigInteger.One << map.Shift);

    /// <summary>round(x·2^p / d), ties to even.</summary>
    private static BigInteger Divide(Quotient division, BigInteger value) => Rounded(value << division.Places, division.Divisor);

    private static BigInteger Rounded(BigInteger numerator, BigInteger denominator)
    {
        var whole = BigInteger.DivRem(numerator, denominator, out var rest);
        if (rest.Sign < 0) (whole, rest) = (whole - 1, rest + denominator);
        var above = (2 * rest).CompareTo(denominator);
        return above > 0 || (above == 0 && !whole.IsEven) ? whole + 1 : whole;
    }

    private static BigInteger[] Multiply(MultiplyStep step, BigInteger[] x)
    {
        var shape = step.Shape;
        var (read, made) = (shape.InChannels / shape.Groups, shape.OutChannels / shape.Groups);
        var result = new BigInteger[shape.OutHeight * shape.OutWidth * shape.OutChannels];
        for (var i = 0; i < result.Length; i++)
        {
            var (pixel, channel) = (i / shape.OutChannels, i % shape.OutChannels);
            var sum = BigInteger.Zero;
            for (var tap = 0; tap < shape.Kernel.Area; tap++)
            {
                var row = (pixel / shape.OutWidth * shape.Stride.Height) + (tap / shape.Kernel.Width * shape.Dilation.Height) - shape.Top;
                var column = (pixel % shape.OutWidth * shape.Stride.Width) + (tap % shape.Kernel.Width * shape.Dilation.Width) - shape.Left;
                if (row < 0 || row >= shape.Height || column < 0 || column >= shape.Width) continue;
                var at = (((row * shape.Width) + column) * shape.InChannels) + (channel / made * read);
                var levels = step.Levels.AsSpan((channel * shape.Depth) + (tap * read), read);
                for (var c = 0; c < read; c++)
                {
                    if (levels[c] != 0) sum += levels[c] * x[at + c];
                }
            }

            result[i] = Map(step.Maps[channel], sum);
        }

        return result;
    }

    private static BigInteger[] Mean(MeanStep step, BigInteger[] x, int width, int channels)
    {
        var result = new BigInteger[step.Rows.Count * step.Columns.Count * channels];
        for (var i = 0; i < result.Length; i++)
        {
            var (pixel, channel) = (i / channels, i % channels);
            var (y, column) = (pixel / step.Columns.Count, pixel % step.Columns.Count);
            var (rows, columns) = (step.Rows[y], step.Columns[column]);
            var sum = BigInteger.Zero;
            for (var r = rows.First; r < rows.First + rows.Count; r++)
            {
                for (var c = columns.First; c < columns.First + columns.Count; c++) sum += x[(((r * width) + c) * channels) + channel];
            }

            result[i] = Divide(step.Divisions[y, column], sum);
        }

        return result;
    }

    private static BigInteger[] Maximum(MaximumStep step, BigInteger[] x, ByteTensor from, ByteTensor to) => Each(to.Length, i =>
    {
        var (pixel, channel) = (i / to.Shape.Channels, i % to.Shape.Channels);
        BigInteger? greatest = null;
        for (var tap = 0; tap < step.Kernel.Area; tap++)
        {
            var row = (pixel / to.Shape.Width * step.Stride.Height) + (tap / step.Kernel.Width) - step.Top;
            var column = (pixel % to.Shape.Width * step.Stride.Width) + (tap % step.Kernel.Width) - step.Left;
            if (row < 0 || row >= from.Shape.Height || column < 0 || column >= from.Shape.Width) continue;
            var value = x[(((row * from.Shape.Width) + column) * from.Shape.Channels) + channel];
            if (greatest is null || value > greatest) greatest = value;
        }

        return greatest!.Value;
    });

    private static BigInteger[] Join(FixedPointNetwork network, JoinStep step, BigInteger[][] inputs, ByteTensor to)
    {
        var result = new BigInteger[to.Length];
        var before = 0;
        for (var i = 0; i < inputs.Length; i++)
        {
            var from = network.Tensors[step.Inputs[i]];
            for (var j = 0; j < inputs[i].Length; j++)
            {
                var (pixel, channel) = (j / from.Shape.Channels, j % from.Shape.Channels);
                result[(pixel * to.Shape.Channels) + before + channel] = Look(step.Tables[i], inputs[i][j], from, to);
            }

            before += from.Shape.Channels;
        }

        return result;
    }

    private static BigInteger Look(byte[] table, BigInteger value, ByteTensor from, ByteTensor to) => table[(int)value + from.Zero] - to.Zero;
}
