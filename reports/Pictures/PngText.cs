using System.Text;
using Lathe.Reports.Drawings;
using SkiaSharp;

namespace Lathe.Reports.Pictures;

/// <summary>Texts of a picture.</summary>
internal static class PngText
{
    private const float HaloWidth = 3;

    /// <summary>Draws one.</summary>
    /// <exception cref="Contracts.LatheException">The machine has no font.</exception>
    public static void Draw(SKCanvas canvas, Label label)
    {
        var look = Looks.Of(label.Look);
        var typeface = look.IsBold ? Fonts.Bold : Fonts.Regular;
        var runs = Runs(label.Text, typeface).Select(run => (run.Text, Font: Font(run.Typeface, (float)look.Size))).ToList();
        var width = runs.Sum(run => run.Font.MeasureText(run.Text));
        var x = label.Anchor switch { Anchor.Middle => -width / 2, Anchor.End => -width, _ => 0 };
        canvas.Save();
        canvas.Translate((float)label.X, (float)label.Y);
        canvas.RotateDegrees((float)label.Turn);
        using var fill = new SKPaint { IsAntialias = true, Color = PngPicture.Colour(look.Fill) };
        using var halo = look.Halo is { } tint ? Halo(tint) : null;
        foreach (var (part, font) in runs)
        {
            if (halo is not null) canvas.DrawText(part, x, 0, SKTextAlign.Left, font, halo);
            canvas.DrawText(part, x, 0, SKTextAlign.Left, font, fill);
            x += font.MeasureText(part);
            font.Dispose();
        }

        canvas.Restore();
    }

    private static SKPaint Halo(Tint tint) => new()
    {
        IsAntialias = true, Style = SKPaintStyle.Stroke, StrokeWidth = HaloWidth, StrokeJoin = SKStrokeJoin.Round, Color = PngPicture.Colour(tint),
    };

    /// <summary>Letters lie where their outlines say, whatever the scale.</summary>
    private static SKFont Font(SKTypeface typeface, float size) =>
        new(typeface, size) { Subpixel = true, LinearMetrics = true, Hinting = SKFontHinting.None, Edging = SKFontEdging.Antialias };

    /// <summary>Parts of one typeface each.</summary>
    private static List<(string Text, SKTypeface Typeface)> Runs(string text, SKTypeface usual)
    {
        var runs = new List<(StringBuilder Text, SKTypeface Typeface)>();
        foreach (var rune in text.EnumerateRunes())
        {
            var typeface = Fonts.For(rune, usual);
            if (runs.Count == 0 || runs[^1].Typeface != typeface) runs.Add((new StringBuilder(), typeface));
            runs[^1].Text.Append(rune.ToString());
        }

        return [.. runs.Select(run => (run.Text.ToString(), run.Typeface))];
    }
}
