using System.Globalization;
using System.Text;

namespace Lathe.Reports.Drawings;

/// <summary>How wide a text becomes, whatever font it is written with: a layout has no font at hand, so this is an upper estimate.</summary>
internal static class TextWidth
{
    private const string Thin = "ijlI.,:;'|! ";
    private const string Narrow = "frt()[]{}/\\\"`-";
    private const string Wide = "w<>+=~^#";
    private const string Broad = "mMW@%—…&";
    private const char Ellipsis = '…';

    // Bold letters are wider.
    private const double Bold = 1.13;

    /// <summary>Units that a text takes.</summary>
    public static double Of(string text, TextLook look)
    {
        var paint = Looks.Of(look);
        return text.EnumerateRunes().Sum(Em) * paint.Size * (paint.IsBold ? Bold : 1);
    }

    /// <summary>The text, or of one too long its end: the end of a long name tells more than its start.</summary>
    public static string Fit(string text, double width, TextLook look)
    {
        if (Of(text, look) <= width) return text;
        var runes = text.EnumerateRunes().ToList();
        for (var from = 1; from < runes.Count; from++)
        {
            var end = Ellipsis + string.Concat(runes.Skip(from));
            if (Of(end, look) <= width) return end;
        }

        return $"{Ellipsis}";
    }

    /// <summary>Width over the font's size; after DejaVu Sans, one of the wide ones.</summary>
    private static double Em(Rune rune) => rune.Value switch
    {
        < 128 when Thin.Contains((char)rune.Value, StringComparison.Ordinal) => 0.41,
        < 128 when Narrow.Contains((char)rune.Value, StringComparison.Ordinal) => 0.47,
        < 128 when Wide.Contains((char)rune.Value, StringComparison.Ordinal) => 0.85,
        < 0x2100 when Broad.Contains((char)rune.Value, StringComparison.Ordinal) => 1.02,
        >= 'A' and <= 'Z' => 0.79,
        < 128 => 0.65,
        < 0x2100 => Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark ? 0.2 : 0.86,
        _ => 1.4,
    };
}
