using System.Runtime.CompilerServices;

namespace Lathe.NN.FixedPoint.Engine;

/// <summary>A convolution or linear layer: the bytes that each output reads are laid in a row, and rows are multiplied with strips of levels.</summary>
internal sealed unsafe class PreparedMultiply : PreparedStep
{
    // Rows of one block stay in the second-level cache while strip after strip is multiplied with them.
    private const int BlockBytes = 96 << 10;
    private const int Width = PackedWeights.Width;

    private readonly InstructionSet _set;
    private readonly ConvolutionShape _shape;
    private readonly PackedWeights _weights;
    private readonly ChannelMaps _maps;
    private readonly ByteTensor _input;
    private readonly ByteTensor? _output;
    private readonly int _from;
    private readonly int _to;
    private readonly int _blockPixels;
    private readonly bool _isDirect;

    /// <param name="step">The layer.</param>
    /// <param name="input">What it reads, and where that lies.</param>
    /// <param name="output">What it makes, or null for logits.</param>
    /// <param name="set">What to compute with.</param>
    public PreparedMultiply(MultiplyStep step, Placed input, Placed? output, InstructionSet set)
    {
        (_set, _shape) = (set, step.Shape);
        (_input, _from) = input;
        (_output, _to) = (output?.Tensor, output?.Offset ?? 0);
        _weights = new PackedWeights(step);
        _maps = new ChannelMaps(step.Maps, _shape.Groups, ZeroSums(step, _input.Zero));
        // With one pixel under the kernel the tensor itself is the rows.
        _isDirect = _shape is { Kernel: 1, Stride: 1, Padding: 0, Groups: 1 };
        var pixels = (Pixels + Kernels.Rows - 1) / Kernels.Rows * Kernels.Rows;
        _blockPixels = Math.Clamp(BlockBytes / _weights.Depth / Kernels.Rows * Kernels.Rows, Kernels.Rows, pixels);
        Scratch = new ScratchSize(
            Rows: _isDirect ? 0 : _blockPixels * _weights.Depth,
            Strip: _weights.UnpackedBytes,
            Sums: 2 * Kernels.Rows * Width,
            ReadAhead: Kernels.Rows * _weights.Depth);
    }

    public override ScratchSize Scratch { get; }

    public override long ModelBytes => _weights.Bytes + _maps.Bytes;

    private int Pixels => _shape.OutHeight * _shape.OutWidth;

    /// <summary>By how much a channel's sum of bytes exceeds that of (byte − zero): zero times its levels.</summary>
    internal static long[] ZeroSums(MultiplyStep step, byte zero)
    {
        var sums = new long[step.Shape.OutChannels];
        for (var channel = 0; channel < sums.Length; channel++)
        {
            foreach (var level in step.Levels.AsSpan(channel * step.Shape.Depth, step.Shape.Depth)) sums[channel] += zero * level;
        }

        return sums;
    }

    public override void Run(byte* arena, int* logits, Scratch scratch, int part, int parts)
    {
        var tiles = (Pixels + Kernels.Rows - 1) / Kernels.Rows;
        var strips = _weights.StripsPerGroup;
        // Few pixels and many channels: each part takes some of the channels; else some of the pixels.
        var byStrip = tiles < parts;
        var (firstTile, endTile) = byStrip ? (0, tiles) : Share(tiles, part, parts);
        var (firstStrip, endStrip) = byStrip ? Share(strips, part, parts) : (0, strips);
        var end = Math.Min(Pixels, endTile * Kernels.Rows);
        for (var first = firstTile * Kernels.Rows; first < end; first += _blockPixels)
        {
            var count = Math.Min(_blockPixels, end - first);
            for (var group = 0; group < _shape.Groups; group++)
            {
                var rows = arena + _from + ((nint)first * _shape.InChannels);
                nint stride = _shape.InChannels;
                if (!_isDirect)
                {
                    rows = scratch.RowBytes;
                    stride = _weights.Depth;
                    for (var i = 0; i < count; i++) LayOut(arena + _from, first + i, group, rows + (i * stride));
                }

                for (var strip = firstStrip; strip < endStrip; strip++)
                    MultiplyStrip(arena, logits, scratch, rows, stride, first, count, group, strip);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void MultiplyStrip(byte* arena, int* logits, Scratch scratch, byte* rows, nint stride, int first, int count, int group, int strip)
    {
        var made = _shape.OutChannels / _shape.Groups;
        var index = (group * _weights.StripsPerGroup) + strip;
        var channel = (group * made) + (strip * Width);
        var channels = Math.Min(Width, made - (strip * Width));
        var levels = scratch.Levels;
        var sums = scratch.SumNumbers;
        _weights.Unpack(index, levels);
        var edge = stackalloc byte[Width];
        for (var pixel = 0; pixel < count; pixel += Kernels.Rows)
        {
            var present = Math.Min(Kernels.Rows, count - pixel);
            var taken = present == 1 ? 1 : Kernels.Rows;
            Multiply(rows + (pixel * stride), stride, taken, levels, sums);
            for (var row = 0; row < present; row++)
            {
                var own = sums + (row * Width);
                var at = ((nint)(first + pixel + row) * _shape.OutChannels) + channel;
                if (_output is null)
                {
                    for (var c = 0; c < channels; c++)
                        logits[at + c] = (int)Math.Clamp(_maps.Apply((index * Width) + c, own[c]), int.MinValue, int.MaxValue);
                    continue;
                }

                var target = arena + _to + at;
                if (channels == Width)
                {
                    _maps.Store(_set, index * Width, own, _output, target);
                    continue;
                }

                _maps.Store(_set, index * Width, own, _output, edge);
                for (var c = 0; c < channels; c++) target[c] = edge[c];
            }
        }
    }

    private void Multiply(byte* rows, nint stride, int count, sbyte* levels, int* sums)
    {
        var numbers = count * Width;
        new Span<int>(sums, numbers).Clear();
        Kernels.Multiply(_set, rows, stride, count, levels, _weights.Depth, _weights.SafeAdditions, sums);
        if (!_weights.IsSplit) return;
        for (var i = 0; i < numbers; i++) sums[i] *= 2;
        Kernels.Multiply(_set, rows, stride, count, levels + (_weights.Depth * Width), _weights.Depth, _weights.SafeAdditions, sums);
    }

    /// <summary>The bytes under the kernel of one output, taps in order, zeros where it lies outside.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void LayOut(byte* input, int pixel, int group, byte* row)
    {
        var shape = _shape;
        var read = shape.InChannels / shape.Groups;
        var top = (pixel / shape.OutWidth * shape.Stride) - shape.Padding;
        var left = (pixel % shape.OutWidth * shape.Stride) - shape.Padding;
        var wholeRows = shape.Dilation == 1 && shape.Groups == 1 && left >= 0 && left + shape.Kernel <= shape.Width;
        for (var y = 0; y < shape.Kernel; y++)
        {
            var line = top + (y * shape.Dilation);
            if (line < 0 || line >= shape.Height)
            {
                Unsafe.InitBlockUnaligned(row, _input.Zero, (uint)(shape.Kernel * read));
                row += shape.Kernel * read;
                continue;
            }

            var source = input + ((nint)line * shape.Width * shape.InChannels) + (group * read);
            if (wholeRows)
            {
                Unsafe.CopyBlockUnaligned(row, source + (left * read), (uint)(shape.Kernel * read));
                row += shape.Kernel * read;
                continue;
            }

            for (var x = 0; x < shape.Kernel; x++, row += read)
            {
                var column = left + (x * shape.Dilation);
                if (column >= 0 && column < shape.Width) Unsafe.CopyBlockUnaligned(row, source + ((nint)column * shape.InChannels), (uint)read);
                else Unsafe.InitBlockUnaligned(row, _input.Zero, (uint)read);
            }
        }
    }
}
