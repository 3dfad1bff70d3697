using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Lathe.NN.FixedPoint.Engine;

/// <summary>Instructions that the engine multiplies with.</summary>
public enum InstructionSet
{
    /// <summary>One number at a time.</summary>
    Scalar,

    /// <summary>128-bit vectors of any processor, for example NEON.</summary>
    Vector128,

    /// <summary>256-bit vectors of x64.</summary>
    Avx2,

    /// <summary>512-bit vectors of x64, AVX-512 BW; code without such a kernel computes as with <see cref="Avx2"/>.</summary>
    Avx512,
}

/// <summary>Products of rows of bytes with an unpacked strip of levels.</summary>
internal static unsafe class Kernels
{
    /// <summary>Rows that are multiplied at once where there are that many.</summary>
    public const int Rows = 4;

    private const int Width = PackedWeights.Width;

    /// <summary>The best that this machine has.</summary>
    public static InstructionSet Best =>
        Avx512BW.IsSupported && Vector512.IsHardwareAccelerated ? InstructionSet.Avx512
        : Avx2.IsSupported ? InstructionSet.Avx2
        : Vector128.IsHardwareAccelerated ? InstructionSet.Vector128 : InstructionSet.Scalar;

    /// <summary>The last of those that this machine computes with: without AVX-512 its vectors are two of AVX2, slower and to the same bits.</summary>
    public static InstructionSet Last => Avx2.IsSupported ? InstructionSet.Avx512 : Best;

    /// <summary>Adds to sums[row, channel] the products of bytes and levels.</summary>
    /// <param name="set">What to compute with; the result is the same.</param>
    /// <param name="bytes">The first row.</param>
    /// <param name="stride">From one row to the next.</param>
    /// <param name="rows">1, or <see cref="Rows"/>.</param>
    /// <param name="levels">The strip.</param>
    /// <param name="depth">Products in a row, a multiple of 8.</param>
    /// <param name="safeAdditions">How many sums of two products fit 16 bits.</param>
    /// <param name="sums">[rows, 16].</param>
    public static void Multiply(
        InstructionSet set, byte* bytes, nint stride, int rows, sbyte* levels, int depth, int safeAdditions, int* sums)
    {
        switch (set)
        {
            case InstructionSet.Avx512 when rows == Rows:
                FourWideRows(bytes, stride, levels, depth / 4, safeAdditions, sums);
                break;
            case InstructionSet.Avx512:
                for (var row = 0; row < rows; row++) OneWideRow(bytes + (row * stride), levels, depth / 8, Math.Max(1, safeAdditions), sums + (row * Width));
                break;
            case InstructionSet.Avx2 when rows == Rows:
                FourRows(bytes, stride, levels, depth / 4, safeAdditions, sums);
                break;
            case InstructionSet.Avx2:
                for (var row = 0; row < rows; row++) OneRow(bytes + (row * stride), levels, depth / 8, Math.Max(1, safeAdditions), sums + (row * Width));
                break;
            case InstructionSet.Vector128:
                for (var row = 0; row < rows; row++) Vectors(bytes + (row * stride), levels, depth / 4, sums + (row * Width));
                break;
            default:
                for (var row = 0; row < rows; row++) Numbers(bytes + (row * stride), levels, depth / 4, sums + (row * Width));
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FourRows(byte* bytes, nint stride, sbyte* levels, int steps, int safe, int* sums)
    {
        var ones = Vector256.Create((short)1);
        var row1 = bytes + stride;
        var row2 = row1 + stride;
        var row3 = row2 + stride;
        nint at = 0;
        while (steps > 0)
        {
            var (a0, b0) = (Vector256<short>.Zero, Vector256<short>.Zero);
            var (a1, b1) = (Vector256<short>.Zero, Vector256<short>.Zero);
            var (a2, b2) = (Vector256<short>.Zero, Vector256<short>.Zero);
            var (a3, b3) = (Vector256<short>.Zero, Vector256<short>.Zero);
            var end = at + (4 * Math.Min(steps, safe));
            steps -= safe;
            for (; at < end; at += 4, levels += 64)
            {
                var (left, right) = (Vector256.Load(levels), Vector256.Load(levels + 32));
                var x = Vector256.Create(*(int*)(bytes + at)).AsByte();
                a0 = Avx2.Add(a0, Avx2.MultiplyAddAdjacent(x, left));
                b0 = Avx2.Add(b0, Avx2.MultiplyAddAdjacent(x, right));
                x = Vector256.Create(*(int*)(row1 + at)).AsByte();
                a1 = Avx2.Add(a1, Avx2.MultiplyAddAdjacent(x, left));
                b1 = Avx2.Add(b1, Avx2.MultiplyAddAdjacent(x, right));
                x = Vector256.Create(*(int*)(row2 + at)).AsByte();
                a2 = Avx2.Add(a2, Avx2.MultiplyAddAdjacent(x, left));
                b2 = Avx2.Add(b2, Avx2.MultiplyAddAdjacent(x, right));
                x = Vector256.Create(*(int*)(row3 + at)).AsByte();
                a3 = Avx2.Add(a3, Avx2.MultiplyAddAdjacent(x, left));
                b3 = Avx2.Add(b3, Avx2.MultiplyAddAdjacent(x, right));
            }

            Widen(a0, ones, sums);
            Widen(b0, ones, sums + 8);
            Widen(a1, ones, sums + 16);
            Widen(b1, ones, sums + 24);
            Widen(a2, ones, sums + 32);
            Widen(b2, ones, sums + 40);
            Widen(a3, ones, sums + 48);
            Widen(b3, ones, sums + 56);
        }
    }

    /// <summary>Two steps at a time, so that no sum waits for the one before it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void OneRow(byte* bytes, sbyte* levels, int pairs, int safe, int* sums)
    {
        var ones = Vector256.Create((short)1);
        while (pairs > 0)
        {
            var (a, b, c, d) = (Vector256<short>.Zero, Vector256<short>.Zero, Vector256<short>.Zero, Vector256<short>.Zero);
            var count = Math.Min(pairs, safe);
            pairs -= count;
            for (; count > 0; count--, bytes += 8, levels += 128)
            {
                var x = Vector256.Create(*(int*)bytes).AsByte();
                var y = Vector256.Create(*(int*)(bytes + 4)).AsByte();
                a = Avx2.Add(a, Avx2.MultiplyAddAdjacent(x, Vector256.Load(levels)));
                b = Avx2.Add(b, Avx2.MultiplyAddAdjacent(x, Vector256.Load(levels + 32)));
                c = Avx2.Add(c, Avx2.MultiplyAddAdjacent(y, Vector256.Load(levels + 64)));
                d = Avx2.Add(d, Avx2.MultiplyAddAdjacent(y, Vector256.Load(levels + 96)));
            }

            Widen(a, ones, sums);
            Widen(b, ones, sums + 8);
            Widen(c, ones, sums);
            Widen(d, ones, sums + 8);
        }
    }

    private static void Widen(Vector256<short> pairs, Vector256<short> ones, int* sums) =>
        (Vector256.Load(sums) + Avx2.MultiplyAddAdjacent(pairs, ones)).Store(sums);

    /// <summary>A step of all 16 channels is one vector.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FourWideRows(byte* bytes, nint stride, sbyte* levels, int steps, int safe, int* sums)
    {
        var row1 = bytes + stride;
        var row2 = row1 + stride;
        var row3 = row2 + stride;
        nint at = 0;
        while (steps > 0)
        {
            var (a, b) = (Vector512<short>.Zero, Vector512<short>.Zero);
            var (c, d) = (Vector512<short>.Zero, Vector512<short>.Zero);
            var end = at + (4 * Math.Min(steps, safe));
            steps -= safe;
            for (; at < end; at += 4, levels += 64)
            {
                var strip = Vector512.Load(levels);
                a += Pairs(Vector512.Create(*(int*)(bytes + at)).AsByte(), strip);
                b += Pairs(Vector512.Create(*(int*)(row1 + at)).AsByte(), strip);
                c += Pairs(Vector512.Create(*(int*)(row2 + at)).AsByte(), strip);
                d += Pairs(Vector512.Create(*(int*)(row3 + at)).AsByte(), strip);
            }

            Widen(a, sums);
            Widen(b, sums + 16);
            Widen(c, sums + 32);
            Widen(d, sums + 48);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void OneWideRow(byte* bytes, sbyte* levels, int pairs, int safe, int* sums)
    {
        while (pairs > 0)
        {
            var (a, b) = (Vector512<short>.Zero, Vector512<short>.Zero);
            var count = Math.Min(pairs, safe);
            pairs -= count;
            for (; count > 0; count--, bytes += 8, levels += 128)
            {
                a += Pairs(Vector512.Create(*(int*)bytes).AsByte(), Vector512.Load(levels));
                b += Pairs(Vector512.Create(*(int*)(bytes + 4)).AsByte(), Vector512.Load(levels + 64));
            }

            Widen(a, sums);
            Widen(b, sums);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<short> Pairs(Vector512<byte> bytes, Vector512<sbyte> levels) => Avx512BW.IsSupported
        ? Avx512BW.MultiplyAddAdjacent(bytes, levels)
        : Vector512.Create(Avx2.MultiplyAddAdjacent(bytes.GetLower(), levels.GetLower()), Avx2.MultiplyAddAdjacent(bytes.GetUpper(), levels.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Widen(Vector512<short> pairs, int* sums)
    {
        if (Avx512BW.IsSupported)
        {
            (Vector512.Load(sums) + Avx512BW.MultiplyAddAdjacent(pairs, Vector512<short>.One)).Store(sums);
            return;
        }

        Widen(pairs.GetLower(), Vector256<short>.One, sums);
        Widen(pairs.GetUpper(), Vector256<short>.One, sums + 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Vectors(byte* bytes, sbyte* levels, int steps, int* sums)
    {
        // Four channels at a time; lane j of a channel's sum counts the products at j of every four.
        for (var channel = 0; channel < Width; channel += 4)
        {
            var (a, b, c, d) = (Vector128<int>.Zero, Vector128<int>.Zero, Vector128<int>.Zero, Vector128<int>.Zero);
            for (var step = 0; step < steps; step++)
            {
                var x = Vector128.WidenLower(Vector128.Create(*(int*)(bytes + (step * 4))).AsByte()).AsInt16();
                var four = Vector128.Load(levels + (step * 64) + (channel * 4));
                var (left, right) = (Vector128.WidenLower(four) * x, Vector128.WidenUpper(four) * x);
                a += Vector128.WidenLower(left);
                b += Vector128.WidenUpper(left);
                c += Vector128.WidenLower(right);
                d += Vector128.WidenUpper(right);
            }

            sums[channel] += Vector128.Sum(a);
            sums[channel + 1] += Vector128.Sum(b);
            sums[channel + 2] += Vector128.Sum(c);
            sums[channel + 3] += Vector128.Sum(d);
        }
    }

    private static void Numbers(byte* bytes, sbyte* levels, int steps, int* sums)
    {
        for (var step = 0; step < steps; step++, bytes += 4)
        {
            for (var channel = 0; channel < Width; channel++, levels += 4)
                sums[channel] += (bytes[0] * levels[0]) + (bytes[1] * levels[1]) + (bytes[2] * levels[2]) + (bytes[3] * levels[3]);
        }
    }
}
