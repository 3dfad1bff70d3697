using Lathe.Contracts.Panels;

namespace Lathe.Reports;

/// <summary>What every form of a table has in common: how a cell is written, and which rows stand for all.</summary>
internal static class TableCells
{
    /// <summary>A cell as people read it; what is not there is <c>-</c> in a column of numbers, and nothing in one of texts.</summary>
    public static string Text(TablePanel table, int row, int column)
    {
        var format = table.Columns[column];
        var cell = column < table.Rows[row].Count ? table.Rows[row][column] : null;
        if (cell?.Text is { } text) return text;
        return cell?.Number is null && format.IsText ? "" : Figures.Of(cell?.Number, format.Format);
    }

    /// <summary>Rows that are shown where there is room for some: of a course evenly spaced ones, the last among them; else the first.</summary>
    public static IReadOnlyList<int> Shown(TablePanel table, int most)
    {
        var rows = table.Rows.Count;
        if (!table.IsCourse) return [.. Enumerable.Range(0, Math.Min(rows, most))];
        var every = Math.Max(1, (rows + most - 1) / most);
        return [.. Enumerable.Range(0, rows).Where(row => (rows - 1 - row) % every == 0)];
    }
}
