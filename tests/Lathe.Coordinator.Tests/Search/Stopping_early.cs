using CsCheck;

namespace Lathe.Coordinator.Tests;

public sealed class Stopping_early
{
    [Fact]
    public void Rungs_grow_by_the_reduction_up_to_the_most()
    {
        Assert.Equal([1, 3, 9, 10], AshaPromotion.Epochs(1, 3, 10));
        Assert.Equal([2, 4, 8], AshaPromotion.Epochs(2, 2, 8));
        Assert.Equal([5], AshaPromotion.Epochs(5, 4, 5));
    }

    [Fact]
    public void The_best_of_the_highest_rung_that_has_one_is_sent_on()
    {
        Rung[] rungs =
        [
            new(new Dictionary<int, double> { [0] = 0.5, [1] = 0.4, [2] = 0.9, [3] = 0.3, [4] = 0.8, [5] = 0.7 }, new HashSet<int> { 1, 3 }),
            new(new Dictionary<int, double> { [1] = 0.2 }, new HashSet<int>()),
            new(new Dictionary<int, double>(), new HashSet<int>()),
        ];

        // Two of the first six are gone on, and of one nobody is a third.
        Assert.Null(AshaPromotion.Next(rungs, 3));
        Assert.Equal((0, 1), AshaPromotion.Next(rungs, 2));
        rungs[1] = new(new Dictionary<int, double> { [1] = 0.2, [3] = 0.1 }, new HashSet<int>());
        Assert.Equal((3, 2), AshaPromotion.Next(rungs, 2));
    }

    [Fact]
    public void Whoever_is_sent_on_is_among_the_best_share_of_its_rung_and_goes_once() =>
        Gen.Select(Gen.Double[0, 1].Array[1, 40], Gen.Int[2, 4]).Sample((losses, reduction) =>
        {
            // Three rungs; every trial that is sent on comes to the next rung at once, with a loss of its own.
            Dictionary<int, double>[] reached = [[], [], []];
            HashSet<int>[] promoted = [[], [], []];
            for (var trial = 0; trial < losses.Length; trial++)
            {
                reached[0].Add(trial, losses[trial]);
                while (AshaPromotion.Next([.. reached.Zip(promoted, (l, p) => new Rung(l, p))], reduction) is { } next)
                {
                    var from = reached[next.Rung - 1];
                    Assert.True(from.Values.Count(l => l < from[next.Trial]) < from.Count / reduction);
                    Assert.True(promoted[next.Rung - 1].Add(next.Trial));
                    reached[next.Rung].Add(next.Trial, losses[(next.Trial * 7) % losses.Length]);
                }
            }

            Assert.Empty(promoted[2]);
            Assert.True(reached[1].Count >= losses.Length / reduction);
        });

    [Theory]
    [InlineData(new[] { 0.9, 0.8 }, true)]
    [InlineData(new[] { 0.9, 0.5 }, false)]
    [InlineData(new[] { 0.9 }, false)]
    public void A_trial_is_stopped_if_its_best_is_worse_than_the_median_of_the_others_means(double[] losses, bool isDue)
    {
        // Means up to the second epoch: 0.5, 0.65, 0.9; the fourth did not get so far.
        double[][] others = [[0.6, 0.4, 0.1], [0.7, 0.6], [0.9, 0.9, 0.9], [0.1]];

        Assert.Equal(isDue, MedianStop.IsDue(losses, others, grace: 2, least: 3));
        Assert.False(MedianStop.IsDue(losses, others, grace: 2, least: 4));
    }
}
