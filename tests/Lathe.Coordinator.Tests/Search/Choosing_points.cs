using CsCheck;

namespace Lathe.Coordinator.Tests;

public sealed class Choosing_points
{
    public static TheoryData<string> Strategies => [.. SearchStrategies.ByName.Keys];

    [Theory]
    [MemberData(nameof(Strategies))]
    public void The_same_seed_and_history_give_the_same_points_and_they_lie_in_the_space(string strategy) =>
        Gen.Select(strategy == "grid" ? SearchSpaces.AnyFinite : SearchSpaces.Any, Gen.Int[0, 60], Gen.Int[1, 3], Gen.Long).Sample(
            (space, count, objectives, seed) =>
            {
                var history = SearchSpaces.History(space, count, objectives, seed);
                var points = SearchStrategies.Next(strategy, space, history, seed, 3);

                Assert.Equal(points, SearchStrategies.Next(strategy, space, [.. history], seed, 3));
                foreach (var point in points)
                {
                    Assert.Equal(space.Dimensions.Count, point.Length);
                    Assert.All(point.Zip(space.Dimensions), p => Assert.Equal(p.Second.Snap(p.First), p.First));
                    Assert.All(point, c => Assert.InRange(c, 0, 1));
                }
            },
            iter: 40);

    [Theory]
    [MemberData(nameof(Strategies))]
    public void A_finite_space_is_searched_to_its_last_point_and_none_comes_twice(string strategy) =>
        Gen.Select(SearchSpaces.AnyFinite.Where(s => s.Size <= 40), Gen.Long).Sample(
            (space, seed) =>
            {
                var history = new List<SearchTrial>();
                while (SearchStrategies.Next(strategy, space, history, seed, 1) is [var point])
                    history.Add(new SearchTrial(point, TrialState.Done, [point.Sum(), -point[0]]));

                Assert.Equal(space.Size, history.Count);
                Assert.Equal(history.Count, history.Select(t => space.NumberOf(t.Point)).Distinct().Count());
            },
            iter: 15);

    [Fact]
    public void What_a_point_shares_with_a_trial_costs_nothing()
    {
        var space = SearchSpaces.InStages([.. Enumerable.Repeat(new SearchDimension(4, true), 3)], areKnown: true);
        var (done, failed) = (new SearchTrial([0.125, 0.125, 0.125], TrialState.Done, [1]), new SearchTrial([0.875, 0.875, 0.875], TrialState.Failed, []));

        Assert.Equal([7, 0, 1, 3, 7, 7], [Cost(0.125, 0.125, 0.125, []), Cost(0.125, 0.125, 0.125, [failed, done]), Cost(0.125, 0.125, 0.375, [done]), Cost(0.125, 0.375, 0.125, [done]), Cost(0.375, 0.125, 0.125, [done]), Cost(0.875, 0.875, 0.125, [failed])]);

        double Cost(double a, double b, double c, SearchTrial[] history) => space.CostOf([a, b, c], history);
    }

    [Theory]
    [InlineData("random")]
    [InlineData("sobol")]
    [InlineData("tpe")]
    [InlineData("nsga2")]
    public void Another_seed_gives_other_points(string strategy)
    {
        var space = new SearchSpace([SearchDimension.Continuous, SearchDimension.Continuous]);
        var history = SearchSpaces.History(space, 40, 2, 1);

        Assert.NotEqual(SearchStrategies.Next(strategy, space, history, 1, 1)[0], SearchStrategies.Next(strategy, space, history, 2, 1)[0]);
    }

    [Fact]
    public void Several_points_at_once_are_those_that_come_one_by_one_while_nothing_ends() =>
        Gen.Select(SearchSpaces.Any, Gen.Int[0, 40], Gen.Long, Gen.Int[0, 3]).Sample(
            (space, count, seed, which) =>
            {
                var strategy = new[] { "random", "sobol", "tpe", "nsga2" }[which];
                var history = SearchSpaces.History(space, count, 2, seed).ToList();
                var together = SearchStrategies.Next(strategy, space, history, seed, 4);
                foreach (var point in together)
                {
                    Assert.Equal(point, SearchStrategies.Next(strategy, space, history, seed, 1)[0]);
                    history.Add(new SearchTrial(point, TrialState.Open, []));
                }
            },
            iter: 40);

    [Theory]
    [InlineData("tpe", 1)]
    [InlineData("tpe", 2)]
    [InlineData("nsga2", 1)]
    [InlineData("nsga2", 2)]
    public void What_looks_at_results_comes_closer_than_chance(string strategy, int objectives)
    {
        // Best is one kind of three, and numbers near 0.7 for the first objective and 0.3 for the second.
        var space = new SearchSpace([SearchDimension.Continuous, SearchDimension.Continuous, new SearchDimension(10, true), new SearchDimension(3, false)]);
        double[] Losses(double[] p)
        {
            var kind = space.Dimensions[3].LevelOf(p[3]) == 1 ? 0 : 0.3;
            return [.. new[] { 0.7, 0.3 }.Take(objectives).Select(at => p.Take(3).Sum(x => (x - at) * (x - at)) + kind)];
        }

        double Reached(string name, long seed)
        {
            var history = new List<SearchTrial>();
            for (var i = 0; i < 80; i++)
            {
                var point = SearchStrategies.Next(name, space, history, seed, 1)[0];
                history.Add(new SearchTrial(point, TrialState.Done, Losses(point)));
            }

            return Hypervolume.Of([.. history.Select(t => t.Losses)], [.. Enumerable.Repeat(1.0, objectives)]);
        }

        Assert.True(Enumerable.Range(1, 5).Count(seed => Reached(strategy, seed) > Reached("random", seed)) >= 4);
    }

    [Theory]
    [InlineData("tpe")]
    [InlineData("nsga2")]
    public void What_breaks_a_constraint_is_avoided_even_where_it_would_be_best(string strategy)
    {
        var space = new SearchSpace([SearchDimension.Continuous]);
        var history = new List<SearchTrial>();
        for (var i = 0; i < 80; i++)
        {
            var point = SearchStrategies.Next(strategy, space, history, 3, 1)[0];
            // Less is better, and less than a half is forbidden.
            history.Add(new SearchTrial(point, TrialState.Done, [point[0]], Math.Max(0, 0.5 - point[0])));
        }

        Assert.InRange(history[40..].Count(t => t.Point[0] is > 0.4 and < 0.65), 30, 40);
        Assert.InRange(history.Where(t => t.IsFeasible).Min(t => t.Losses[0]), 0.5, 0.52);
    }

    [Fact]
    public void Sobol_points_are_those_of_Joe_and_Kuo()
    {
        // Point 5000 of scipy 1.10's qmc.Sobol(40, scramble=False), times 2^13.
        int[] expected =
        [
            1611, 2135, 1767, 3379, 7679, 8087, 6933, 5455, 3455, 8109, 2931, 4711, 5799, 4011, 6123, 4347, 3427, 4651, 6155, 5913,
            6525, 1893, 4715, 1713, 7695, 451, 3391, 7565, 3003, 5, 3713, 1691, 6665, 5525, 7833, 1409, 4619, 6985, 3633, 365,
        ];

        Assert.Equal(expected, SobolStrategy.Point(40, 5000, null).Select(x => (int)(x * 8192)));
    }

    [Fact]
    public void Sobol_points_fill_every_coordinate_evenly_whatever_the_seed() =>
        Gen.Select(Gen.Int[0, 7], Gen.Int[1, SobolStrategy.MostDimensions], Gen.Long).Sample((bits, dimensions, seed) =>
        {
            var points = Enumerable.Range(0, 1 << bits).Select(i => SobolStrategy.Point(dimensions, (uint)i, seed)).ToList();
            for (var d = 0; d < dimensions; d++)
                Assert.Equal(Enumerable.Range(0, 1 << bits), points.Select(p => (int)(p[d] * (1 << bits))).Order());
        });
}
