using System.Globalization;
using Lathe.Pruner;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Lathe.Cli.Output;

/// <summary>What a pruning left of each layer, and how it came to its targets.</summary>
internal static class PruningTable
{
    // Columns that the figures take beside a layer's name, and lines of the path: all of it is in the JSON.
    private const int FiguresWidth = 54;
    private const int LeastName = 12;
    private const int MostPoints = 12;

    /// <summary>One row for each layer; names are shortened to fit the terminal.</summary>
    /// <param name="record">What happened.</param>
    /// <param name="width">Columns of the terminal.</param>
    public static IRenderable Layers(PruningRecord record, int width)
    {
        var before = Math.Max(1, record.Layers.Sum(l => l.MultiplicationsBefore));
        var table = Columns("layer", "width", "", "kept", "mults", "", "share");
        foreach (var layer in record.Layers)
        {
            table.AddRow(
                new Text(Shortened(layer.Layer, Math.Max(LeastName, width - FiguresWidth))),
                new Text($"{layer.WidthBefore}"), new Text($"> {layer.WidthAfter}"), new Text(Figures.Ratio((double)layer.WidthAfter / layer.WidthBefore)),
                new Text(Figures.Count(layer.MultiplicationsBefore)), new Text($"> {Figures.Count(layer.MultiplicationsAfter)}"),
                new Text(Figures.Ratio((double)layer.MultiplicationsAfter / before)));
        }

        return table;
    }

    /// <summary>One row for each of a few epochs, the last among them, and a line that says what they leave out.</summary>
    public static IRenderable Path(PruningRecord record)
    {
        var table = Columns("epoch", "params", "target", "mults", "target", "closed", "reopened");
        var every = Math.Max(1, (record.Path.Count + MostPoints - 1) / MostPoints);
        var (closed, reopened) = (0, 0);
        foreach (var (i, point) in record.Path.Index())
        {
            closed += point.Closed;
            reopened += point.Reopened;
            if ((record.Path.Count - 1 - i) % every != 0) continue;
            table.AddRow(
                point.Epoch.ToString("0.##", CultureInfo.InvariantCulture), Figures.Count(point.Parameters), Target(point.TargetParameters), Figures.Count(point.Multiplications),
                Target(point.TargetMultiplications), Figures.Count(closed), Figures.Count(reopened));
            (closed, reopened) = (0, 0);
        }

        return new Rows(table, new Text($"  {About(record.Path.Count, table.Rows.Count)}"));
    }

    private static string About(int points, int shown) => shown == points
        ? "closed and reopened: since the row above"
        : $"{shown} of {points} rows (--json has all); closed and reopened: since the row above";

    private static string Target(double? target) => target is { } most ? Figures.Count(Math.Floor(most)) : "free";

    /// <summary>The end of a layer's name tells more than its start.</summary>
    public static string Shortened(string name, int width) => name.Length <= width ? name : $"…{name[^(width - 1)..]}";

    /// <summary>A table without lines, its first column's text to the left where it names layers.</summary>
    public static Table Columns(params string[] names)
    {
        var table = new Table().Border(TableBorder.None);
        foreach (var name in names)
        {
            var column = new TableColumn(new Markup($"[bold]{name}[/]")).PadLeft(name == names[0] ? 2 : 0).PadRight(2).NoWrap();
            table.AddColumn(name == "layer" ? column : column.RightAligned());
        }

        return table;
    }
}
