using CsCheck;

namespace Lathe.Coordinator.Tests;

public sealed class Comparing_trials
{
    private static readonly Gen<double[][]> Results =
        Gen.Int[1, 4].SelectMany(objectives => Gen.Int[0, 6].Select(v => v / 4.0).Array[objectives].Array[1, 25]);

    [Fact]
    public void Fronts_are_what_is_left_undominated_when_the_fronts_before_are_taken_away() =>
        Results.Sample(results =>
        {
            var expected = new int[results.Length];
            var left = Enumerable.Range(0, results.Length).ToList();
            for (var rank = 0; left.Count > 0; rank++)
            {
                var front = left.FindAll(i => !left.Exists(j => IsBeaten(results[i], results[j])));
                foreach (var i in front) expected[i] = rank;
                left = [.. left.Except(front)];
            }

            Assert.Equal(expected, ParetoSort.Ranks(results));
        });

    [Fact]
    public void Crowding_is_the_size_of_the_box_between_the_neighbours()
    {
        double[][] front = [[0, 10], [1, 6], [2, 4], [8, 1], [10, 0]];

        Assert.Equal([double.PositiveInfinity, 0.8, 1.2, 1.2, double.PositiveInfinity], ParetoSort.Crowding(front).Select(d => Math.Round(d, 12)));
        Assert.Equal([double.PositiveInfinity, double.PositiveInfinity], ParetoSort.Crowding([[1, 1], [1, 1]]));
    }

    [Fact]
    public void The_order_has_first_what_keeps_the_constraints_and_then_what_breaks_them_least() =>
        Gen.Select(Gen.Int[1, 40], Gen.Int[1, 3], Gen.Long).Sample((count, objectives, seed) =>
        {
            var trials = SearchSpaces.History(new SearchSpace([SearchDimension.Continuous]), count, objectives, seed);
            var order = ParetoSort.Order(trials);

            Assert.Equal(trials.Index().Where(t => t.Item.State is TrialState.Done or TrialState.Pruned).Select(t => t.Index), order.Select(o => o.Trial).Order());
            foreach (var (a, b) in order.Zip(order.Skip(1)))
            {
                var (first, second) = (trials[a.Trial], trials[b.Trial]);
                Assert.True(a.Rank <= b.Rank);
                if (first.IsFeasible && second.IsFeasible)
                {
                    Assert.False(ParetoSort.Dominates(second.Losses, first.Losses));
                    Assert.True(a.Rank < b.Rank || a.Crowding >= b.Crowding);
                }
                else
                {
                    Assert.True(first.IsFeasible || (!second.IsFeasible && first.Violation <= second.Violation));
                }
            }
        });

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void A_hypervolume_is_the_number_of_small_boxes_that_a_result_dominates(int objectives) =>
        Gen.Int[0, 7].Array[objectives].Array[0, 12].Sample(
            results =>
            {
                const int Side = 6;
                var boxes = 0;
                for (var box = 0; box < Math.Pow(Side, objectives); box++)
                {
                    int[] corner = [.. Enumerable.Range(0, objectives).Select(o => box / (int)Math.Pow(Side, o) % Side)];
                    if (results.Any(r => r.Zip(corner).All(c => c.First <= c.Second))) boxes++;
                }

                Assert.Equal(boxes, Hypervolume.Of([.. results.Select(r => r.Select(x => (double)x).ToArray())], [.. Enumerable.Repeat((double)Side, objectives)]), 9);
            },
            iter: 60);

    [Fact]
    public void What_a_result_adds_is_lost_without_it_and_a_subset_begins_with_the_largest() =>
        Gen.Select(Gen.Double[0, 1].Array[3].Array[1, 8], Gen.Int[1, 8]).Sample((results, count) =>
        {
            double[] reference = [1, 1, 1];
            var all = Hypervolume.Of(results, reference);
            var adds = Hypervolume.Contributions(results, reference);
            for (var i = 0; i < results.Length; i++)
                Assert.Equal(all - Hypervolume.Of([.. results.Where((_, j) => j != i)], reference), adds[i], 9);

            var chosen = Hypervolume.Subset(results, reference, count);
            Assert.Equal(Math.Min(count, results.Length), chosen.Distinct().Count());
            Assert.Equal(results.Max(r => Hypervolume.Of([r], reference)), Hypervolume.Of([results[chosen[0]]], reference), 12);
        });

    [Theory]
    [InlineData(-0.5, 0.5, 0.382924922548026)]
    [InlineData(-1, 2, 0.818594614120364)]
    [InlineData(3.5, 4, 0.000200957839154)]
    [InlineData(-8, -7.5, 3.1286811e-14)]
    public void The_normal_distribution_is_exact_to_its_tails(double low, double high, double expected) =>
        Assert.Equal(1, NormalDistribution.Between(low, high) / expected, 6);

    private static bool IsBeaten(double[] a, double[] by) => by.Zip(a).All(c => c.First <= c.Second) && by.Zip(a).Any(c => c.First < c.Second);
}
