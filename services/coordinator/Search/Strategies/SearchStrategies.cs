namespace Lathe.Coordinator;

/// <summary>What a strategy is asked: the point of one trial.</summary>
/// <param name="Space">What may be chosen.</param>
/// <param name="History">All trials so far, in their order, open ones among them.</param>
/// <param name="Seed">Seed of the search.</param>
/// <param name="Attempt">0; or the number of points that were asked for in vain, because the search had them already.</param>
public sealed record SearchQuestion(SearchSpace Space, IReadOnlyList<SearchTrial> History, long Seed, int Attempt = 0)
{
    /// <summary>Number of the trial that the point is for, from 0.</summary>
    public int Number => History.Count;

    internal SearchDraws Draws() => new(Seed, Number, Attempt);
}

/// <summary>Chooses a point; null: there is none left. The same question has the same answer.</summary>
public delegate double[]? SearchStrategy(SearchQuestion question);

/// <summary>The strategies by name, and the choice of further points.</summary>
public static class SearchStrategies
{
    private const int MostAttempts = 20;
    private const double MostListed = 1_000_000;

    // Place of the draws that no strategy makes.
    private const int LastResort = -1;

    /// <summary>The known ones.</summary>
    public static IReadOnlyDictionary<string, SearchStrategy> ByName { get; } = new Dictionary<string, SearchStrategy>
    {
        ["grid"] = GridStrategy.Next,
        ["random"] = RandomStrategy.Next,
        ["sobol"] = SobolStrategy.Next,
        ["tpe"] = TpeStrategy.Next,
        ["nsga2"] = Nsga2Strategy.Next,
    };

    /// <summary>The next points of a search, each unlike all points before it. The answer follows from the arguments alone.</summary>
    /// <param name="strategy">One of <see cref="ByName"/>.</param>
    /// <param name="space">What may be chosen.</param>
    /// <param name="history">All trials so far, in their order.</param>
    /// <param name="seed">Seed of the search.</param>
    /// <param name="count">Number of points.</param>
    /// <returns>Fewer than asked for where the space has no others.</returns>
    public static IReadOnlyList<double[]> Next(string strategy, SearchSpace space, IReadOnlyList<SearchTrial> history, long seed, int count)
    {
        var next = ByName[strategy];
        var all = history.ToList();
        var points = new List<double[]>();
        while (points.Count < count && New(next, new SearchQuestion(space, all, seed)) is { } point)
        {
            points.Add(point);
            all.Add(new SearchTrial(point, TrialState.Open, []));
        }

        return points;
    }

    private static double[]? New(SearchStrategy next, SearchQuestion question)
    {
        for (var attempt = 0; attempt < MostAttempts; attempt++)
        {
            if (next(question with { Attempt = attempt }) is not { } point) return null;
            for (var d = 0; d < point.Length; d++) point[d] = question.Space.Dimensions[d].Snap(point[d]);
            if (!IsKnown(point, question.History)) return point;
        }

        return Untried(question);
    }

    private static bool IsKnown(double[] point, IReadOnlyList<SearchTrial> history) => history.Any(t => point.AsSpan().SequenceEqual(t.Point.ToArray()));

    /// <summary>A point that nothing speaks for but that it is a new one.</summary>
    private static double[]? Untried(SearchQuestion question)
    {
        var (space, draws) = (question.Space, new SearchDraws(question.Seed, question.Number, LastResort));
        if (space.Size > MostListed) return [.. space.Dimensions.Select(draws.Coordinate)];
        var size = (long)space.Size;
        var known = question.History.Select(t => space.NumberOf(t.Point)).ToHashSet();
        if (known.Count >= size) return null;
        var number = (long)(draws.Uniform() * size);
        while (known.Contains(number)) number = (number + 1) % size;
        return space.PointOf(number);
    }
}
