using Lathe.NN.Runtime;

namespace Lathe.NN.Tests.Runtime;

public class CounterRandomTests
{
    [Fact]
    public void A_stream_is_SplitMix64_from_its_key()
    {
        // First outputs of the reference implementation for seed 1234567.
        var random = new CounterRandom(1234567);
        Assert.Equal(6457827717110365317UL, random.Bits(0));
        Assert.Equal(3203168211198807973UL, random.Bits(1));
        Assert.Equal(9817491932198370423UL, random.Bits(2));
    }

    [Fact]
    public void Streams_differ_by_seed_purpose_and_numbers()
    {
        var keys = new[]
        {
            CounterRandom.For(1, "a"), CounterRandom.For(2, "a"), CounterRandom.For(1, "b"), CounterRandom.For(1, "a", 0),
            CounterRandom.For(1, "a", 1), CounterRandom.For(1, "a", 0, 1), CounterRandom.For(1, "a", 1, 0), CounterRandom.For(-1, "a"),
        };
        Assert.Equal(keys.Length, keys.Distinct().Count());
        Assert.Equal(CounterRandom.For(1, "a", 1), CounterRandom.For(1, "a", 1));
    }

    [Fact]
    public void Uniform_and_normal_draws_have_their_moments()
    {
        const int Count = 100_000;
        var random = CounterRandom.For(7, "moments");
        var uniform = Enumerable.Range(0, Count).Select(i => random.Uniform(i)).ToArray();
        Assert.All(uniform, value => Assert.InRange(value, 0, 0.9999999999999999));
        Assert.Equal(0.5, uniform.Average(), 0.01);
        Assert.Equal(1 / 12.0, uniform.Average(value => (value - 0.5) * (value - 0.5)), 0.002);

        var normal = Enumerable.Range(0, Count).Select(i => random.Normal(i)).ToArray();
        Assert.Equal(0, normal.Average(), 0.02);
        Assert.Equal(1, normal.Average(value => value * value), 0.03);
        Assert.Equal(3, normal.Average(value => value * value * value * value), 0.2);
    }

    [Fact]
    public void Bounded_draws_reach_every_value_alike()
    {
        var random = CounterRandom.For(7, "below");
        var counts = Enumerable.Range(0, 70_000).Select(i => random.Below(i, 7)).CountBy(value => value).OrderBy(pair => pair.Key).ToArray();
        Assert.Equal([0, 1, 2, 3, 4, 5, 6], counts.Select(pair => pair.Key));
        Assert.All(counts, pair => Assert.InRange(pair.Value, 9_500, 10_500));
    }

    [Fact]
    public void A_permutation_holds_every_number_once_and_moves_them()
    {
        var order = CounterRandom.For(7, "order").Permutation(1000);
        Assert.Equal(Enumerable.Range(0, 1000), order.Order());
        Assert.InRange(order.Where((value, index) => value == index).Count(), 0, 10);
        Assert.Equal(order, CounterRandom.For(7, "order").Permutation(1000));
    }
}
