using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Lathe.NN.FixedPoint.Engine;

/// <summary>A tensor and where it lies in the arena.</summary>
internal readonly record struct Placed(ByteTensor Tensor, int Offset)
{
    public int Channels => Tensor.Shape.Channels;

    public int Pixels => Tensor.Shape.Height * Tensor.Shape.Width;
}

/// <summary>A batch norm by itself.</summary>
internal sealed unsafe class PreparedChannels(ChannelStep step, Placed from, Placed to, InstructionSet set) : PreparedStep
{
    private const int Width = PackedWeights.Width;

    private readonly ChannelMaps _maps = new(step.Maps, 1, [.. Enumerable.Repeat((long)from.Tensor.Zero, step.Maps.Count)], byte.MaxValue);

    public override ScratchSize Scratch { get; } = new(Sums: Width, ReadAhead: Width);

    public override long ModelBytes => _maps.Bytes;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Run(byte* arena, int* logits, Scratch scratch, int part, int parts)
    {
        var edge = stackalloc byte[Width];
        var (first, end) = Share(from.Pixels, part, parts);
        for (var pixel = first; pixel < end; pixel++)
        {
            var at = (nint)pixel * from.Channels;
            for (var channel = 0; channel < from.Channels; channel += Width)
            {
                for (var c = 0; c < Width; c++) scratch.SumNumbers[c] = arena[from.Offset + at + channel + c];
                var left = Math.Min(Width, from.Channels - channel);
                var target = arena + to.Offset + at + channel;
                _maps.Store(set, channel, scratch.SumNumbers, to.Tensor, left == Width ? target : edge);
                for (var c = 0; left < Width && c < left; c++) target[c] = edge[c];
            }
        }
    }
}

/// <summary>
/// A sum of tensors. Scales are powers of two, so that nearly always a shift makes the sum's steps the output's; what each possible sum of
/// bytes becomes is looked up where it does not.
/// </summary>
internal sealed unsafe class PreparedSum : PreparedStep
{
    // So many bytes add up to a number of 16 bits with room for what rounding adds.
    private const int MostShifted = 64;
    private const int GreatestShift = 7;

    private readonly Placed[] _from;
    private readonly Placed _to;
    private readonly int _zeros;
    private readonly int _shift;
    private readonly byte[] _table;

    public PreparedSum(SumStep step, Placed[] from, Placed to)
    {
        (_from, _to) = (from, to);
        _zeros = from.Sum(tensor => tensor.Tensor.Zero);
        var map = step.Map;
        _shift = map is { Offset: 0, Multiplier: > 0 } && BitOperations.IsPow2(map.Multiplier) ? map.Shift - BitOperations.Log2((uint)map.Multiplier) : -1;
        if (from.Length > MostShifted || _shift > GreatestShift) _shift = -1;
        _table = _shift >= 0 ? [] : [.. Enumerable.Range(0, (from.Length * 255) + 1).Select(sum => to.Tensor.Store(map.Apply(sum - _zeros)))];
    }

    public override long ModelBytes => _table.Length;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Run(byte* arena, int* logits, Scratch scratch, int part, int parts)
    {
        var (first, end) = Share(_to.Tensor.Length, part, parts);
        var target = arena + _to.Offset;
        if (_shift >= 0)
        {
            first = Shift(arena, target, first, end);
            for (; first < end; first++) target[first] = _to.Tensor.Store(new Requantizer(1, 0, Math.Max(1, _shift)).Apply((Sum(arena, first) - _zeros) << (_shift == 0 ? 1 : 0)));
            return;
        }

        fixed (byte* table = _table)
        {
            for (var i = first; i < end; i++) target[i] = table[Sum(arena, i)];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int Sum(byte* arena, int at)
    {
        var sum = 0;
        foreach (var tensor in _from) sum += arena[tensor.Offset + at];
        return sum;
    }

    /// <summary>Sixteen at a time.</summary>
    /// <returns>Where those begin that are too few for that.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private int Shift(byte* arena, byte* target, int first, int end)
    {
        var shift = _shift;
        var zeros = Vector128.Create((short)_zeros);
        var half = Vector128.Create((short)(shift == 0 ? 0 : (1 << (shift - 1)) - 1));
        var odd = Vector128.Create((short)(shift == 0 ? 0 : 1));
        var zero = Vector128.Create((short)_to.Tensor.Zero);
        var least = Vector128.Create((short)_to.Tensor.Least);
        var greatest = Vector128.Create((short)_to.Tensor.Greatest);
        for (; first + 16 <= end; first += 16)
        {
            var (low, high) = (-zeros, -zeros);
            foreach (var tensor in _from)
            {
                var (left, right) = Vector128.Widen(Vector128.Load(arena + tensor.Offset + first));
                low += left.AsInt16();
                high += right.AsInt16();
            }

            low = Vector128.ShiftRightArithmetic(low + half + (Vector128.ShiftRightArithmetic(low, shift) & odd), shift) + zero;
            high = Vector128.ShiftRightArithmetic(high + half + (Vector128.ShiftRightArithmetic(high, shift) & odd), shift) + zero;
            low = Vector128.Min(Vector128.Max(low, least), greatest);
            high = Vector128.Min(Vector128.Max(high, least), greatest);
            Vector128.Narrow(low.AsUInt16(), high.AsUInt16()).Store(target + first);
        }

        return first;
    }
}

/// <summary>A product of two tensors.</summary>
internal sealed unsafe class PreparedProduct(ProductStep step, Placed left, Placed right, Placed to) : PreparedStep
{
    public override long ModelBytes => Unsafe.SizeOf<Requantizer>();

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Run(byte* arena, int* logits, Scratch scratch, int part, int parts)
    {
        var (first, end) = Share(to.Pixels, part, parts);
        for (var pixel = first; pixel < end; pixel++)
        {
            for (var channel = 0; channel < to.Channels; channel++)
            {
                var at = (pixel * to.Channels) + channel;
                var value = (Byte(left, at, channel) - left.Tensor.Zero) * (Byte(right, at, channel) - right.Tensor.Zero);
                arena[to.Offset + at] = to.Tensor.Store(step.Map.Apply(value));
            }
        }

        int Byte(Placed tensor, int at, int channel) => arena[tensor.Offset + (tensor.Pixels == 1 ? channel : at)];
    }
}

/// <summary>PReLU.</summary>
internal sealed unsafe class PreparedSlopes(SlopeStep step, Placed from, Placed to) : PreparedStep
{
    private readonly Requantizer[] _negative = [.. step.Negative];

    public override long ModelBytes => (long)(_negative.Length + 1) * Unsafe.SizeOf<Requantizer>();

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Run(byte* arena, int* logits, Scratch scratch, int part, int parts)
    {
        var (first, end) = Share(to.Tensor.Length, part, parts);
        for (var i = first; i < end; i++)
        {
            var value = arena[from.Offset + i] - from.Tensor.Zero;
            arena[to.Offset + i] = to.Tensor.Store((value < 0 ? _negative[i % from.Channels] : step.Positive).Apply(value));
        }
    }
}

/// <summary>Means over windows.</summary>
internal sealed unsafe class PreparedMean(MeanStep step, Placed from, Placed to) : PreparedStep
{
    public override long ModelBytes => (long)step.Divisions.Length * Unsafe.SizeOf<Quotient>();

    public override ScratchSize Scratch { get; } = new(Sums: from.Channels);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Run(byte* arena, int* logits, Scratch scratch, int part, int parts)
    {
        var channels = from.Channels;
        var sums = scratch.SumNumbers;
        var (first, end) = Share(to.Pixels, part, parts);
        for (var pixel = first; pixel < end; pixel++)
        {
            var (y, x) = (pixel / step.Columns.Count, pixel % step.Columns.Count);
            var (rows, columns) = (step.Rows[y], step.Columns[x]);
            new Span<int>(sums, channels).Fill(-(rows.Count * columns.Count * from.Tensor.Zero));
            for (var row = rows.First; row < rows.First + rows.Count; row++)
            {
                var source = arena + from.Offset + (((nint)row * from.Tensor.Shape.Width) + columns.First) * channels;
                for (var column = 0; column < columns.Count; column++, source += channels)
                {
                    for (var channel = 0; channel < channels; channel++) sums[channel] += source[channel];
                }
            }

            var division = step.Divisions[y, x];
            var target = arena + to.Offset + ((nint)pixel * channels);
            for (var channel = 0; channel < channels; channel++) target[channel] = to.Tensor.Store(division.Apply(sums[channel]));
        }
    }
}

/// <summary>Greatest bytes of windows.</summary>
internal sealed unsafe class PreparedMaximum(MaximumStep step, Placed from, Placed to) : PreparedStep
{
    private const int Width = 16;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Run(byte* arena, int* logits, Scratch scratch, int part, int parts)
    {
        var (input, output, channels) = (from.Tensor.Shape, to.Tensor.Shape, to.Channels);
        var source = arena + from.Offset;
        var target = arena + to.Offset;
        var line = (nint)input.Width * channels;
        var (first, end) = Share(to.Pixels, part, parts);
        for (var pixel = first; pixel < end; pixel++)
        {
            var (top, left) = ((pixel / output.Width * step.Stride.Height) - step.Top, (pixel % output.Width * step.Stride.Width) - step.Left);
            var (y, x) = (Math.Max(0, top), Math.Max(0, left));
            var window = source + (y * line) + ((nint)x * channels);
            Greatest(
                window, line, Math.Min(input.Height, top + step.Kernel.Height) - y, Math.Min(input.Width, left + step.Kernel.Width) - x, channels,
                target + ((nint)pixel * channels));
        }
    }

    /// <summary>Greatest byte of each channel.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Greatest(byte* window, nint line, int rows, int columns, int channels, byte* target)
    {
        if (channels < Width)
        {
            for (var channel = 0; channel < channels; channel++)
            {
                var most = byte.MinValue;
                for (var row = 0; row < rows; row++)
                {
                    for (var column = 0; column < columns; column++) most = Math.Max(most, window[(row * line) + (column * channels) + channel]);
                }

                target[channel] = most;
            }

            return;
        }

        // The last vector ends with the last channel, and may do some channels again.
        for (var channel = 0; channel < channels; channel += Width)
        {
            channel = Math.Min(channel, channels - Width);
            var most = Vector128<byte>.Zero;
            for (var row = 0; row < rows; row++)
            {
                var source = window + (row * line) + channel;
                for (var column = 0; column < columns; column++, source += channels) most = Vector128.Max(most, Vector128.Load(source));
            }

            most.Store(target + channel);
        }
    }
}

/// <summary>Bytes looked up.</summary>
internal sealed unsafe class PreparedTable(TableStep step, Placed from, Placed to) : PreparedStep
{
    public override long ModelBytes => step.Table.Length;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Run(byte* arena, int* logits, Scratch scratch, int part, int parts)
    {
        var (first, end) = Share(to.Tensor.Length, part, parts);
        fixed (byte* table = step.Table)
            for (var i = first; i < end; i++) arena[to.Offset + i] = table[arena[from.Offset + i]];
    }
}

/// <summary>Tensors side by side.</summary>
internal sealed unsafe class PreparedJoin(JoinStep step, Placed[] from, Placed to) : PreparedStep
{
    public override long ModelBytes => step.Tables.Sum(table => (long)table.Length);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Run(byte* arena, int* logits, Scratch scratch, int part, int parts)
    {
        var (first, end) = Share(to.Pixels, part, parts);
        for (var pixel = first; pixel < end; pixel++)
        {
            var target = arena + to.Offset + ((nint)pixel * to.Channels);
            for (var i = 0; i < from.Length; i++)
            {
                var source = arena + from[i].Offset + ((nint)pixel * from[i].Channels);
                var table = step.Tables[i];
                for (var channel = 0; channel < from[i].Channels; channel++) *target++ = table[source[channel]];
            }
        }
    }
}

/// <summary>Zero channels and pixels around others.</summary>
internal sealed unsafe class PreparedPad(PadStep step, Placed from, Placed to) : PreparedStep
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Run(byte* arena, int* logits, Scratch scratch, int part, int parts)
    {
        var input = from.Tensor.Shape;
        var (first, end) = Share(to.Pixels, part, parts);
        for (var pixel = first; pixel < end; pixel++)
        {
            var target = arena + to.Offset + ((nint)pixel * to.Channels);
            Unsafe.InitBlockUnaligned(target, to.Tensor.Zero, (uint)to.Channels);
            var (row, column) = ((pixel / to.Tensor.Shape.Width) - step.Top, (pixel % to.Tensor.Shape.Width) - step.Left);
            if (row < 0 || row >= input.Height || column < 0 || column >= input.Width) continue;
            Unsafe.CopyBlockUnaligned(target + step.Before, arena + from.Offset + ((((nint)row * input.Width) + column) * from.Channels), (uint)from.Channels);
        }
    }
}

/// <summary>Some of the pixels.</summary>
internal sealed unsafe class PreparedSubsample(SubsampleStep step, Placed from, Placed to) : PreparedStep
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Run(byte* arena, int* logits, Scratch scratch, int part, int parts)
    {
        var (first, end) = Share(to.Pixels, part, parts);
        for (var pixel = first; pixel < end; pixel++)
        {
            var (row, column) = (pixel / to.Tensor.Shape.Width * step.Stride.Height, pixel % to.Tensor.Shape.Width * step.Stride.Width);
            var source = arena + from.Offset + ((((nint)row * from.Tensor.Shape.Width) + column) * from.Channels);
            Unsafe.CopyBlockUnaligned(arena + to.Offset + ((nint)pixel * to.Channels), source, (uint)to.Channels);
        }
    }
}

/// <summary>Channel by channel in place of pixel by pixel.</summary>
internal sealed unsafe class PreparedFlatten(FlattenStep step, Placed from, Placed to) : PreparedStep
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Run(byte* arena, int* logits, Scratch scratch, int part, int parts)
    {
        var (channels, pixels) = (from.Tensor.Length / step.Rows, step.Rows);
        var source = arena + from.Offset;
        var target = arena + to.Offset;
        var (first, end) = Share(channels, part, parts);
        for (var channel = first; channel < end; channel++)
        {
            var own = target + ((nint)channel * pixels);
            for (var pixel = 0; pixel < pixels; pixel++) own[pixel] = source[((nint)pixel * channels) + channel];
        }
    }
}

/// <summary>Bytes that are the logits.</summary>
internal sealed unsafe class PreparedLogits(Placed from) : PreparedStep
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Run(byte* arena, int* logits, Scratch scratch, int part, int parts)
    {
        var (first, end) = Share(from.Tensor.Length, part, parts);
        for (var i = first; i < end; i++) logits[i] = arena[from.Offset + i] - from.Tensor.Zero;
    }
}
