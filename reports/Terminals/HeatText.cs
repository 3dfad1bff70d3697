using Lathe.Contracts.Panels;
using Lathe.Reports.Drawings;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Lathe.Reports.Terminals;

/// <summary>A matrix as text: its numbers where they fit, else shades.</summary>
internal static class HeatText
{
    private const string Shades = " ░▒▓█";
    private const int MostName = 14;
    private const int LeastName = 4;
    private const int LongestHead = 6;

    /// <summary>Draws it; null where there is no cell.</summary>
    public static IRenderable? Of(HeatMap map, int width)
    {
        if (map.Rows.Count == 0 || map.Columns.Count == 0) return null;
        var names = map.Rows.Select(Cell.OneLine).ToList();
        var name = Math.Clamp(names.Max(Cell.Width), LeastName, MostName);
        var heads = map.Columns.Select(c => Cell.Fit(Cell.OneLine(c), LongestHead)).ToList();
        var cells = names.Select((_, row) => heads.Select((_, column) => Number(HeatDrawing.Value(map, row, column))).ToList()).ToList();
        var widths = heads.Select((head, column) => 1 + Math.Max(Cell.Width(head), cells.Max(row => row[column].Length))).ToList();
        if (name + widths.Sum() > width) return Shaded(map, names, Math.Min(name, width / 3), width);
        var first = Cell.Padded("", name) + string.Concat(heads.Zip(widths, (head, w) => Cell.Padded(head, w, isRight: true)));
        var lines = names.Zip(cells, (row, numbers) => Cell.Padded(row, name) + string.Concat(numbers.Zip(widths, (n, w) => Cell.Padded(n, w, isRight: true))));
        return new Text(string.Join('\n', [Cell.Fit($"{Cell.OneLine(map.RowTitle)}, {Cell.OneLine(map.ColumnTitle)}", width), first, .. lines]));
    }

    private static string Number(double value) => value == 0 ? "·" : Axis.Rounded(value);

    /// <summary>A character for each cell; what does not fit is left out, and told.</summary>
    private static Text Shaded(HeatMap map, List<string> names, int name, int width)
    {
        var columns = Math.Min(map.Columns.Count, width - name - 1);
        var lines = names.Select((row, i) =>
        {
            var all = Math.Max(double.Epsilon, Enumerable.Range(0, map.Columns.Count).Sum(column => HeatDrawing.Value(map, i, column)));
            var shades = Enumerable.Range(0, columns).Select(column => Shade(HeatDrawing.Value(map, i, column) / all));
            return $"{Cell.Padded(row, name)} {string.Concat(shades)}";
        });
        var about = columns < map.Columns.Count ? $"the first {columns} of {map.Columns.Count} columns" : Cell.OneLine(map.ColumnTitle);
        return new Text(string.Join('\n', [Cell.Fit(about, width), .. lines]));
    }

    // What is there at all is seen.
    private static char Shade(double share) => share <= 0 ? Shades[0] : Shades[Math.Clamp((int)Math.Round((Shades.Length - 1) * Math.Sqrt(share)), 1, Shades.Length - 1)];
}
