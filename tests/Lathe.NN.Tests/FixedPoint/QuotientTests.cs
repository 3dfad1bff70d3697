using System.Numerics;
using CsCheck;
using Lathe.Contracts;
using Lathe.NN.FixedPoint;

namespace Lathe.NN.Tests.FixedPoint;

public sealed class QuotientTests
{
    /// <summary>Sums as large as bytes make them, and those whose mean is a tie.</summary>
    [Fact]
    public void Is_the_nearest_whole_number_and_of_two_the_even_one() =>
        Gen.Select(Gen.Int[-40, 30], Gen.Int[1, 1 << 20], Gen.Int[-255, 255], Gen.Bool).Sample((places, count, byteValue, isHalf) =>
        {
            var sum = isHalf ? (byteValue * count) + (count / 2) : byteValue * count / 3;
            var quotient = Quotient.Of(places, count);
            // sum·2^places / count, numerator and denominator whole.
            var numerator = (BigInteger)sum << Math.Max(0, places);
            var denominator = (BigInteger)count << Math.Max(0, -places);
            var rounded = quotient.Apply(sum);
            var twice = BigInteger.Abs((2 * numerator) - (2 * rounded * denominator));
            Assert.True(twice < denominator || (twice == denominator && rounded % 2 == 0), $"{sum}·2^{places} / {count} is not {rounded}");
        }, iter: 20_000);

    [Theory]
    [InlineData(18, 0)]
    [InlineData(54, 2)]
    [InlineData(-18, 0)]
    [InlineData(-54, -2)]
    [InlineData(90, 2)]
    [InlineData(19, 1)]
    public void A_mean_of_36_pixels_in_the_middle_goes_to_the_even_side(int sum, long expected) => Assert.Equal(expected, Quotient.Of(0, 36).Apply(sum));

    [Fact]
    public void Too_many_places_are_refused() => Assert.Throws<LatheException>(() => Quotient.Of(32, 3));
}
