using Lathe.Contracts.Panels;

namespace Lathe.Reports.Drawings;

/// <summary>A table as a picture, for those who want every panel as a file.</summary>
internal static class TableDrawing
{
    private const int MostRows = 60;
    private const double Row = 16;
    private const double Gap = 12;
    private const double Edge = 4;
    private const double WidestCell = 240;

    /// <summary>Lays it out; null where there is no row.</summary>
    public static Drawing? Of(TablePanel table)
    {
        if (table.Rows.Count == 0 || table.Columns.Count == 0) return null;
        var shown = TableCells.Shown(table, MostRows);
        var columns = table.Columns.Select((column, i) => new Placed(
            column, [Head(column), .. shown.Select(row => new Cell(TableCells.Text(table, row, i), TextLook.Usual))])).ToList();
        var x = Edge;
        var shapes = new List<Shape>();
        foreach (var column in columns)
        {
            shapes.AddRange(column.Cells.Select((cell, i) => column.At(cell, x, Edge + ((i + 1) * Row) - 4)));
            x += column.Width + Gap;
        }

        var (width, below) = (Math.Max(Drawing.UsualWidth, x), Edge + ((shown.Count + 1) * Row));
        shapes.Add(Stroke.Line(Edge, Edge + Row, width - Edge, Edge + Row, Look.Grid));
        if (shown.Count < table.Rows.Count)
            shapes.Add(new Label(Edge, below + Row - 4, $"{shown.Count} of {table.Rows.Count} rows", Anchor.Start, TextLook.Value));
        return new Drawing(width, below + (shown.Count < table.Rows.Count ? Row : 0) + Edge, $"{table.Title}: table of {table.Rows.Count} rows", shapes);
    }

    private static Cell Head(TableColumn column) => new(column.Title, TextLook.Head);

    private sealed record Cell(string Text, TextLook Look)
    {
        public string Fitted { get; } = TextWidth.Fit(Text, WidestCell, Look);
    }

    private sealed record Placed(TableColumn Column, IReadOnlyList<Cell> Cells)
    {
        public double Width { get; } = Cells.Max(cell => TextWidth.Of(cell.Fitted, cell.Look));

        public Label At(Cell cell, double x, double y) =>
            Column.IsText ? new Label(x, y, cell.Fitted, Anchor.Start, cell.Look) : new Label(x + Width, y, cell.Fitted, Anchor.End, cell.Look);
    }
}
