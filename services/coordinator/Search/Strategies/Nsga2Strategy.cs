namespace Lathe.Coordinator;

/// <summary>
/// NSGA-II (Deb, Pratap, Agarwal and Meyarivan, 2002): the parents of a point are chosen from the best trials by front and crowding; simulated binary crossover and polynomial
/// mutation make the child. Trials come one by one: the parents are the best of all trials that have ended, so that no worker waits for the end of a generation.
/// </summary>
internal static class Nsga2Strategy
{
    /// <summary>Trials that may become parents. Few: a search of networks has tens of trials, not thousands.</summary>
    public const int Population = 10;

    /// <summary>Trials before the first children.</summary>
    public const int Startup = 14;

    private const double CrossoverShare = 0.9;
    private const double CrossoverIndex = 15;
    private const double MutationIndex = 20;

    public static double[] Next(SearchQuestion question)
    {
        var parents = ParetoSort.Order(question.History).Take(Population).ToList();
        if (question.Number < Startup || parents.Count < 2) return SobolStrategy.Next(question);
        var (space, draws) = (question.Space, question.Draws());
        var child = Child();
        if (space.StageCosts.Count < 2) return child;
        // Nothing says which of two children is the better one. So the one is taken that shares more with trials; one that is a trial already is none.
        var other = Child();
        var (cost, otherCost) = (space.CostOf(child, question.History), space.CostOf(other, question.History));
        return cost == 0 || (otherCost > 0 && otherCost < cost) ? other : child;

        double[] Child()
        {
            var made = Crossed(space, Parent(), Parent(), draws);
            Mutate(space, made, draws);
            for (var d = 0; d < made.Length; d++) made[d] = space.Dimensions[d].Snap(made[d]);
            return made;
        }

        // Of two drawn ones the better one.
        IReadOnlyList<double> Parent()
        {
            var (a, b) = (parents[draws.Below(parents.Count)], parents[draws.Below(parents.Count)]);
            var isFirst = a.Rank != b.Rank ? a.Rank < b.Rank : a.Crowding >= b.Crowding;
            return question.History[(isFirst ? a : b).Trial].Point;
        }
    }

    private static double[] Crossed(SearchSpace space, IReadOnlyList<double> first, IReadOnlyList<double> second, SearchDraws draws)
    {
        var child = first.ToArray();
        if (draws.Uniform() >= CrossoverShare) return child;
        for (var d = 0; d < child.Length; d++)
        {
            // Each coordinate of one of the two children; which of them is the child does not matter.
            if (draws.Uniform() < 0.5) continue;
            child[d] = space.Dimensions[d].IsOrdered ? Between(first[d], second[d], draws) : draws.Uniform() < 0.5 ? second[d] : first[d];
        }

        return child;
    }

    /// <summary>Simulated binary crossover within 0 to 1 (Deb and Agrawal, 1995): near the parents, and farther from them where they are far apart.</summary>
    private static double Between(double first, double second, SearchDraws draws)
    {
        var (low, high) = (Math.Min(first, second), Math.Max(first, second));
        var (u, isLower) = (draws.Uniform(), draws.Uniform() < 0.5);
        if (high - low < 1e-12) return first;
        var room = isLower ? low : 1 - high;
        var alpha = 2 - Math.Pow(1 + (2 * room / (high - low)), -(CrossoverIndex + 1));
        var spread = u <= 1 / alpha ? Math.Pow(u * alpha, 1 / (CrossoverIndex + 1)) : Math.Pow(1 / (2 - (u * alpha)), 1 / (CrossoverIndex + 1));
        var middle = (low + high) / 2;
        return Math.Clamp(middle + ((isLower ? -0.5 : 0.5) * spread * (high - low)), 0, 1);
    }

    /// <summary>Polynomial mutation (Deb and Goyal, 1996) of one coordinate on average.</summary>
    private static void Mutate(SearchSpace space, double[] point, SearchDraws draws)
    {
        for (var d = 0; d < point.Length; d++)
        {
            if (draws.Uniform() >= 1.0 / point.Length) continue;
            var dimension = space.Dimensions[d];
            if (!dimension.IsOrdered)
            {
                point[d] = draws.Coordinate(dimension);
                continue;
            }

            var (x, u) = (point[d], draws.Uniform());
            var moved = u < 0.5
                ? x + Math.Pow((2 * u) + ((1 - (2 * u)) * Math.Pow(1 - x, MutationIndex + 1)), 1 / (MutationIndex + 1)) - 1
                : x + 1 - Math.Pow((2 * (1 - u)) + ((2 * (u - 0.5)) * Math.Pow(x, MutationIndex + 1)), 1 / (MutationIndex + 1));
            // A step that is too short to reach another value would be none.
            if (dimension.Levels > 0 && dimension.LevelOf(moved) == dimension.LevelOf(x)) moved = x + ((u < 0.5 ? -1.0 : 1.0) / dimension.Levels);
            point[d] = Math.Clamp(moved, 0, 1);
        }
    }
}
