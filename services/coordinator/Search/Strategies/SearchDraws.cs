namespace Lathe.Coordinator;

/// <summary>
/// Random numbers that follow from a seed and a place alone, so that a search chooses the same again. SplitMix64 (Steele, Lea and Flood, 2014) over a state that seed
/// and place were mixed into.
/// </summary>
internal sealed class SearchDraws
{
    private const ulong Golden = 0x9E37_79B9_7F4A_7C15;

    private ulong _state;

    /// <param name="seed">Seed of the search.</param>
    /// <param name="place">What the numbers are for, for example the number of a trial.</param>
    public SearchDraws(long seed, params ReadOnlySpan<int> place)
    {
        _state = Mixed((ulong)seed + Golden);
        foreach (var part in place) _state = Mixed(_state ^ Mixed((ulong)part + Golden));
    }

    /// <summary>64 random bits.</summary>
    public ulong Bits() => Mixed(_state += Golden);

    /// <summary>A number from 0 below 1.</summary>
    public double Uniform() => (Bits() >> 11) * (1.0 / (1UL << 53));

    /// <summary>A whole number from 0 below a limit.</summary>
    public int Below(int limit) => (int)(Uniform() * limit);

    /// <summary>A number of the standard normal distribution (Box and Muller).</summary>
    public double Normal() => Math.Sqrt(-2 * Math.Log(1 - Uniform())) * Math.Cos(2 * Math.PI * Uniform());

    /// <summary>A value of a coordinate, each as likely as any other.</summary>
    public double Coordinate(SearchDimension dimension) => dimension.Snap(Uniform());

    private static ulong Mixed(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58_476D_1CE4_E5B9;
        z = (z ^ (z >> 27)) * 0x94D0_49BB_1331_11EB;
        return z ^ (z >> 31);
    }
}
