using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Lathe.NN.FixedPoint.Engine;

/// <summary>Maps of a layer's channels from sums to bytes, padded to whole strips.</summary>
internal sealed unsafe class ChannelMaps
{
    // Makes every scaled sum positive, so that a logical shift does for an arithmetic one, which AVX2 lacks for 64 bits.
    private const long Lift = 1L << 62;

    private const int Width = PackedWeights.Width;

    private readonly int[] _multipliers;
    private readonly long[] _offsets;
    private readonly byte[] _shifts;
    private readonly int[] _lifts;
    private readonly bool _fits;

    /// <param name="maps">Of each channel, for sums of (byte − zero).</param>
    /// <param name="groups">Groups of channels, each of which begins a strip.</param>
    /// <param name="zeroSums">Difference between a channel's sum of bytes and its sum of (byte − zero).</param>
    /// <param name="greatestSum">The greatest magnitude that a sum of bytes can have.</param>
    public ChannelMaps(IReadOnlyList<Requantizer> maps, int groups, ReadOnlySpan<long> zeroSums, double greatestSum)
    {
        var made = maps.Count / groups;
        var padded = (made + Width - 1) / Width * Width;
        _multipliers = new int[padded * groups];
        _offsets = new long[padded * groups];
        _shifts = new byte[padded * groups];
        _lifts = new int[padded * groups];
        _fits = true;
        Array.Fill(_shifts, (byte)1);
        for (var channel = 0; channel < maps.Count; channel++)
        {
            var at = (channel / made * padded) + (channel % made);
            var map = maps[channel];
            _multipliers[at] = map.Multiplier;
            _offsets[at] = map.Offset - (map.Multiplier * zeroSums[channel]);
            _shifts[at] = (byte)map.Shift;
            _fits &= Math.ScaleB((Math.Abs((double)map.Multiplier) * greatestSum) + Math.Abs((double)_offsets[at]), -map.Shift) < int.MaxValue / 2;
        }

        for (var at = 0; at < _lifts.Length; at++) _lifts[at] = unchecked((int)(Lift >> _shifts[at]));
    }

    /// <summary>Bytes in memory.</summary>
    public long Bytes => _multipliers.Length * (sizeof(int) + sizeof(long) + sizeof(byte) + sizeof(int));

    /// <summary>A sum as the steps of the output.</summary>
    /// <param name="at">Number of the channel, strips padded.</param>
    /// <param name="sum">Of bytes.</param>
    public long Apply(int at, int sum) => new Requantizer(_multipliers[at], _offsets[at], _shifts[at]).Apply(sum);

    /// <summary>Sums of one strip as bytes.</summary>
    /// <param name="set">What to compute with; the result is the same.</param>
    /// <param name="at">Number of the strip's first channel.</param>
    /// <param name="sums">16 of them.</param>
    /// <param name="output">Its format.</param>
    /// <param name="target">Room for 16 bytes.</param>
    public void Store(InstructionSet set, int at, int* sums, ByteTensor output, byte* target)
    {
        if (set >= InstructionSet.Avx2 && _fits) StoreNarrow(at, sums, output.Zero, output.Least, output.Greatest, target);
        else if (set >= InstructionSet.Avx2) StoreVectors(at, sums, output.Zero, output.Least, output.Greatest, target);
        else
            for (var channel = 0; channel < Width; channel++) target[channel] = output.Store(Apply(at + channel, sums[channel]));
    }

    /// <summary>Where every map's result fits 32 bits whatever the sums, which is so in all networks but contrived ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void StoreNarrow(int at, int* sums, byte zero, byte least, byte greatest, byte* target)
    {
        fixed (int* multipliers = &_multipliers[at])
        fixed (long* offsets = &_offsets[at])
        fixed (byte* shifts = &_shifts[at])
        fixed (int* lifts = &_lifts[at])
        {
            var zeros = Vector128.Create((short)zero);
            var low = Sse2.PackSignedSaturate(Rounded(sums, multipliers, offsets, shifts, lifts), Rounded(sums + 4, multipliers + 4, offsets + 4, shifts + 4, lifts + 4));
            var high = Sse2.PackSignedSaturate(
                Rounded(sums + 8, multipliers + 8, offsets + 8, shifts + 8, lifts + 8), Rounded(sums + 12, multipliers + 12, offsets + 12, shifts + 12, lifts + 12));
            var bytes = Sse2.PackUnsignedSaturate(Sse2.AddSaturate(low, zeros), Sse2.AddSaturate(high, zeros));
            Vector128.Min(Vector128.Max(bytes, Vector128.Create(least)), Vector128.Create(greatest)).Store(target);
        }
    }

    /// <summary>Four channels' steps, which fit 32 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Rounded(int* sums, int* multipliers, long* offsets, byte* shifts, int* lifts)
    {
        var shift = Avx2.ConvertToVector256Int64(shifts).AsUInt64();
        var scaled = (Avx2.Multiply(Avx2.ConvertToVector256Int64(sums).AsInt32(), Avx2.ConvertToVector256Int64(multipliers).AsInt32())
            + Vector256.Load(offsets) + Vector256.Create(Lift)).AsUInt64();
        var one = Vector256<ulong>.One;
        var odd = Avx2.ShiftRightLogicalVariable(scaled, shift) & one;
        var half = Avx2.ShiftLeftLogicalVariable(one, shift - one) - one;
        var lifted = Avx2.ShiftRightLogicalVariable(scaled + half + odd, shift);
        return Avx2.PermuteVar8x32(lifted.AsInt32(), Vector256.Create(0, 2, 4, 6, 0, 2, 4, 6)).GetLower() - Vector128.Load(lifts);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void StoreVectors(int at, int* sums, byte zero, byte least, byte greatest, byte* target)
    {
        fixed (int* multipliers = &_multipliers[at])
        fixed (long* offsets = &_offsets[at])
        fixed (byte* shifts = &_shifts[at])
        {
            var bottom = Vector256.Create((long)least - zero);
            var top = Vector256.Create((long)greatest - zero);
            var low = Vector128.Narrow(
                Four(sums, multipliers, offsets, shifts, bottom, top), Four(sums + 4, multipliers + 4, offsets + 4, shifts + 4, bottom, top));
            var high = Vector128.Narrow(
                Four(sums + 8, multipliers + 8, offsets + 8, shifts + 8, bottom, top), Four(sums + 12, multipliers + 12, offsets + 12, shifts + 12, bottom, top));
            // Limited to the output's range, so the value fits a byte after its zero is added.
            var shift = Vector128.Create((short)zero);
            Vector128.Narrow((low + shift).AsUInt16(), (high + shift).AsUInt16()).Store(target);
        }
    }

    /// <summary>Four channels' steps, limited, as 32-bit numbers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Four(int* sums, int* multipliers, long* offsets, byte* shifts, Vector256<long> bottom, Vector256<long> top)
    {
        var shift = Avx2.ConvertToVector256Int64(shifts).AsUInt64();
        var scaled = Avx2.Multiply(Avx2.ConvertToVector256Int64(sums).AsInt32(), Avx2.ConvertToVector256Int64(multipliers).AsInt32())
            + Vector256.Load(offsets) + Vector256.Create(Lift);
        var one = Vector256<ulong>.One;
        var odd = Avx2.ShiftRightLogicalVariable(scaled.AsUInt64(), shift) & one;
        var half = Avx2.ShiftLeftLogicalVariable(one, shift - one) - one;
        var rounded = Avx2.ShiftRightLogicalVariable(scaled.AsUInt64() + half + odd, shift)
            - Avx2.ShiftRightLogicalVariable(Vector256.Create((ulong)Lift), shift);
        var limited = Vector256.Min(Vector256.Max(rounded.AsInt64(), bottom), top);
        return Avx2.PermuteVar8x32(limited.AsInt32(), Vector256.Create(0, 2, 4, 6, 0, 2, 4, 6)).GetLower();
    }
}
