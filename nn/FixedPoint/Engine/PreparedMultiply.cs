using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

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
    private readonly bool _isPlain;

    /// <param name="step">The layer.</param>
    /// <param name="input">Its input tensor, with its place in memory.</param>
    /// <param name="output">Its output tensor, or null for logits.</param>
    /// <param name="set">What to compute with.</param>
    public PreparedMultiply(MultiplyStep step, Placed input, Placed? output, InstructionSet set)
    {
        (_set, _shape) = (set, step.Shape);
        (_input, _from) = input;
        (_output, _to) = (output?.Tensor, output?.Offset ?? 0);
        _weights = new PackedWeights(step);
        _maps = new ChannelMaps(step.Maps, _shape.Groups, ZeroSums(step, _input.Zero), GreatestSum(step));
        // With one pixel under the kernel the tensor itself is the rows.
        _isDirect = _shape is { Kernel.IsOne: true, Stride.IsOne: true, Top: 0, Left: 0, Groups: 1 }
            && (_shape.OutHeight, _shape.OutWidth) == (_shape.Height, _shape.Width);
        _isPlain = !_isDirect && _shape is { Groups: 1, Dilation.IsOne: true };
        var pixels = (Pixels + Kernels.Rows - 1) / Kernels.Rows * Kernels.Rows;
        _blockPixels = Math.Clamp(BlockBytes / _weights.Depth / Kernels.Rows * Kernels.Rows, Kernels.Rows, pixels);
        Scratch = new ScratchSize(
            Rows: _isDirect ? 0 : _blockPixels * _weights.Depth,
            Strip: _weights.UnpackedBytes,
            Sums: 2 * Kernels.Rows * Width,
            Image: HasBorder ? PaddedHeight * PaddedWidth * _shape.InChannels : 0,
            ReadAhead: Kernels.Rows * _weights.Depth);
    }

    public override ScratchSize Scratch { get; }

    public override long ModelBytes => _weights.Bytes + _maps.Bytes;

    // Rows and columns behind the image that windows read.
    private int Bottom => Math.Max(0, ((_shape.OutHeight - 1) * _shape.Stride.Height) + _shape.Kernel.Height - _shape.Top - _shape.Height);

    private int Right => Math.Max(0, ((_shape.OutWidth - 1) * _shape.Stride.Width) + _shape.Kernel.Width - _shape.Left - _shape.Width);

    private int PaddedHeight => _shape.Top + _shape.Height + Bottom;

    private int PaddedWidth => _shape.Left + _shape.Width + Right;

    private bool HasBorder => _isPlain && (_shape.Top > 0 || _shape.Left > 0 || Bottom > 0 || Right > 0);

    private int Pixels => _shape.OutHeight * _shape.OutWidth;

    /// <summary>The greatest magnitude of a sum of bytes times levels.</summary>
    internal static double GreatestSum(MultiplyStep step) => (double)step.Shape.Depth * byte.MaxValue * (1 << (step.Bits - 1));

    /// <summary>Difference between a channel's sum of bytes and its sum of (byte − zero): zero times its levels.</summary>
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
        // With few pixels and many channels each part computes some of the channels, otherwise some of the pixels.
        var byStrip = tiles < parts;
        var (firstTile, endTile) = byStrip ? (0, tiles) : Share(tiles, part, parts);
        var (firstStrip, endStrip) = byStrip ? Share(strips, part, parts) : (0, strips);
        var end = Math.Min(Pixels, endTile * Kernels.Rows);
        // Whole strips may be written up to here. After it another part's pixels or another tensor begin.
        var wholeEnd = _shape.Groups == 1 && (parts == 1 || !byStrip) ? (nint)end * _shape.OutChannels : 0;
        var image = HasBorder ? WithBorder(arena + _from, scratch.ImageBytes) : arena + _from;
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
                    if (_isPlain) LayOutPlain(image, first, count, rows);
                    else
                        for (var i = 0; i < count; i++) LayOut(arena + _from, first + i, group, rows + (i * stride));
                }

                // From the last strip to the first: a pixel's last strip writes too much, and the first strip of the next pixel overwrites that.
                for (var strip = endStrip - 1; strip >= firstStrip; strip--)
                    MultiplyStrip(arena, logits, scratch, rows, stride, first, count, group, strip, wholeEnd);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void MultiplyStrip(byte* arena, int* logits, Scratch scratch, byte* rows, nint stride, int first, int count, int group, int strip, nint wholeEnd)
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
                if (channels == Width || at + Width <= wholeEnd)
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

    /// <summary>Copies the input with a border as wide as the padding, so that the bytes under a kernel's row are always one piece.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private byte* WithBorder(byte* input, byte* image)
    {
        var (left, right) = (_shape.Left * _shape.InChannels, Right * _shape.InChannels);
        var line = _shape.Width * _shape.InChannels;
        var zero = _input.Zero;
        var target = image;
        Fill((_shape.Top * (left + line + right)) + left);
        for (var y = 0; y < _shape.Height; y++, input += line)
        {
            Unsafe.CopyBlockUnaligned(target, input, (uint)line);
            target += line;
            // The right border, and the next line's left one.
            Fill(y + 1 < _shape.Height ? left + right : right);
        }

        Fill(Bottom * (left + line + right));
        return image;

        void Fill(int bytes)
        {
            Unsafe.InitBlockUnaligned(target, zero, (uint)bytes);
            target += bytes;
        }
    }

    /// <summary>The bytes under the kernel of several outputs in a row, taps in order.</summary>
    /// <param name="image">With its border.</param>
    /// <param name="pixel">The first output.</param>
    /// <param name="count">How many.</param>
    /// <param name="rows">Takes them; up to a vector behind the last is written over.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void LayOutPlain(byte* image, int pixel, int count, byte* rows)
    {
        var (kernel, channels) = (_shape.Kernel.Height, _shape.InChannels);
        var piece = _shape.Kernel.Width * channels;
        nint line = (HasBorder ? PaddedWidth : _shape.Width) * channels;
        nint step = _shape.Stride.Width * channels;
        var depth = _weights.Depth;
        var (row, column) = (pixel / _shape.OutWidth, pixel % _shape.OutWidth);
        for (; count > 0; count--, rows += depth)
        {
            var source = image + (row * _shape.Stride.Height * line) + (column * step);
            var target = rows;
            for (var y = 0; y < kernel; y++, source += line, target += piece)
            {
                // A vector may copy too much; the next piece or row overwrites that.
                for (var i = 0; i < piece; i += 32) Vector256.Load(source + i).Store(target + i);
            }

            if (++column < _shape.OutWidth) continue;
            column = 0;
            row++;
        }
    }

    /// <summary>The bytes under the kernel of one output, taps in order, zeros where it lies outside.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void LayOut(byte* input, int pixel, int group, byte* row)
    {
        var shape = _shape;
        var read = shape.InChannels / shape.Groups;
        var top = (pixel / shape.OutWidth * shape.Stride.Height) - shape.Top;
        var left = (pixel % shape.OutWidth * shape.Stride.Width) - shape.Left;
        for (var y = 0; y < shape.Kernel.Height; y++)
        {
            var line = top + (y * shape.Dilation.Height);
            if (line < 0 || line >= shape.Height)
            {
                Unsafe.InitBlockUnaligned(row, _input.Zero, (uint)(shape.Kernel.Width * read));
                row += shape.Kernel.Width * read;
                continue;
            }

            var source = input + ((nint)line * shape.Width * shape.InChannels) + (group * read);
            for (var x = 0; x < shape.Kernel.Width; x++, row += read)
            {
                var column = left + (x * shape.Dilation.Width);
                if (column >= 0 && column < shape.Width) Unsafe.CopyBlockUnaligned(row, source + ((nint)column * shape.InChannels), (uint)read);
                else Unsafe.InitBlockUnaligned(row, _input.Zero, (uint)read);
            }
        }
    }
}
