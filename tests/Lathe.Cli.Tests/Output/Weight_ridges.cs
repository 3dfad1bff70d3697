using Lathe.Cli.Output;
using Lathe.Quantizer;

namespace Lathe.Cli.Tests.Output;

public class Weight_ridges
{
    private static readonly QuantizedLayer Layer = new("conv", 2, 3, 10, 0.2, 0, null);

    [Fact]
    public void Each_epoch_is_a_line_as_high_as_its_fullest_bin_with_the_modes_below()
    {
        var histogram = new WeightHistogram(null, 2, [0, 12], [[0, 1, 80, 40, 0], [4, 0, 8, 0, 1]], 2.5);
        Assert.Equal(
            [
                "  distribution of the weights, all quantized layers, 2 bits",
                // What is there at all is seen.
                "     before  ▁█▄",
                "   epoch 12 ▄ █ ▁",
                "            −Δ0Δ",
            ],
            Lines(histogram, Layer, Layer));
    }

    [Fact]
    public void Many_bins_are_drawn_by_three()
    {
        var counts = new long[99];
        counts[49] = counts[50] = 1;
        var lines = Lines(new WeightHistogram(null, 5, [0], [counts], 16.5), Layer, Layer with { Bits = 5 });
        Assert.Equal("  distribution of the weights, conv, 5 bits", lines[0]);
        Assert.Equal("     before " + new string(' ', 16) + "█", lines[1]);
        Assert.Equal(12 + 16, lines[2].IndexOf('0', StringComparison.Ordinal));
    }

    private static string[] Lines(WeightHistogram histogram, params QuantizedLayer[] layers) =>
        [.. Samples.Draw(WeightRidges.Draw(histogram, layers), 80).Select(line => line.TrimEnd())];
}
