using Lathe.Contracts;

namespace Lathe.Graph.Checkpoints;

/// <summary>
/// Fixed point of one weight: every value is k·2^(−Fraction) with a whole k, |k| ≤ 2^(Bits−1) − 1. Symmetric, zero included.
/// </summary>
/// <param name="Bits">2 to 8.</param>
/// <param name="Fraction">Binary places, −64 to 64; the step size is Δ = 2^(−Fraction).</param>
public sealed record WeightFormat(int Bits, int Fraction)
{
    /// <summary>Largest |k|.</summary>
    public int MaxLevel => (1 << (Bits - 1)) - 1;

    /// <summary>Δ = 2^(−Fraction), exact in float32.</summary>
    public float StepSize => MathF.ScaleB(1, -Fraction);

    /// <summary>Bytes that a number of values take when packed.</summary>
    public long PackedBytes(long values) => ((values * Bits) + 7) / 8;

    /// <summary>Refuses numbers outside the ranges above.</summary>
    /// <param name="name">Name of the weight, for the message.</param>
    /// <exception cref="LatheException">Out of range.</exception>
    public void Check(string name)
    {
        if (Bits is < 2 or > 8 || Fraction is < -64 or > 64)
            throw new LatheException($"weight '{name}' has {Bits} bits and {Fraction} binary places; bits must be 2 to 8, places -64 to 64");
    }

    /// <summary>
    /// Packs values into two's complement fields of <see cref="Bits"/> bits; field i takes bits i·Bits to i·Bits + Bits − 1 of the byte
    /// string, counted from each byte's lowest bit. A negative zero becomes zero.
    /// </summary>
    /// <exception cref="LatheException">A value is not exactly k·2^(−Fraction) with |k| in range.</exception>
    public byte[] Pack(ReadOnlySpan<float> values, string name)
    {
        Check(name);
        var packed = new byte[PackedBytes(values.Length)];
        var mask = (1u << Bits) - 1;
        var scale = MathF.ScaleB(1, Fraction);
        for (var i = 0; i < values.Length; i++)
        {
            var level = values[i] * scale;
            // A level that is whole and in range came from an exact product: scaling by a power of two loses nothing there.
            if (!(MathF.Abs(level) <= MaxLevel) || level != MathF.Truncate(level) || level * StepSize != values[i])
                throw new LatheException(
                    $"weight '{name}' holds {values[i]:R} at position {i}, which is not k·2^-{Fraction} with |k| at most {MaxLevel}");
            var field = (uint)(int)level & mask;
            var bit = (long)i * Bits;
            var shifted = field << (int)(bit & 7);
            packed[bit >> 3] |= (byte)shifted;
            if (shifted > 0xff) packed[(bit >> 3) + 1] |= (byte)(shifted >> 8);
        }

        return packed;
    }

    /// <summary>The inverse of <see cref="Pack"/>.</summary>
    /// <exception cref="LatheException">Wrong length, a field outside the symmetric range, or bits set after the last field.</exception>
    public void Unpack(ReadOnlySpan<byte> packed, Span<float> values, string name)
    {
        Check(name);
        if (packed.Length != PackedBytes(values.Length))
            throw new LatheException(
                $"weight '{name}' has {packed.Length} packed bytes; {values.Length} values of {Bits} bits take {PackedBytes(values.Length)}");
        var used = (int)((long)values.Length * Bits % 8);
        if (used != 0 && packed[^1] >> used != 0)
            throw new LatheException($"weight '{name}' has bits set after its last value");
        for (var i = 0; i < values.Length; i++)
        {
            var bit = (long)i * Bits;
            var at = (int)(bit >> 3);
            var word = packed[at] | (at + 1 < packed.Length ? packed[at + 1] << 8 : 0);
            // Shifted to the top of an int and back, which copies the sign.
            var level = (word >> (int)(bit & 7)) << (32 - Bits) >> (32 - Bits);
            if (level < -MaxLevel)
                throw new LatheException($"weight '{name}' holds level {level} at position {i}; the least of {Bits} bits is {-MaxLevel}");
            values[i] = level * StepSize;
        }
    }
}
