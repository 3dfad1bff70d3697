using Lathe.Graph;
using Lathe.Graph.Sizing;

namespace Lathe.Examples.LowRank;

/// <summary>Sizes of a network, or limits to them.</summary>
public readonly record struct Sizes(double Parameters, double Multiplications)
{
    /// <summary>True where both are at or under their limits.</summary>
    public bool Fit(Sizes limit) => Parameters <= limit.Parameters && Multiplications <= limit.Multiplications;
}

/// <summary>Chooses the rank of each layer under a budget.</summary>
public static class Ranks
{
    /// <summary>The limits that parameters set: at most 1 is a share of the network's, above 1 a number.</summary>
    public static Sizes Budget(LowRankParameters parameters, NetworkGraph graph)
    {
        var whole = Complexity.Of(graph);
        return new Sizes(Limit(parameters.TargetParameters, whole.Parameters), Limit(parameters.Multiplications, whole.Multiplications));

        static double Limit(double? target, long size) => target switch { null => double.PositiveInfinity, <= 1 => target.Value * size, _ => target.Value };
    }

    /// <summary>Sizes of a network with layers at ranks; null: whole.</summary>
    /// <param name="whole">Its sizes with all layers whole.</param>
    /// <param name="factors">Its layers.</param>
    /// <param name="ranks">Rank of each.</param>
    public static Sizes Of(Sizes whole, IReadOnlyList<Factor> factors, IReadOnlyList<int?> ranks)
    {
        var (parameters, multiplications) = (whole.Parameters, whole.Multiplications);
        for (var i = 0; i < factors.Count; i++)
        {
            var saved = factors[i].Weights(null) - factors[i].Weights(ranks[i]);
            (parameters, multiplications) = (parameters - saved, multiplications - (saved * factors[i].Positions));
        }

        return new Sizes(parameters, multiplications);
    }

    /// <summary>Sizes of a network as it is.</summary>
    public static Sizes Whole(NetworkGraph graph) => Complexity.Of(graph) is var size ? new Sizes(size.Parameters, size.Multiplications) : default;

    /// <summary>The smallest that a network can become: rank 1 everywhere.</summary>
    public static Sizes Least(NetworkGraph graph, IReadOnlyList<Factor> factors) => Of(Whole(graph), factors, [.. factors.Select(_ => (int?)1)]);

    /// <summary>
    /// Takes away one rank at a time, where it costs least for what it saves, until the network fits; then gives back what still fits, so that
    /// no layer could have one more rank. The cost is the square of a singular value over the sum of the layer's squares.
    /// </summary>
    /// <param name="whole">Sizes of the network with all layers whole.</param>
    /// <param name="factors">Its layers.</param>
    /// <param name="squares">Squares of each layer's singular values, largest first.</param>
    /// <param name="limit">The budget; <see cref="Least"/> fits it.</param>
    /// <returns>Rank of each layer; null: it stays whole.</returns>
    public static int?[] Choose(Sizes whole, IReadOnlyList<Factor> factors, IReadOnlyList<double[]> squares, Sizes limit)
    {
        var left = squares.Select(Left).ToList();
        var ranks = new int?[factors.Count];
        for (var now = whole; !now.Fit(limit); now = Of(whole, factors, ranks))
        {
            var best = Enumerable.Range(0, ranks.Length).Where(i => ranks[i] != 1).MinBy(i => Cost(i, ranks[i], Smaller(i)) / Relief(i, now));
            ranks[best] = Smaller(best);
        }

        while (true)
        {
            var room = Enumerable.Range(0, ranks.Length).Where(i => ranks[i] is not null && Of(whole, factors, With(i, Larger(i))).Fit(limit)).ToList();
            if (room.Count == 0) return ranks;
            var best = room.MaxBy(i => Cost(i, Larger(i), ranks[i]) / (factors[i].Weights(Larger(i)) - factors[i].Weights(ranks[i])));
            ranks[best] = Larger(best);
        }

        int? Smaller(int i) => ranks[i] is { } rank ? rank - 1 : factors[i].MostRank;
        int? Larger(int i) => ranks[i] == factors[i].MostRank ? null : ranks[i] + 1;
        int?[] With(int i, int? rank) => [.. ranks.Select((r, j) => j == i ? rank : r)];

        // What goes from one rank to a smaller one, as a share of the layer.
        double Cost(int i, int? from, int? to) => left[i][to ?? squares[i].Length] - left[i][from ?? squares[i].Length];

        // What the step saves, as a share of what is too much.
        double Relief(int i, Sizes now)
        {
            var weights = factors[i].Weights(ranks[i]) - factors[i].Weights(Smaller(i));
            var relief = Share(weights, now.Parameters - limit.Parameters) + Share(weights * factors[i].Positions, now.Multiplications - limit.Multiplications);
            return Math.Max(relief, double.Epsilon);
        }

        static double Share(double saved, double excess) => excess > 0 ? Math.Min(1, saved / excess) : 0;
    }

    /// <summary>What each rank, from 0 on, leaves out of a layer: a share of the sum of its squares.</summary>
    private static double[] Left(double[] squares)
    {
        var (left, sum) = (new double[squares.Length + 1], Math.Max(squares.Sum(), double.Epsilon));
        for (var rank = squares.Length - 1; rank >= 0; rank--) left[rank] = left[rank + 1] + (squares[rank] / sum);
        return left;
    }
}
