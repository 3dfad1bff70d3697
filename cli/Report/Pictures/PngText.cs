using System.Text;
using SkiaSharp;

namespace Lathe.Cli.Report.Pictures;

/// <summary>One line of text of a picture.</summary>
internal static class PngText
{
    /// <summary>Draws it.</summary>
    /// <param name="canvas">Where to.</param>
    /// <param name="text">What.</param>
    /// <param name="x">Of its anchor.</param>
    /// <param name="y">Of its baseline.</param>
    /// <param name="anchor"><c>start</c>, <c>middle</c> or <c>end</c>; null: start.</param>
    /// <param name="style">CSS properties.</param>
    /// <exception cref="Contracts.LatheException">The machine has no font.</exception>
    public static void Draw(SKCanvas canvas, string text, float x, float y, string? anchor, IReadOnlyDictionary<string, string> style)
    {
        var size = PngPicture.Numbers(style.TryGetValue("font-size", out var own) ? own : style["font"])[0];
        var typeface = style.TryGetValue("font-weight", out var weight) && PngPicture.Numbers(weight) is [>= 600] ? Fonts.Bold : Fonts.Regular;
        var runs = Runs(text, typeface).Select(run => (run.Text, Font: Font(run.Typeface, size))).ToList();
        var width = runs.Sum(run => run.Font.MeasureText(run.Text));
        x -= anchor switch { "middle" => width / 2, "end" => width, _ => 0 };
        foreach (var (part, font) in runs)
        {
            PngPicture.Paint(style, paint => canvas.DrawText(part, x, y, SKTextAlign.Left, font, paint));
            x += font.MeasureText(part);
            font.Dispose();
        }
    }

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
