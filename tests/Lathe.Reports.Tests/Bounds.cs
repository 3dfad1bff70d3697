using Lathe.Reports.Drawings;
using Lathe.Reports.Pictures;
using SkiaSharp;

namespace Lathe.Reports.Tests;

/// <summary>What room shapes take, texts as the machine's font has them.</summary>
internal static class Bounds
{
    public static IEnumerable<(Shape Shape, SKRect Box)> Of(IEnumerable<Shape> shapes) => shapes.SelectMany(shape => shape switch
    {
        Group group => Of(group.Shapes),
        Label { Text: "" } => [],
        Label label => [(label, Of(label))],
        Box box => [(box, SKRect.Create((float)box.X, (float)box.Y, (float)box.Width, (float)box.Height))],
        Disc disc => [(disc, SKRect.Create((float)(disc.X - disc.Radius), (float)(disc.Y - disc.Radius), (float)(2 * disc.Radius), (float)(2 * disc.Radius)))],
        Stroke stroke => [(stroke, Of(stroke))],
        _ => throw new InvalidOperationException(shape.ToString()),
    });

    private static SKRect Of(Stroke stroke) => new(
        (float)stroke.Places.Min(p => p.X), (float)stroke.Places.Min(p => p.Y), (float)stroke.Places.Max(p => p.X), (float)stroke.Places.Max(p => p.Y));

    private static SKRect Of(Label label)
    {
        var look = Looks.Of(label.Look);
        var usual = look.IsBold ? Fonts.Bold : Fonts.Regular;
        var width = label.Text.EnumerateRunes().Sum(rune =>
        {
            using var font = new SKFont(Fonts.For(rune, usual), (float)look.Size) { Subpixel = true, LinearMetrics = true, Hinting = SKFontHinting.None };
            return font.MeasureText(rune.ToString());
        });
        var x = label.Anchor switch { Anchor.Middle => -width / 2, Anchor.End => -width, _ => 0 };
        var box = new SKRect(x, -0.8f * (float)look.Size, x + width, 0.25f * (float)look.Size);
        return SKMatrix.CreateTranslation((float)label.X, (float)label.Y).PreConcat(SKMatrix.CreateRotationDegrees((float)label.Turn)).MapRect(box);
    }
}
