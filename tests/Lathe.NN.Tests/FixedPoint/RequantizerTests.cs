using System.Numerics;
using CsCheck;
using Lathe.Contracts;
using Lathe.NN.FixedPoint;

namespace Lathe.NN.Tests.FixedPoint;

public sealed class RequantizerTests
{
    private static readonly Gen<double> Slopes = Gen.Select(Gen.Double[-1, 1], Gen.Int[-30, 10], (fraction, exponent) => Math.ScaleB(fraction, exponent));

    /// <summary>Against the real map in exact fractions: doubles are fractions of powers of two.</summary>
    [Fact]
    public void Stays_within_its_error_bound() =>
        Gen.Select(Slopes, Gen.Double[-1000, 1000], Gen.Int).Sample((slope, intercept, value) =>
        {
            var map = Requantizer.Of(slope, intercept);
            const int Places = 160;
            var exact = (Fixed(slope, Places) * value) + Fixed(intercept, Places);
            var computed = (((BigInteger)value * map.Multiplier) + map.Offset) << (Places - map.Shift);
            Assert.True(BigInteger.Abs(exact - computed) <= Fixed(map.ErrorBound(value), Places), $"{map}");
        }, iter: 2000);

    [Fact]
    public void Rounds_to_nearest_ties_to_even() =>
        Gen.Select(Slopes, Gen.Double[-1000, 1000], Gen.Int).Sample((slope, intercept, value) =>
        {
            var map = Requantizer.Of(slope, intercept);
            var scaled = ((BigInteger)value * map.Multiplier) + map.Offset;
            var twice = (scaled << 1) - ((BigInteger)map.Apply(value) << (map.Shift + 1));
            var unit = BigInteger.One << map.Shift;
            Assert.True(BigInteger.Abs(twice) < unit || (BigInteger.Abs(twice) == unit && map.Apply(value) % 2 == 0), $"{map} of {value}");
        }, iter: 2000);

    [Theory]
    [InlineData(0.5, 1, 0)]
    [InlineData(0.5, 3, 2)]
    [InlineData(0.5, -1, 0)]
    [InlineData(0.5, -3, -2)]
    [InlineData(1, 77, 77)]
    [InlineData(-2, 5, -10)]
    [InlineData(0, 5, 0)]
    public void Powers_of_two_are_exact(double slope, int value, long expected) => Assert.Equal(expected, Requantizer.Of(slope, 0).Apply(value));

    [Theory]
    [InlineData(1e12, 0)]
    [InlineData(1, 1e19)]
    [InlineData(double.NaN, 0)]
    [InlineData(1, double.PositiveInfinity)]
    public void What_does_not_fit_is_refused(double slope, double intercept) => Assert.Throws<LatheException>(() => Requantizer.Of(slope, intercept));

    private static BigInteger Fixed(double value, int places)
    {
        var bits = BitConverter.DoubleToInt64Bits(value);
        var exponent = (int)((bits >> 52) & 0x7ff);
        var mantissa = (bits & ((1L << 52) - 1)) | (exponent == 0 ? 0 : 1L << 52);
        var shift = Math.Max(1, exponent) - 1075 + places;
        var magnitude = shift >= 0 ? (BigInteger)mantissa << shift : (BigInteger)mantissa >> -shift;
        return bits < 0 ? -magnitude : magnitude;
    }
}
