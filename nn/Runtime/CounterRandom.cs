namespace Lathe.NN.Runtime;

/// <summary>
/// Random numbers without a state: draw number i of a stream is a function of (seed, stream, i) alone, so any of them can be had
/// again, in any order, on any thread. SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): the i-th output of a generator that starts at
/// the stream's key.
/// </summary>
/// <param name="Key">Names the stream; made by <see cref="For(long, string, ReadOnlySpan{long})"/>.</param>
public readonly record struct CounterRandom(ulong Key)
{
    private const ulong Golden = 0x9E3779B97F4A7C15;

    /// <summary>The stream of a purpose, and of the numbers that tell one use of it from another (epoch, image).</summary>
    public static CounterRandom For(long seed, string purpose, params ReadOnlySpan<long> numbers)
    {
        var key = Mix(unchecked((ulong)seed) + Golden);
        foreach (var c in purpose)
            key = Mix(key ^ (c + Golden));
        foreach (var number in numbers)
            key = Mix(key + (unchecked((ulong)number) * Golden) + 1);
        return new CounterRandom(key);
    }

    /// <summary>64 random bits.</summary>
    public ulong Bits(long counter) => Mix(Key + (Golden * (unchecked((ulong)counter) + 1)));

    /// <summary>Uniform in [0, 1), 53 bits.</summary>
    public double Uniform(long counter) => (Bits(counter) >> 11) * (1.0 / (1UL << 53));

    /// <summary>Uniform integer in [0, <paramref name="exclusiveMaximum"/>).</summary>
    public int Below(long counter, int exclusiveMaximum)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(exclusiveMaximum);
        return (int)Math.BigMul(Bits(counter), (ulong)exclusiveMaximum, out _);
    }

    /// <summary>Standard normal (Box and Muller); draw i uses bits 2i and 2i + 1.</summary>
    public double Normal(long counter)
    {
        var radius = Math.Sqrt(-2 * Math.Log(1 - Uniform(2 * counter)));
        return radius * Math.Cos(2 * Math.PI * Uniform((2 * counter) + 1));
    }

    /// <summary>Fills with draws 0, 1, ... of a normal distribution of mean 0.</summary>
    public void FillNormal(Span<float> values, double standardDeviation)
    {
        for (var i = 0; i < values.Length; i++)
            values[i] = (float)(standardDeviation * Normal(i));
    }

    /// <summary>Fills with draws 0, 1, ... of a uniform distribution on [minimum, maximum).</summary>
    public void FillUniform(Span<float> values, double minimum, double maximum)
    {
        for (var i = 0; i < values.Length; i++)
            values[i] = (float)(minimum + ((maximum - minimum) * Uniform(i)));
    }

    /// <summary>The numbers 0 ... count − 1 in random order (Fisher and Yates).</summary>
    public int[] Permutation(int count)
    {
        var order = new int[count];
        for (var i = 0; i < count; i++)
            order[i] = i;
        for (var i = count - 1; i > 0; i--)
        {
            var j = Below(i, i + 1);
            (order[i], order[j]) = (order[j], order[i]);
        }

        return order;
    }

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
