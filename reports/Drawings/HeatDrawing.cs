using Lathe.Contracts.Panels;

namespace Lathe.Reports.Drawings;

/// <summary>A matrix as colours: a full cell holds all of its row.</summary>
internal static class HeatDrawing
{
    private const double Left = 84;
    private const double Top = 18;
    private const double Side = 270;
    private const double Edge = 2;
    private const double LongestName = 76;
    private const double MostHeight = 30;

    // Above so many a cell has no room for its number, and a row none for its name.
    private const int MostNumbered = 12;
    private const int MostNamed = 24;

    /// <summary>Lays it out; null where there is no cell.</summary>
    public static Drawing? Of(HeatMap map)
    {
        if (map.Rows.Count == 0 || map.Columns.Count == 0) return null;
        var cell = new Place(Side / map.Columns.Count, Math.Min(MostHeight, Side / map.Rows.Count));
        var bottom = Top + (map.Rows.Count * cell.Y);
        var columnsAreNamed = map.Columns.Count <= MostNamed;
        IEnumerable<Shape> shapes =
        [
            new Label(Left + (Side / 2), 11, TextWidth.Fit(map.ColumnTitle, Side, TextLook.Value), Anchor.Middle, TextLook.Value),
            .. map.Rows.Index().SelectMany(row => Cells(map, row.Index, cell)),
            new Box(Left, Top, Side, bottom - Top, Look.Outline),
            .. map.Rows.Count > MostNamed ? [] : map.Rows.Select((name, i) => RowName(name, Top + ((i + 0.5) * cell.Y))),
            .. columnsAreNamed ? map.Columns.Select((name, i) => ColumnName(name, Left + ((i + 0.5) * cell.X), bottom)) : [],
        ];
        return new Drawing(
            Drawing.UsualWidth, bottom + (columnsAreNamed ? LongestName : 10), $"{map.Title}: {map.RowTitle} by {map.ColumnTitle}, {map.Rows.Count} by {map.Columns.Count}",
            [.. shapes]);
    }

    /// <summary>A value of the matrix; 0 where it has none.</summary>
    public static double Value(HeatMap map, int row, int column) =>
        row < map.Values.Count && column < map.Values[row].Count ? Numbers.Length(map.Values[row][column]) : 0;

    private static IEnumerable<Shape> Cells(HeatMap map, int row, Place cell)
    {
        var all = Enumerable.Range(0, map.Columns.Count).Sum(column => Value(map, row, column));
        for (var column = 0; column < map.Columns.Count; column++)
        {
            var value = Value(map, row, column);
            if (value == 0) continue;
            var share = value / all;
            var (x, y) = (Left + (column * cell.X), Top + (row * cell.Y));
            var look = row == column && map.IsDiagonalRight ? Look.Right : map.IsDiagonalRight ? Look.Wrong : Look.Right;
            var number = map.Columns.Count > MostNumbered || map.Rows.Count > MostNumbered ? [] : (Shape[])
                [new Label(x + (cell.X / 2), y + (cell.Y / 2) + 3, TextWidth.Fit(Axis.Rounded(value), cell.X, TextLook.Cell), Anchor.Middle, TextLook.Cell)];
            yield return new Group([new Box(x, y, cell.X, cell.Y, look, Opacity: Math.Max(0.05, Math.Sqrt(share) * 0.8)), .. number])
            {
                Tooltip = FormattableString.Invariant($"{map.Rows[row]} {map.ColumnTitle} {map.Columns[column]}: {Axis.Rounded(value)}, {100 * share:0.#}%"),
            };
        }
    }

    private static Label RowName(string name, double y) =>
        new(Left - 5, y + 3, TextWidth.Fit(name, Left - 5 - Edge, TextLook.Value), Anchor.End, TextLook.Value);

    private static Label ColumnName(string name, double x, double bottom) =>
        new(x + 3, bottom + 8, TextWidth.Fit(name, LongestName, TextLook.Value), Anchor.End, TextLook.Value, Turn: -60);
}
