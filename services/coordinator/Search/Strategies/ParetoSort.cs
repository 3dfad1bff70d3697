namespace Lathe.Coordinator;

/// <summary>Order of results by several objectives at once (Deb, Pratap, Agarwal and Meyarivan, 2002). Less is better in every objective.</summary>
public static class ParetoSort
{
    /// <summary>True: a is nowhere worse than b, and somewhere better.</summary>
    public static bool Dominates(IReadOnlyList<double> a, IReadOnlyList<double> b)
    {
        var isBetter = false;
        for (var i = 0; i < a.Count; i++)
        {
            if (a[i] > b[i]) return false;
            isBetter |= a[i] < b[i];
        }

        return isBetter;
    }

    /// <summary>The front that each result is on: 0 for those that no other dominates, 1 for those that only results of front 0 dominate, and so on.</summary>
    public static int[] Ranks(IReadOnlyList<IReadOnlyList<double>> losses)
    {
        var count = losses.Count;
        var ranks = new int[count];
        var by = new int[count];
        var beats = new List<int>[count];
        for (var i = 0; i < count; i++) beats[i] = [];
        for (var i = 0; i < count; i++)
        {
            for (var j = i + 1; j < count; j++)
            {
                if (Dominates(losses[i], losses[j]))
                {
                    beats[i].Add(j);
                    by[j]++;
                }
                else if (Dominates(losses[j], losses[i]))
                {
                    beats[j].Add(i);
                    by[i]++;
                }
            }
        }

        var front = Enumerable.Range(0, count).Where(i => by[i] == 0).ToList();
        for (var rank = 0; front.Count > 0; rank++)
        {
            var next = new List<int>();
            foreach (var i in front)
            {
                ranks[i] = rank;
                foreach (var j in beats[i])
                {
                    if (--by[j] == 0) next.Add(j);
                }
            }

            front = next;
        }

        return ranks;
    }

    /// <summary>
    /// Crowding distance of each result of one front: the sides of the box that its neighbours span, each over the range of its objective. Infinite for those at an end of a range.
    /// </summary>
    public static double[] Crowding(IReadOnlyList<IReadOnlyList<double>> losses)
    {
        var distances = new double[losses.Count];
        for (var objective = 0; losses.Count > 0 && objective < losses[0].Count; objective++)
        {
            var o = objective;
            var order = Enumerable.Range(0, losses.Count).OrderBy(i => losses[i][o]).ToList();
            distances[order[0]] = distances[order[^1]] = double.PositiveInfinity;
            var range = losses[order[^1]][o] - losses[order[0]][o];
            if (!(range > 0)) continue;
            for (var i = 1; i < order.Count - 1; i++) distances[order[i]] += (losses[order[i + 1]][o] - losses[order[i - 1]][o]) / range;
        }

        return distances;
    }

    /// <summary>
    /// Trials that have figures or break a constraint, best first: those that keep the constraints by front and crowding, then the others by how far they break them.
    /// </summary>
    /// <returns>Numbers of the trials, each with its rank; equal ranks are equally good but for their crowding.</returns>
    public static IReadOnlyList<(int Trial, int Rank, double Crowding)> Order(IReadOnlyList<SearchTrial> trials)
    {
        var feasible = Enumerable.Range(0, trials.Count).Where(i => trials[i].IsFeasible).ToList();
        var ranks = Ranks([.. feasible.Select(i => trials[i].Losses)]);
        var ordered = new List<(int, int, double)>();
        foreach (var front in feasible.Zip(ranks).GroupBy(f => f.Second).OrderBy(g => g.Key))
        {
            var members = front.Select(f => f.First).ToList();
            var crowding = Crowding([.. members.Select(i => trials[i].Losses)]);
            ordered.AddRange(members.Select((i, m) => (i, front.Key, crowding[m])).OrderByDescending(m => m.Item3));
        }

        var worst = ranks.Length == 0 ? 0 : ranks.Max() + 1;
        var broken = Enumerable.Range(0, trials.Count).Where(i => trials[i].State is TrialState.Done or TrialState.Pruned && !trials[i].IsFeasible);
        foreach (var (step, equal) in broken.GroupBy(i => trials[i].Violation).OrderBy(g => g.Key).Index()) ordered.AddRange(equal.Select(i => (i, worst + step, 0.0)));
        return ordered;
    }
}
