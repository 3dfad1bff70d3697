using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Lathe.NN.FixedPoint.Engine;

/// <summary>
/// The levels of a layer as they lie in memory: in fields of 2, 4 or 8 bits, strip by strip. A strip is 16 output channels of one group;
/// unpacked it holds for every 4 products in a row those of its first channel, of its second and so on, 64 bytes, and is padded with
/// zeros to a multiple of 8 products. Levels of more than 7 bits are unpacked as two strips, k = 2·high + low, so that the sum of two products
/// with bytes fits 16 bits.
/// </summary>
internal sealed class PackedWeights
{
    /// <summary>Channels of a strip.</summary>
    public const int Width = 16;

    private const int Step = 4;
    private const int Padding = 8;

    private readonly byte[] _packed;
    private readonly int _fieldBits;
    private readonly int _stripBytes;

    public PackedWeights(MultiplyStep step)
    {
        var shape = step.Shape;
        _fieldBits = step.Bits switch { 2 => 2, 3 or 4 => 4, _ => 8 };
        var made = shape.OutChannels / shape.Groups;
        StripsPerGroup = (made + Width - 1) / Width;
        Depth = (shape.Depth + Padding - 1) / Padding * Padding;
        Levels = (1 << (step.Bits - 1)) - 1;
        IsSplit = step.Bits > 7;
        _stripBytes = Depth * Width * _fieldBits / 8;
        _packed = new byte[_stripBytes * StripsPerGroup * shape.Groups];
        var strip = new sbyte[Depth * Width];
        for (var i = 0; i < StripsPerGroup * shape.Groups; i++)
        {
            Array.Clear(strip);
            var first = (i / StripsPerGroup * made) + (i % StripsPerGroup * Width);
            var channels = Math.Min(Width, made - (i % StripsPerGroup * Width));
            for (var channel = 0; channel < channels; channel++)
            {
                for (var k = 0; k < shape.Depth; k++)
                    strip[(k / Step * Step * Width) + (channel * Step) + (k % Step)] = step.Levels[((first + channel) * shape.Depth) + k];
            }

            Pack(strip, _packed.AsSpan(i * _stripBytes, _stripBytes));
        }
    }

    /// <summary>Products of one output, padded to a multiple of 8.</summary>
    public int Depth { get; }

    /// <summary>Strips of each group.</summary>
    public int StripsPerGroup { get; }

    /// <summary>The greatest level's magnitude.</summary>
    public int Levels { get; }

    /// <summary>A strip is unpacked as two, the high halves and behind them the low bits.</summary>
    public bool IsSplit { get; }

    /// <summary>Bytes in memory.</summary>
    public long Bytes => _packed.Length;

    /// <summary>Bytes of an unpacked strip.</summary>
    public int UnpackedBytes => Depth * Width * (IsSplit ? 2 : 1);

    /// <summary>How many sums of two products of a byte and a level, or its high half, fit 16 bits.</summary>
    public int SafeAdditions => IsSplit ? 1 : short.MaxValue / (2 * 255 * Levels);

    /// <summary>Unpacks a strip.</summary>
    /// <param name="strip">From 0 over all groups.</param>
    /// <param name="target">Room for <see cref="UnpackedBytes"/>.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public unsafe void Unpack(int strip, sbyte* target)
    {
        fixed (byte* packed = &_packed[strip * _stripBytes])
        {
            switch (_fieldBits)
            {
                case 2: UnpackPairs(packed, _stripBytes, target); break;
                case 4: UnpackNibbles(packed, _stripBytes, target); break;
                default: UnpackBytes(packed, _stripBytes, target, IsSplit); break;
            }
        }
    }

    private void Pack(sbyte[] strip, Span<byte> packed)
    {
        // Byte i of 32 holds value i of each 32 in a row, lowest bits first: so a vector unpacks with shifts and masks alone.
        var fields = 8 / _fieldBits;
        for (var i = 0; i < packed.Length; i++)
        {
            var (block, lane) = (i / 32, i % 32);
            for (var field = 0; field < fields; field++)
            {
                var level = strip[(((block * fields) + field) * 32) + lane];
                packed[i] |= (byte)((level & ((1 << _fieldBits) - 1)) << (field * _fieldBits));
            }
        }
    }

    private static unsafe void UnpackPairs(byte* packed, int bytes, sbyte* target)
    {
        var mask = Vector256.Create((byte)3);
        var sign = Vector256.Create((byte)2);
        for (var i = 0; i < bytes; i += 32, target += 128)
        {
            var fields = Vector256.Load(packed + i);
            for (var field = 0; field < 4; field++)
            {
                var value = (fields & mask) ^ sign;
                (value - sign).AsSByte().Store(target + (field * 32));
                fields = Vector256.ShiftRightLogical(fields.AsUInt16(), 2).AsByte();
            }
        }
    }

    private static unsafe void UnpackNibbles(byte* packed, int bytes, sbyte* target)
    {
        var mask = Vector256.Create((byte)15);
        var sign = Vector256.Create((byte)8);
        for (var i = 0; i < bytes; i += 32, target += 64)
        {
            var fields = Vector256.Load(packed + i);
            (((fields & mask) ^ sign) - sign).AsSByte().Store(target);
            var high = Vector256.ShiftRightLogical(fields.AsUInt16(), 4).AsByte() & mask;
            ((high ^ sign) - sign).AsSByte().Store(target + 32);
        }
    }

    private static unsafe void UnpackBytes(byte* packed, int bytes, sbyte* target, bool split)
    {
        if (!split)
        {
            Buffer.MemoryCopy(packed, target, bytes, bytes);
            return;
        }

        for (var i = 0; i < bytes; i++)
        {
            var level = (sbyte)packed[i];
            target[i] = (sbyte)(level >> 1);
            target[bytes + i] = (sbyte)(level & 1);
        }
    }
}
