using System.Runtime.InteropServices;
using Lathe.Contracts;

namespace Lathe.Graph.Checkpoints;

/// <summary>Weights of a checkpoint's file as numbers, without libtorch.</summary>
public static class CheckpointWeights
{
    /// <summary>The values of one weight, in the order of its tensor; those of a quantized one as the numbers that they stand for.</summary>
    /// <param name="stream">The checkpoint's file, seekable.</param>
    /// <param name="header">Its header.</param>
    /// <param name="weight">One of its network's weights.</param>
    /// <exception cref="LatheException">Damaged.</exception>
    public static float[] Read(Stream stream, CheckpointHeader header, ParameterShape weight)
    {
        var values = new float[weight.Values];
        var isPacked = header.Formats.TryGetValue(weight.Name, out var format);
        var entry = header.Stored.First(t => t.Name == (isPacked ? CheckpointHeader.PackedName(weight.Name) : weight.Name));
        stream.Position = header.FileBytes - header.Stored[^1].End + entry.Begin;
        if (format is null)
        {
            // Little-endian, as safetensors and this machine are.
            stream.ReadExactly(MemoryMarshal.AsBytes(values.AsSpan()));
            return values;
        }

        var packed = new byte[entry.Bytes];
        stream.ReadExactly(packed);
        format.Unpack(packed, values, weight.Name);
        return values;
    }

    /// <summary>How many values fall into each of so many bins of equal width from -<paramref name="most"/> to <paramref name="most"/>.</summary>
    /// <param name="values">Any numbers; those beyond the ends count in the outermost bins, and NaN nowhere.</param>
    /// <param name="most">Above 0.</param>
    /// <param name="bins">At least 1.</param>
    public static long[] Histogram(ReadOnlySpan<float> values, double most, int bins)
    {
        var counts = new long[bins];
        foreach (var value in values)
        {
            if (!float.IsNaN(value)) counts[Math.Clamp((int)Math.Floor((value + most) / (2 * most) * bins), 0, bins - 1)]++;
        }

        return counts;
    }
}
