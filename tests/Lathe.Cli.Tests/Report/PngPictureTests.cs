using Lathe.Cli.Report;
using Lathe.Cli.Report.Pictures;
using SkiaSharp;

namespace Lathe.Cli.Tests.Report;

public sealed class PngPictureTests
{
    private static readonly IReadOnlyList<ReportPlot> Plots = ReportPlots.All(Hostile.Report());

    public static TheoryData<string> Files => [.. Plots.Select(p => p.File)];

    [Theory]
    [MemberData(nameof(Files))]
    public void Every_plot_is_a_picture_of_three_pixels_a_unit_with_colours_and_text(string file)
    {
        var plot = Plots.Single(p => p.File == file);
        using var picture = Decode(plot);
        var height = double.Parse(plot.Svg.Split("viewBox=\"0 0 360 ")[1].Split('"')[0], System.Globalization.CultureInfo.InvariantCulture);
        Assert.Equal((1080, (int)Math.Ceiling(3 * (height + Svg.TitleHeight))), (picture.Width, picture.Height));
        Assert.Equal(new SKColor(255, 255, 255), picture.GetPixel(0, 0));
        // Dark text and lines, on paper that is mostly left free; in most plots something coloured.
        var pixels = picture.Pixels;
        Assert.InRange(pixels.Count(p => p is { Red: < 100, Green: < 110, Blue: < 120 }), 1000, pixels.Length / 4);
        Assert.InRange(pixels.Count(p => p == new SKColor(255, 255, 255)), pixels.Length / 5, pixels.Length * 98 / 100);
        if (!plot.Svg.Contains("class=\"line s0\"", StringComparison.Ordinal))
            Assert.InRange(pixels.Count(p => Math.Max(p.Red, Math.Max(p.Green, p.Blue)) - Math.Min(p.Red, Math.Min(p.Green, p.Blue)) > 60), 300, pixels.Length * 3 / 4);
    }

    [Theory]
    [InlineData("""<rect x="10" y="20" width="30" height="5" class="after" />""", 11, 21, 0x0072b2, 0.75)]
    [InlineData("""<rect x="10" y="20" width="30" height="5" class="right" fill-opacity="0.5" />""", 39, 24, 0x0072b2, 0.5)]
    [InlineData("""<g transform="translate(10 20)"><line x1="0" y1="0" x2="22" y2="0" class="line s0" /></g>""", 20, 20, 0x1b1f24, 1)]
    [InlineData("""<g transform="translate(10 20) rotate(90)"><line x1="0" y1="0" x2="22" y2="0" class="line s0" /></g>""", 10, 30, 0x1b1f24, 1)]
    [InlineData("""<circle cx="50" cy="50" r="10" class="dot s2" />""", 50, 50, 0xd55e00, 1)]
    [InlineData("""<circle cx="50" cy="50" r="10" class="mark s2" />""", 50, 50, 0xd55e00, 0.5)]
    [InlineData("""<g class="onfront"><polygon points="40,40 60,40 50,60" class="mark s3" /></g>""", 50, 45, 0x007a5a, 1)]
    [InlineData("""<path d="M10 10 L20 10 L20 20 Z" class="line s3 target" />""", 10, 10, 0x007a5a, 0.75)]
    [InlineData("""<path d="M10 10 L30 10 L30 30 Z" class="ridge" />""", 28, 14, 0x0072b2, 0.45)]
    public void Shapes_lie_where_they_should_in_the_colours_of_the_style(string element, int x, int y, int colour, double opacity)
    {
        using var picture = Decode(new ReportPlot("a", "a", Svg.Drawing(100, "a", element)));
        // Nothing is seen behind it but paper.
        byte On(int channel) => (byte)Math.Round((opacity * channel) + (255 * (1 - opacity)));
        var expected = (On(colour >> 16), On((colour >> 8) & 255), On(colour & 255));
        var places = from dx in Enumerable.Range(-1, 3) from dy in Enumerable.Range(-1, 3) select picture.GetPixel((x * 3) + dx, ((y + (int)Svg.TitleHeight) * 3) + dy);
        Assert.Contains(places, p => Math.Abs(p.Red - expected.Item1) <= 2 && Math.Abs(p.Green - expected.Item2) <= 2 && Math.Abs(p.Blue - expected.Item3) <= 2);
    }

    [Theory]
    [InlineData("start", 0)]
    [InlineData("middle", 0.5)]
    [InlineData("end", 1)]
    public void Text_is_anchored_as_it_says(string anchor, double before)
    {
        using var picture = Decode(new ReportPlot("a", "a", Svg.Drawing(100, "a", Svg.Label(180, 50, "channels", anchor))));
        var top = (int)Svg.TitleHeight * 3;
        int[] columns = [.. Enumerable.Range(0, picture.Width).Where(x => Enumerable.Range(top, picture.Height - top).Any(y => picture.GetPixel(x, y).Red < 128))];
        var (left, right) = (columns[0] / 3.0, columns[^1] / 3.0);
        Assert.InRange(right - left, 30, 60);
        Assert.Equal(180, left + (before * (right - left)), 1.5);
    }

    [Fact]
    public void Its_title_stands_above_it()
    {
        using var picture = Decode(new ReportPlot("a", "Widths, pruned to a half", Svg.Drawing(100, "a", "")));
        Assert.Contains(picture.Pixels.Take(picture.Width * (int)Svg.TitleHeight * 3), p => p is { Red: < 60 });
        Assert.DoesNotContain(picture.Pixels.Skip(picture.Width * (int)Svg.TitleHeight * 3), p => p.Red < 255);
    }

    [Fact]
    public void An_element_that_it_does_not_know_is_an_error_and_not_left_out() =>
        Assert.Contains("<ellipse>", Assert.Throws<InvalidOperationException>(() => PngPicture.Of(new ReportPlot("a", "a", Svg.Drawing(100, "a", "<ellipse />")))).Message);

    private static SKBitmap Decode(ReportPlot plot)
    {
        var png = PngPicture.Of(plot);
        Assert.Equal([0x89, (byte)'P', (byte)'N', (byte)'G'], png[..4]);
        return SKBitmap.Decode(png);
    }
}
