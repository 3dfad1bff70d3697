namespace Lathe.Coordinator;

/// <summary>
/// Sobol's sequence with the direction numbers of Joe and Kuo (2008, set D(6)): the first 2^k points have one in each of the 2^k equal parts of every coordinate. The seed
/// shifts the bits of all points of a coordinate alike (a digital shift), which keeps that.
/// </summary>
internal static class SobolStrategy
{
    /// <summary>Coordinates that the table has directions for.</summary>
    public const int MostDimensions = 40;

    private const int Bits = 32;

    // Place of the draws of the shift.
    private const int Shift = -2;

    // For each coordinate from the second on: inner coefficients of its primitive polynomial as the bits of a number, and the first directions m1, m2, ...
    private static readonly (int Coefficients, int[] First)[] Table =
    [
        (0, [1]),
        (1, [1, 3]),
        (1, [1, 3, 1]), (2, [1, 1, 1]),
        (1, [1, 1, 3, 3]), (4, [1, 3, 5, 13]),
        (2, [1, 1, 5, 5, 17]), (4, [1, 1, 5, 5, 5]), (7, [1, 1, 7, 11, 19]), (11, [1, 1, 5, 1, 1]), (13, [1, 1, 1, 3, 11]), (14, [1, 3, 5, 5, 31]),
        (1, [1, 3, 3, 9, 7, 49]), (13, [1, 1, 1, 15, 21, 21]), (16, [1, 3, 1, 13, 27, 49]), (19, [1, 1, 1, 15, 7, 5]), (22, [1, 3, 1, 15, 13, 25]), (25, [1, 1, 5, 5, 19, 61]),
        (1, [1, 3, 7, 11, 23, 15, 103]), (4, [1, 3, 7, 13, 13, 15, 69]), (7, [1, 1, 3, 13, 7, 35, 63]), (8, [1, 3, 5, 9, 1, 25, 53]), (14, [1, 3, 1, 13, 9, 35, 107]),
        (19, [1, 3, 1, 5, 27, 61, 31]), (21, [1, 1, 5, 11, 19, 41, 61]), (28, [1, 3, 5, 3, 3, 13, 69]), (31, [1, 1, 7, 13, 1, 19, 1]), (32, [1, 3, 7, 5, 13, 19, 59]),
        (37, [1, 1, 3, 9, 25, 29, 41]), (41, [1, 3, 5, 13, 23, 1, 55]), (42, [1, 3, 7, 3, 13, 59, 17]), (50, [1, 3, 1, 3, 5, 53, 69]), (55, [1, 1, 5, 5, 23, 33, 13]),
        (56, [1, 1, 7, 7, 1, 61, 123]), (59, [1, 1, 7, 9, 13, 61, 49]), (62, [1, 3, 3, 5, 3, 55, 33]),
        (14, [1, 3, 1, 15, 31, 13, 49, 245]), (21, [1, 3, 5, 15, 31, 59, 63, 97]), (22, [1, 3, 1, 11, 11, 11, 77, 249]),
    ];

    private static readonly uint[][] Directions = [.. Enumerable.Range(0, MostDimensions).Select(DirectionsOf)];

    public static double[] Next(SearchQuestion question)
    {
        // A point that is there already is no part of the sequence any more: what is drawn instead is as good as any.
        if (question.Attempt > 0) return RandomStrategy.Next(question);
        return Point(question.Space.Dimensions.Count, (uint)question.Number, question.Seed);
    }

    /// <summary>A point of the sequence.</summary>
    /// <param name="dimensions">Number of coordinates. Those beyond the table are drawn.</param>
    /// <param name="number">Number of the point, from 0.</param>
    /// <param name="seed">Shifts all points; null: none, so that the first point has zeros alone.</param>
    internal static double[] Point(int dimensions, uint number, long? seed)
    {
        var shift = seed is { } given ? new SearchDraws(given, Shift) : null;
        var rest = new SearchDraws(seed ?? 0, Shift, (int)number);
        var point = new double[dimensions];
        for (var d = 0; d < dimensions; d++)
        {
            var bits = shift is null ? 0 : (uint)(shift.Bits() >> 32);
            if (d >= MostDimensions)
            {
                point[d] = rest.Uniform();
                continue;
            }

            // In the order of the Gray code, as usual: the same first 2^k points, and each follows from the one before it by one direction.
            var gray = number ^ (number >> 1);
            for (var bit = 0; gray != 0; bit++, gray >>= 1)
            {
                if ((gray & 1) != 0) bits ^= Directions[d][bit];
            }

            point[d] = bits / (double)(1L << Bits);
        }

        return point;
    }

    /// <summary>v_i = m_i 2^(32 - i), where m_i = 2 a_1 m_(i-1) xor 4 a_2 m_(i-2) xor ... xor 2^s m_(i-s) xor m_(i-s).</summary>
    private static uint[] DirectionsOf(int dimension)
    {
        var directions = new uint[Bits];
        if (dimension == 0)
        {
            for (var i = 0; i < Bits; i++) directions[i] = 1u << (Bits - 1 - i);
            return directions;
        }

        var (coefficients, first) = Table[dimension - 1];
        var degree = first.Length;
        for (var i = 0; i < degree; i++) directions[i] = (uint)first[i] << (Bits - 1 - i);
        for (var i = degree; i < Bits; i++)
        {
            directions[i] = directions[i - degree] ^ (directions[i - degree] >> degree);
            for (var k = 1; k < degree; k++)
            {
                if (((coefficients >> (degree - 1 - k)) & 1) != 0) directions[i] ^= directions[i - k];
            }
        }

        return directions;
    }
}
