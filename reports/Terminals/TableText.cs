using Lathe.Contracts.Panels;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Lathe.Reports.Terminals;

/// <summary>Tables as text.</summary>
internal static class TableText
{
    private const int MostPoints = 12;
    private const int MostRows = 400;
    private const int LeastName = 12;

    /// <summary>Fits a table into a terminal; null where it has no row.</summary>
    public static IRenderable? Of(TablePanel table, int width)
    {
        if (table.Rows.Count == 0 || table.Columns.Count == 0) return null;
        var shown = TableCells.Shown(table, table.IsCourse ? MostPoints : MostRows);
        var columns = table.Columns.Select((column, i) => new Lines(
            Cell.OneLine(column.Title), !column.IsText, [.. shown.Select(row => Cell.OneLine(TableCells.Text(table, row, i)))])).ToList();
        var fitted = Fit(columns, width);
        var text = new TextTable([.. fitted.Select(c => new TextColumn(c.Title, c.IsRight))]);
        for (var row = 0; row < shown.Count; row++) text.Add(fitted.Select(c => c.Cells[row]));
        var notes = new List<string>();
        if (shown.Count < table.Rows.Count) notes.Add($"{shown.Count} of {table.Rows.Count} rows");
        if (fitted.Count < columns.Count) notes.Add($"{fitted.Count} of {columns.Count} columns");
        return notes.Count == 0 ? text.Content : new Rows(text.Content, new Text($"{string.Join(", ", notes)}; JSON has all", new Style(Color.Grey)));
    }

    /// <summary>Shortens the widest texts, then leaves the last columns out: a table wider than its terminal would be cut anywhere.</summary>
    private static List<Lines> Fit(List<Lines> columns, int width)
    {
        var fitted = columns.ToList();
        while (Width(fitted) > width)
        {
            var widest = fitted.Where(c => c.Width > LeastName && !c.IsRight).MaxBy(c => c.Width);
            if (widest is not null) fitted[fitted.IndexOf(widest)] = widest.Shortened(Math.Max(LeastName, widest.Width - (Width(fitted) - width)));
            else if (fitted.Count > 1) fitted.RemoveAt(fitted.Count - 1);
            else fitted[0] = fitted[0].Shortened(Math.Max(1, width - TextTable.UsualGap));
        }

        return fitted;
    }

    private static int Width(List<Lines> columns) => columns.Sum(c => c.Width + TextTable.UsualGap);

    private sealed record Lines(string Title, bool IsRight, IReadOnlyList<string> Cells)
    {
        public int Width { get; } = Cells.Append(Title).Max(Cell.Width);

        public Lines Shortened(int width) => new(Cell.Fit(Title, width), IsRight, [.. Cells.Select(cell => Cell.Fit(cell, width))]);
    }
}
