using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Lathe.NN.Data;

/// <summary>
/// Bilinear resizing with antialiasing: each output pixel is the weighted mean of the input pixels under a triangle, as wide as two
/// output pixels (two input pixels when enlarging). Sums are float32 in a fixed order, so every machine gets the same bytes.
/// </summary>
internal static class Resampling
{
    /// <summary>Resizes a box of an image of four interleaved channels to three planes.</summary>
    /// <param name="pixels">Bytes [height, width, 4] in memory; the fourth channel is ignored.</param>
    /// <param name="width">Columns in <paramref name="pixels"/>.</param>
    /// <param name="height">Rows in <paramref name="pixels"/>.</param>
    /// <param name="box">What to resize, in columns and rows of <paramref name="pixels"/>.</param>
    /// <param name="output">Bytes [3, outputHeight, outputWidth].</param>
    /// <param name="outputWidth">At least 1.</param>
    /// <param name="outputHeight">At least 1.</param>
    /// <param name="scratch">Holds the weights and one row between calls.</param>
    public static void Resize(
        ReadOnlySpan<byte> pixels, int width, int height, CropBox box, Span<byte> output, int outputWidth, int outputHeight, ResamplingScratch scratch)
    {
        scratch.Columns.Fill(box.Left, box.Width, width, outputWidth, box.Isolated);
        scratch.Rows.Fill(box.Top, box.Height, height, outputHeight, box.Isolated);
        var firstColumn = scratch.Columns.Lowest;
        var columns = scratch.Columns.Highest - firstColumn;
        // The loop below reads sixteen bytes at a time.
        var row = scratch.Row(((4 * columns) + 15) & ~15);
        for (var y = 0; y < outputHeight; y++)
        {
            MixRows(pixels, width, firstColumn, columns, scratch.Rows, y, row);
            MixColumns(row, firstColumn, scratch.Columns, output, y * outputWidth, outputWidth, outputWidth * outputHeight);
        }
    }

    // Row first, column second: this way the inner loop runs along memory, and one row at a time stays in the nearest cache.
    private static void MixRows(ReadOnlySpan<byte> pixels, int width, int firstColumn, int columns, Taps rows, int y, Span<float> row)
    {
        var count = 4 * columns;
        var weights = rows.At(y, out var first);
        row.Clear();
        for (var tap = 0; tap < weights.Length; tap++)
        {
            var source = pixels.Slice(4 * (((first + tap) * width) + firstColumn), count);
            var weight = Vector128.Create(weights[tap]);
            var i = 0;
            for (; i <= count - 16; i += 16)
            {
                ref var sums = ref Unsafe.As<float, Vector128<float>>(ref row[i]);
                var (low, high) = Vector128.Widen(Vector128.Create<byte>(source.Slice(i, 16)));
                var (a, b) = Vector128.Widen(low);
                var (c, d) = Vector128.Widen(high);
                sums += weight * Vector128.ConvertToSingle(a.AsInt32());
                Unsafe.Add(ref sums, 1) += weight * Vector128.ConvertToSingle(b.AsInt32());
                Unsafe.Add(ref sums, 2) += weight * Vector128.ConvertToSingle(c.AsInt32());
                Unsafe.Add(ref sums, 3) += weight * Vector128.ConvertToSingle(d.AsInt32());
            }

            for (; i < count; i++)
                row[i] += weights[tap] * source[i];
        }
    }

    private static void MixColumns(ReadOnlySpan<float> row, int firstColumn, Taps columns, Span<byte> output, int start, int outputWidth, int plane)
    {
        var red = output.Slice(start, outputWidth);
        var green = output.Slice(start + plane, outputWidth);
        var blue = output.Slice(start + (2 * plane), outputWidth);
        var sources = MemoryMarshal.Cast<float, Vector128<float>>(row);
        for (var x = 0; x < red.Length; x++)
        {
            var weights = columns.At(x, out var first);
            var taps = sources.Slice(first - firstColumn, weights.Length);
            var sum = Vector128.Create(0.5f);
            for (var tap = 0; tap < taps.Length; tap++)
                sum += weights[tap] * taps[tap];
            // Weights are not negative and add up to 1 but for rounding, so the result is at most a hair above 255.
            var pixel = Vector128.Min(Vector128.ConvertToInt32(sum), Vector128.Create(255));
            red[x] = (byte)pixel[0];
            green[x] = (byte)pixel[1];
            blue[x] = (byte)pixel[2];
        }
    }
}

/// <summary>Memory that resizing uses again and again; not for two threads at once.</summary>
internal sealed class ResamplingScratch
{
    private float[] _row = [];

    public Taps Columns { get; } = new();

    public Taps Rows { get; } = new();

    public Span<float> Row(int length)
    {
        if (_row.Length < length)
            _row = new float[length];
        return _row.AsSpan(0, length);
    }
}

/// <summary>For each output place along one axis: the first input place under its triangle, and the weights from there on.</summary>
internal sealed class Taps
{
    private int[] _first = [];
    private int[] _count = [];
    private float[] _weights = [];
    private int _stride;

    /// <summary>First input place that any output needs.</summary>
    public int Lowest { get; private set; }

    /// <summary>One past the last.</summary>
    public int Highest { get; private set; }

    public ReadOnlySpan<float> At(int place, out int first)
    {
        first = _first[place];
        return _weights.AsSpan(place * _stride, _count[place]);
    }

    /// <summary>Computes the weights.</summary>
    /// <param name="start">Where the box begins.</param>
    /// <param name="length">How long it is.</param>
    /// <param name="limit">Input places there are.</param>
    /// <param name="outputs">Output places.</param>
    /// <param name="isolated">Whether input outside the box is left out.</param>
    public void Fill(double start, double length, int limit, int outputs, bool isolated)
    {
        var scale = length / outputs;
        var radius = Math.Max(scale, 1);
        _stride = (int)Math.Ceiling(2 * radius) + 2;
        if (_first.Length < outputs)
            (_first, _count) = (new int[outputs], new int[outputs]);
        if (_weights.Length < outputs * _stride)
            _weights = new float[outputs * _stride];
        var (least, most) = isolated ? (Math.Max(0, (int)Math.Floor(start)), Math.Min(limit, (int)Math.Ceiling(start + length))) : (0, limit);
        (Lowest, Highest) = (limit, 0);
        for (var place = 0; place < outputs; place++)
        {
            var centre = start + ((place + 0.5) * scale);
            var first = Math.Clamp((int)Math.Ceiling(centre - radius - 0.5), least, most - 1);
            var last = Math.Clamp((int)Math.Floor(centre + radius - 0.5), first, most - 1);
            var sum = 0.0;
            for (var i = first; i <= last; i++)
                sum += Weight(i);
            var weights = _weights.AsSpan(place * _stride, last - first + 1);
            for (var i = first; i <= last; i++)
                weights[i - first] = sum > 0 ? (float)(Weight(i) / sum) : 1f / weights.Length;
            _first[place] = first;
            _count[place] = weights.Length;
            Lowest = Math.Min(Lowest, first);
            Highest = Math.Max(Highest, last + 1);

            double Weight(int i) => Math.Max(0, 1 - (Math.Abs(i + 0.5 - centre) / radius));
        }
    }
}
