using Lathe.Reports.Drawings;
using Lathe.Reports.Pictures;
using SkiaSharp;

namespace Lathe.Reports.Tests;

public sealed class PictureTests
{
    private const int TitlePixels = (int)Drawing.TitleHeight * PngPicture.Scale;

    private static readonly Place[] Triangle = [new(10, 10), new(30, 10), new(30, 30)];

    public static TheoryData<Shape, int, int, int, double> Shapes => new()
    {
        { new Box(10, 20, 30, 5, Look.After), 11, 21, 0x0072b2, 0.75 },
        { new Box(10, 20, 30, 5, Look.Right, Opacity: 0.5), 39, 24, 0x0072b2, 0.5 },
        { new Box(10, 20, 30, 5, Look.Part, 0), 20, 22, 0xd8dee4, 1 },
        { Stroke.Line(10, 20, 32, 20, Look.Line), 20, 20, 0x1b1f24, 1 },
        { new Disc(50, 50, 10, Look.Dot, 2), 50, 50, 0xd55e00, 1 },
        { new Disc(50, 50, 10, Look.Mark, 2), 50, 50, 0xd55e00, 0.5 },
        { new Group([new Stroke([new(40, 40), new(60, 40), new(50, 60)], Look.FrontMark, 3, IsClosed: true)]), 50, 45, 0x007a5a, 1 },
        { new Stroke(Triangle, Look.Target, 3, IsClosed: true), 10, 10, 0x007a5a, 0.75 },
        { new Stroke(Triangle, Look.Ridge, IsClosed: true), 28, 14, 0x0072b2, 0.45 },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Shapes_lie_where_they_should_in_the_colours_of_the_style(Shape shape, int x, int y, int colour, double opacity)
    {
        using var picture = Paint(shape);
        // Nothing is seen behind it but paper.
        byte On(int channel) => (byte)Math.Round((opacity * channel) + (255 * (1 - opacity)));
        var expected = (On(colour >> 16), On((colour >> 8) & 255), On(colour & 255));
        var places = from dx in Enumerable.Range(-1, 3) from dy in Enumerable.Range(-1, 3) select picture.GetPixel((x * 3) + dx, (y * 3) + TitlePixels + dy);
        Assert.Contains(places, p => Math.Abs(p.Red - expected.Item1) <= 2 && Math.Abs(p.Green - expected.Item2) <= 2 && Math.Abs(p.Blue - expected.Item3) <= 2);
    }

    [Theory]
    [InlineData(Anchor.Start, 0)]
    [InlineData(Anchor.Middle, 0.5)]
    [InlineData(Anchor.End, 1)]
    public void Text_is_anchored_as_it_says(Anchor anchor, double before)
    {
        using var picture = Paint(new Label(180, 50, "channels", anchor));
        int[] columns = [.. Enumerable.Range(0, picture.Width).Where(x => Enumerable.Range(TitlePixels, picture.Height - TitlePixels).Any(y => picture.GetPixel(x, y).Red < 128))];
        var (left, right) = (columns[0] / 3.0, columns[^1] / 3.0);
        Assert.InRange(right - left, 30, 60);
        Assert.Equal(180, left + (before * (right - left)), 1.5);
    }

    [Fact]
    public void Text_turns_around_its_place()
    {
        using var picture = Paint(new Label(180, 50, "channels", Anchor.Middle, Turn: -90));
        var dark = Enumerable.Range(0, picture.Width).SelectMany(x => Enumerable.Range(TitlePixels, picture.Height - TitlePixels).Select(y => (x, y)))
            .Where(p => picture.GetPixel(p.x, p.y).Red < 128).ToList();
        Assert.InRange(dark.Max(p => p.x) - dark.Min(p => p.x), 10, 40);
        Assert.InRange(dark.Max(p => p.y) - dark.Min(p => p.y), 90, 180);
    }

    [Fact]
    public void A_title_stands_above()
    {
        using var picture = SKBitmap.Decode(PngPicture.File(new Drawing(360, 100, "a", []), "Widths, pruned to a half"));
        Assert.Contains(picture.Pixels.Take(picture.Width * TitlePixels), p => p is { Red: < 60 });
        Assert.DoesNotContain(picture.Pixels.Skip(picture.Width * TitlePixels), p => p.Red < 255);
    }

    [Fact]
    public void A_shape_that_is_not_known_is_an_error_and_not_left_out()
    {
        var drawing = new Drawing(360, 100, "a", [new Ellipse()]);
        Assert.Contains("Ellipse", Assert.Throws<InvalidOperationException>(() => PngPicture.File(drawing, "a")).Message, StringComparison.Ordinal);
        Assert.Contains("Ellipse", Assert.Throws<InvalidOperationException>(() => SvgPicture.File(drawing, "a")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_style_sheet_has_every_look_in_every_setting()
    {
        foreach (var look in Enum.GetValues<Look>())
            Assert.Contains($".{PlotStyle.Class(look, 1).Replace(' ', '.')} {{", PlotStyle.Css, StringComparison.Ordinal);
        foreach (var tint in Enum.GetValues<Tint>())
            Assert.Equal(3, PlotStyle.Css.Split($"--{tint.ToString().ToLowerInvariant()}: #").Length - 1);
    }

    private static SKBitmap Paint(Shape shape)
    {
        var png = PngPicture.File(new Drawing(360, 100, "a", [shape]), "");
        Assert.Equal([0x89, (byte)'P', (byte)'N', (byte)'G'], png[..4]);
        return SKBitmap.Decode(png);
    }

    private sealed record Ellipse : Shape;
}
