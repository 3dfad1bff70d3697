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

    private readonly ChannelMaps _maps = new(step.Maps, 1, [.. Enumerable.Repeat((long)from.Tensor.Zero, step.Maps.Count)]);

    public override ScratchSize Scratch { get; } = new(Sums: Width, ReadAhead: Width);

    public override long ModelBytes => _maps.Bytes;

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

/// <summary>A sum of tensors: what each possible sum of bytes becomes is looked up.</summary>
internal sealed unsafe class PreparedSum : PreparedStep
{
    private readonly Placed[] _from;
    private readonly Placed _to;
    private readonly byte[] _table;

    public PreparedSum(SumStep step, Placed[] from, Placed to)
    {
        (_from, _to) = (from, to);
        var zeros = from.Sum(tensor => tensor.Tensor.Zero);
        _table = [.. Enumerable.Range(0, (from.Length * 255) + 1).Select(sum => to.Tensor.Store(step.Map.Apply(sum - zeros)))];
    }

    public override long ModelBytes => _table.Length;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Run(byte* arena, int* logits, Scratch scratch, int part, int parts)
    {
        var (first, end) = Share(_to.Tensor.Length, part, parts);
        fixed (byte* table = _table)
        {
            var target = arena + _to.Offset;
            if (_from.Length == 2)
            {
                var left = arena + _from[0].Offset;
                var right = arena + _from[1].Offset;
                for (var i = first; i < end; i++) target[i] = table[left[i] + right[i]];
                return;
            }

            for (var i = first; i < end; i++)
            {
                var sum = 0;
                foreach (var tensor in _from) sum += arena[tensor.Offset + i];
                target[i] = table[sum];
            }
        }
    }
}

/// <summary>A product of two tensors.</summary>
internal sealed unsafe class PreparedProduct(ProductStep step, Placed left, Placed right, Placed to) : PreparedStep
{
    public override long ModelBytes => Unsafe.SizeOf<Requantizer>();

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

/// <summary>Means over windows.</summary>
internal sealed unsafe class PreparedMean(MeanStep step, Placed from, Placed to) : PreparedStep
{
    public override long ModelBytes => (long)step.Maps.Length * Unsafe.SizeOf<Requantizer>();

    public override ScratchSize Scratch { get; } = new(Sums: from.Channels);

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

            var map = step.Maps[y, x];
            var target = arena + to.Offset + ((nint)pixel * channels);
            for (var channel = 0; channel < channels; channel++) target[channel] = to.Tensor.Store(map.Apply(sums[channel]));
        }
    }
}

/// <summary>Greatest bytes of windows.</summary>
internal sealed unsafe class PreparedMaximum(MaximumStep step, Placed from, Placed to) : PreparedStep
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Run(byte* arena, int* logits, Scratch scratch, int part, int parts)
    {
        var (input, output, channels) = (from.Tensor.Shape, to.Tensor.Shape, to.Channels);
        var (first, end) = Share(to.Pixels, part, parts);
        for (var pixel = first; pixel < end; pixel++)
        {
            var (top, left) = ((pixel / output.Width * step.Stride) - step.Padding, (pixel % output.Width * step.Stride) - step.Padding);
            var target = arena + to.Offset + ((nint)pixel * channels);
            var begun = false;
            for (var row = Math.Max(0, top); row < Math.Min(input.Height, top + step.Kernel); row++)
            {
                for (var column = Math.Max(0, left); column < Math.Min(input.Width, left + step.Kernel); column++)
                {
                    var source = arena + from.Offset + ((((nint)row * input.Width) + column) * channels);
                    if (begun) Raise(target, source, channels);
                    else Unsafe.CopyBlockUnaligned(target, source, (uint)channels);
                    begun = true;
                }
            }
        }
    }

    private static void Raise(byte* target, byte* source, int channels)
    {
        var channel = 0;
        for (; channel + 16 <= channels; channel += 16) Vector128.Max(Vector128.Load(target + channel), Vector128.Load(source + channel)).Store(target + channel);
        for (; channel < channels; channel++) target[channel] = Math.Max(target[channel], source[channel]);
    }
}

/// <summary>Bytes looked up.</summary>
internal sealed unsafe class PreparedTable(TableStep step, Placed from, Placed to) : PreparedStep
{
    public override long ModelBytes => step.Table.Length;

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

/// <summary>Zero channels around others.</summary>
internal sealed unsafe class PreparedPad(PadStep step, Placed from, Placed to) : PreparedStep
{
    public override void Run(byte* arena, int* logits, Scratch scratch, int part, int parts)
    {
        var (first, end) = Share(to.Pixels, part, parts);
        for (var pixel = first; pixel < end; pixel++)
        {
            var target = arena + to.Offset + ((nint)pixel * to.Channels);
            Unsafe.InitBlockUnaligned(target, to.Tensor.Zero, (uint)to.Channels);
            Unsafe.CopyBlockUnaligned(target + step.Before, arena + from.Offset + ((nint)pixel * from.Channels), (uint)from.Channels);
        }
    }
}

/// <summary>Some of the pixels.</summary>
internal sealed unsafe class PreparedSubsample(SubsampleStep step, Placed from, Placed to) : PreparedStep
{
    public override void Run(byte* arena, int* logits, Scratch scratch, int part, int parts)
    {
        var (first, end) = Share(to.Pixels, part, parts);
        for (var pixel = first; pixel < end; pixel++)
        {
            var (row, column) = (pixel / to.Tensor.Shape.Width * step.Stride, pixel % to.Tensor.Shape.Width * step.Stride);
            var source = arena + from.Offset + ((((nint)row * from.Tensor.Shape.Width) + column) * from.Channels);
            Unsafe.CopyBlockUnaligned(arena + to.Offset + ((nint)pixel * to.Channels), source, (uint)to.Channels);
        }
    }
}

/// <summary>Channel by channel in place of pixel by pixel.</summary>
internal sealed unsafe class PreparedFlatten(Placed from, Placed to) : PreparedStep
{
    public override void Run(byte* arena, int* logits, Scratch scratch, int part, int parts)
    {
        var (first, end) = Share(from.Channels, part, parts);
        for (var channel = first; channel < end; channel++)
        {
            for (var pixel = 0; pixel < from.Pixels; pixel++)
                arena[to.Offset + (channel * from.Pixels) + pixel] = arena[from.Offset + (pixel * from.Channels) + channel];
        }
    }
}

/// <summary>Bytes that are the logits.</summary>
internal sealed unsafe class PreparedLogits(Placed from) : PreparedStep
{
    public override void Run(byte* arena, int* logits, Scratch scratch, int part, int parts)
    {
        var (first, end) = Share(from.Tensor.Length, part, parts);
        for (var i = first; i < end; i++) logits[i] = arena[from.Offset + i] - from.Tensor.Zero;
    }
}
