namespace Lathe.Coordinator;

/// <summary>
/// The tree-structured Parzen estimator (Bergstra, Bardenet, Bengio and Kegl, 2011), for several objectives after Ozaki, Tanigaki, Watanabe and Onishi (2020). The best trials give the density l, the
/// others g. Of some values that l makes likely, the next point has the one of the largest l/g, coordinate by coordinate.
/// </summary>
internal static class TpeStrategy
{
    /// <summary>Trials before the first estimate.</summary>
    public const int Startup = 10;

    private const int Candidates = 24;
    private const int Proposals = 4;
    private const double GoodShare = 0.1;
    private const int MostGood = 25;
    private const double LeastWeight = 1e-12;

    // Of losses from 0 to 1, as the paper's 1.1 times the worst.
    private const double Reference = 1.1;

    public static double[] Next(SearchQuestion question)
    {
        var known = ParetoSort.Order(question.History);
        if (known.Count < Startup) return SobolStrategy.Next(question);
        var good = Good(question.History, known, Math.Min(MostGood, (int)Math.Ceiling(GoodShare * known.Count)));
        var chosen = good.Select(g => g.Trial).ToHashSet();
        // What is not finished counts as bad, so that two workers do not try the same; what failed, so that nobody tries it again.
        var bad = Enumerable.Range(0, question.History.Count).Where(i => !chosen.Contains(i)).ToList();
        var draws = question.Draws();
        var densities = question.Space.Dimensions.Select((dimension, d) => (
            Good: new ParzenDensity(dimension, [.. good.Select(g => question.History[g.Trial].Point[d])], [.. good.Select(g => g.Weight)]),
            Bad: new ParzenDensity(dimension, [.. bad.Select(b => question.History[b].Point[d])], [.. bad.Select(_ => 1.0)]))).ToList();
        if (question.Space.StageCosts.Count < 2) return Proposal().Point;
        // Of some points, the one that promises most for its cost (Snoek, Larochelle and Adams, 2012). What it shares with trials costs nothing.
        var proposals = Enumerable.Range(0, Proposals).Select(_ => Proposal()).Select(p => (p.Point, p.Gain, Cost: question.Space.CostOf(p.Point, question.History))).ToList();
        return proposals.Where(p => p.Cost > 0).DefaultIfEmpty(proposals[0]).MaxBy(p => LogImprovement(p.Gain) - Math.Log(Math.Max(p.Cost, LeastWeight))).Point;

        (double[] Point, double Gain) Proposal()
        {
            var coordinates = densities.ConvertAll(density => Best(density.Good, density.Bad, draws));
            return ([.. coordinates.Select(c => c.Value)], coordinates.Sum(c => c.Gain));
        }
    }

    /// <summary>Logarithm of what is to be expected of a point with this log l/g, but for a constant: 1 / (γ + (1 - γ) g/l).</summary>
    private static double LogImprovement(double gain) => -Math.Log(GoodShare + ((1 - GoodShare) * Math.Exp(-gain)));

    private static (double Value, double Gain) Best(ParzenDensity good, ParzenDensity bad, SearchDraws draws)
    {
        var (best, most) = (0.0, double.NegativeInfinity);
        for (var i = 0; i < Candidates; i++)
        {
            var value = good.Draw(draws);
            var gain = good.Log(value) - bad.Log(value);
            if (gain > most) (best, most) = (value, gain);
        }

        return (best, most);
    }

    /// <summary>
    /// The best trials. Of the first front that does not fit whole, those that together dominate the most. Each weighs as much as it adds to what all of them dominate.
    /// </summary>
    private static List<(int Trial, double Weight)> Good(IReadOnlyList<SearchTrial> history, IReadOnlyList<(int Trial, int Rank, double Crowding)> known, int count)
    {
        var scaled = Scaled(history, [.. known.Select(k => k.Trial)]);
        var good = new List<int>();
        foreach (var front in known.GroupBy(k => k.Rank))
        {
            var members = front.Select(f => f.Trial).ToList();
            var room = count - good.Count;
            if (room <= 0) break;
            if (members.Count <= room || !scaled.TryGetValue(members[0], out var figure)) good.AddRange(members.Take(room));
            else good.AddRange(Hypervolume.Subset([.. members.Select(m => scaled[m])], figure.Select(_ => Reference).ToList(), room).Select(i => members[i]));
        }

        if (!scaled.TryGetValue(good[0], out var first) || first.Length < 2) return good.ConvertAll(g => (g, 1.0));
        var figures = good.Where(scaled.ContainsKey).ToList();
        var adds = Hypervolume.Contributions([.. figures.Select(g => scaled[g])], first.Select(_ => Reference).ToList());
        var most = Math.Max(adds.Max(), LeastWeight);
        return [.. figures.Select((g, i) => (g, Math.Max(adds[i] / most, LeastWeight)))];
    }

    /// <summary>Losses of the trials that keep the constraints, each objective from 0 to 1.</summary>
    private static Dictionary<int, double[]> Scaled(IReadOnlyList<SearchTrial> history, List<int> trials)
    {
        var feasible = trials.FindAll(t => history[t].IsFeasible);
        if (feasible.Count == 0) return [];
        var count = history[feasible[0]].Losses.Count;
        var least = Enumerable.Range(0, count).Select(o => feasible.Min(t => history[t].Losses[o])).ToArray();
        var most = Enumerable.Range(0, count).Select(o => feasible.Max(t => history[t].Losses[o])).ToArray();
        return feasible.ToDictionary(t => t, t => history[t].Losses.Select((loss, o) => most[o] > least[o] ? (loss - least[o]) / (most[o] - least[o]) : 0).ToArray());
    }
}
