using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Lathe.NN.FixedPoint.Engine;

/// <summary>A convolution with a filter for each channel.</summary>
internal sealed unsafe class PreparedDepthwise : PreparedStep
{
    private const int Width = PackedWeights.Width;

    private readonly InstructionSet _set;
    private readonly ConvolutionShape _shape;
    private readonly sbyte[] _levels;
    private readonly ChannelMaps _maps;
    private readonly ByteTensor _input;
    private readonly ByteTensor _output;
    private readonly int _from;
    private readonly int _to;
    private readonly int _padded;

    /// <param name="step">Has as many groups as channels, in and out.</param>
    /// <param name="input">Its input tensor, with its place in memory.</param>
    /// <param name="output">What it makes.</param>
    /// <param name="set">What to compute with.</param>
    public PreparedDepthwise(MultiplyStep step, Placed input, Placed output, InstructionSet set)
    {
        (_set, _shape) = (set, step.Shape);
        ((_input, _from), (_output, _to)) = (input, output);
        _padded = (_shape.OutChannels + Width - 1) / Width * Width;
        _levels = new sbyte[_shape.Depth * _padded];
        for (var channel = 0; channel < _shape.OutChannels; channel++)
        {
            for (var tap = 0; tap < _shape.Depth; tap++) _levels[(tap * _padded) + channel] = step.Levels[(channel * _shape.Depth) + tap];
        }

        _maps = new ChannelMaps(step.Maps, 1, PreparedMultiply.ZeroSums(step, _input.Zero), PreparedMultiply.GreatestSum(step));
        Scratch = new ScratchSize(Rows: _padded, Sums: _padded, ReadAhead: _padded);
    }

    public override ScratchSize Scratch { get; }

    public override long ModelBytes => _levels.Length + _maps.Bytes;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Run(byte* arena, int* logits, Scratch scratch, int part, int parts)
    {
        var channels = _shape.OutChannels;
        var sums = scratch.SumNumbers;
        // Stands for pixels outside the image.
        new Span<byte>(scratch.RowBytes, _padded).Fill(_input.Zero);
        var (first, end) = Share(_shape.OutHeight * _shape.OutWidth, part, parts);
        var edge = stackalloc byte[Width];
        for (var pixel = first; pixel < end; pixel++)
        {
            new Span<int>(sums, _padded).Clear();
            for (var tap = 0; tap < _shape.Depth; tap++)
            {
                var line = (pixel / _shape.OutWidth * _shape.Stride.Height) + (tap / _shape.Kernel.Width * _shape.Dilation.Height) - _shape.Top;
                var column = (pixel % _shape.OutWidth * _shape.Stride.Width) + (tap % _shape.Kernel.Width * _shape.Dilation.Width) - _shape.Left;
                var inside = line >= 0 && line < _shape.Height && column >= 0 && column < _shape.Width;
                fixed (sbyte* levels = &_levels[tap * _padded])
                    Add(inside ? arena + _from + (((nint)line * _shape.Width) + column) * channels : scratch.RowBytes, levels, sums);
            }

            var target = arena + _to + ((nint)pixel * channels);
            for (var channel = 0; channel < channels; channel += Width)
            {
                var left = Math.Min(Width, channels - channel);
                _maps.Store(_set, channel, sums + channel, _output, left == Width ? target + channel : edge);
                for (var c = 0; left < Width && c < left; c++) target[channel + c] = edge[c];
            }
        }
    }

    private void Add(byte* bytes, sbyte* levels, int* sums)
    {
        var channel = 0;
        if (_set >= InstructionSet.Avx2)
        {
            // Reads up to the end of a strip. Its levels are 0 after the last channel.
            for (; channel < _padded; channel += 8)
            {
                var products = Avx2.ConvertToVector256Int32(bytes + channel) * Avx2.ConvertToVector256Int32(levels + channel);
                (Vector256.Load(sums + channel) + products).Store(sums + channel);
            }
        }

        for (; channel < _shape.OutChannels; channel++) sums[channel] += bytes[channel] * levels[channel];
    }
}
