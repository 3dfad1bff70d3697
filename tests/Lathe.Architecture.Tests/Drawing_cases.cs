using System.Collections.Concurrent;
using CsCheck;

namespace Lathe.Architecture.Tests;

/// <summary>Properties try the same cases in every run, so that no run fails by chance.</summary>
public sealed class Drawing_cases
{
    [Fact]
    public void A_property_draws_the_same_cases_on_any_number_of_threads() => Assert.Equal(Drawn("a", threads: 1), Drawn("a", threads: 4));

    [Fact]
    public void Another_property_draws_others() => Assert.NotEqual(Drawn("a", threads: 1), Drawn("b", threads: 1));

    [Fact]
    public void Cases_differ_from_each_other() => Assert.InRange(Drawn("a", threads: 1).Distinct().Count(), 95, 100);

    [Fact]
    public void The_smallest_case_that_fails_is_told_with_its_seed()
    {
        var failure = Assert.Throws<CsCheckException>(() => Gen.Int[0, 1000].Array[1, 50].Sample(numbers => Assert.True(numbers.Sum() < 5000), iter: 2000));
        Assert.Contains("Set seed: ", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_failure_that_does_not_come_again_is_told_too()
    {
        var times = 0;
        var failure = Assert.Throws<InvalidOperationException>(() => Gen.Int.Sample(_ => Assert.NotEqual(1, Interlocked.Increment(ref times)), threads: 1));
        Assert.Contains("more than what is drawn", failure.Message, StringComparison.Ordinal);
    }

    private static long[] Drawn(string property, int threads)
    {
        var drawn = new ConcurrentBag<long>();
        Gen.Long.Sample(drawn.Add, threads: threads, property: property);
        return [.. drawn.Order()];
    }
}
