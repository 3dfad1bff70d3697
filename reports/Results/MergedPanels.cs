using Lathe.Contracts.Panels;
using Lathe.Reports.Drawings;

namespace Lathe.Reports.Results;

/// <summary>One panel of several executions' panels of the same identifier, so that they can be compared.</summary>
internal static class MergedPanels
{
    private const int MostJoined = 10;

    /// <summary>Merges them, in chunks of as many as can be told apart.</summary>
    /// <param name="panels">At least one; of one stage and identifier.</param>
    public static IReadOnlyList<Panel> Of(IReadOnlyList<(ReportedExecution Execution, Panel Panel)> panels)
    {
        var lines = panels.Where(p => p.Panel is LineChart).Select(p => (p.Execution, Panel: (LineChart)p.Panel)).ToList();
        var tables = panels.Where(p => p.Panel is TablePanel).Select(p => (p.Execution, Panel: (TablePanel)p.Panel)).ToList();
        return
        [
            .. Lines(lines),
            .. tables.Where(t => t.Panel.Keys > 0).Chunk(MostJoined).Select(Joined),
            .. tables.Where(t => t.Panel.Keys == 0).GroupBy(t => string.Join('\n', t.Panel.Columns.Select(c => c.Title))).Select(same => Stacked([.. same])),
            .. panels.Select(p => p.Panel).Where(p => p is not (LineChart or TablePanel)),
        ];
    }

    private static IEnumerable<LineChart> Lines(List<(ReportedExecution Execution, LineChart Panel)> charts)
    {
        var lines = charts.SelectMany(c => c.Panel.Lines.Select(line => line with { Name = Name(c.Execution, line), Group = null }));
        return lines.Chunk(Looks.Series).Select(some => charts[0].Panel with { Lines = some });
    }

    private static string Name(ReportedExecution execution, Line line) => line.Name.Length == 0 ? execution.Name : $"{execution.Name}: {line.Name}";

    /// <summary>Rows of the same keys as one, the other columns of each execution beside one another.</summary>
    private static TablePanel Joined((ReportedExecution Execution, TablePanel Panel)[] tables)
    {
        var first = tables[0].Panel;
        var keys = first.Keys;
        string Key(IReadOnlyList<TableCell> row) => string.Join('\n', row.Take(keys).Select(cell => cell.Text ?? $"{cell.Number}"));
        var rows = tables.Select(t => t.Panel.Rows.DistinctBy(Key).ToDictionary(Key)).ToList();
        var all = tables.SelectMany(t => t.Panel.Rows).DistinctBy(Key);
        return first with
        {
            Columns = [.. first.Columns.Take(keys), .. tables.SelectMany(t => Own(t.Panel.Columns).Select(c => c with { Title = $"{t.Execution.Label}: {c.Title}" }))],
            Rows = [.. all.Select(row => (IReadOnlyList<TableCell>)[.. row.Take(keys), .. tables.SelectMany((t, i) => OwnCells(t.Panel, rows[i].GetValueOrDefault(Key(row))))])],
        };

        IEnumerable<TableColumn> Own(IReadOnlyList<TableColumn> columns) => columns.Skip(keys);

        IEnumerable<TableCell> OwnCells(TablePanel table, IReadOnlyList<TableCell>? row) =>
            row?.Skip(keys) ?? Enumerable.Repeat(new TableCell(), table.Columns.Count - keys);
    }

    /// <summary>Rows of all executions below one another, each with its execution's name.</summary>
    private static TablePanel Stacked(IReadOnlyList<(ReportedExecution Execution, TablePanel Panel)> tables) => tables[0].Panel with
    {
        Columns = [new TableColumn("", IsText: true), .. tables[0].Panel.Columns],
        Rows = [.. tables.SelectMany(t => t.Panel.Rows.Select(row => (IReadOnlyList<TableCell>)[t.Execution.Name, .. row]))],
    };
}
