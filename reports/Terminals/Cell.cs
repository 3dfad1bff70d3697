using Spectre.Console.Rendering;

namespace Lathe.Reports.Terminals;

/// <summary>Texts by the columns that they take on a terminal: a Chinese character takes two.</summary>
internal static class Cell
{
    private const string Ellipsis = "…";

    /// <summary>Columns that a text of one line takes.</summary>
    public static int Width(string text) => new Segment(text).CellCount();

    /// <summary>The text, or of one too long its end: the end of a long name tells more than its start.</summary>
    public static string Fit(string text, int width)
    {
        if (Width(text) <= width) return text;
        var runes = text.EnumerateRunes().ToList();
        for (var from = 1; from < runes.Count; from++)
        {
            var end = Ellipsis + string.Concat(runes.Skip(from));
            if (Width(end) <= width) return end;
        }

        return width < 1 ? "" : Ellipsis;
    }

    /// <summary>The text in exactly so many columns.</summary>
    public static string Padded(string text, int width, bool isRight = false)
    {
        var fitted = Fit(text, width);
        var room = new string(' ', Math.Max(0, width - Width(fitted)));
        return isRight ? room + fitted : fitted + room;
    }

    /// <summary>A text for one line: what would break the line, or command the terminal, is a space.</summary>
    public static string OneLine(string text) => string.Concat(text.Select(c => char.IsControl(c) ? ' ' : c));
}
