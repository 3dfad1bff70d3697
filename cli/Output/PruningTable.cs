using Lathe.Pruner;
using Spectre.Console;

namespace Lathe.Cli.Output;

/// <summary>What a pruning left of each layer, and how it came to its targets.</summary>
internal static class PruningTable
{
    public static void Show(Terminal terminal, PruningRecord record)
    {
        var before = Math.Max(1, record.Layers.Sum(l => l.MultiplicationsBefore));
        var layers = Columns("layer", "width", "", "kept", "mults", "", "of all");
        foreach (var layer in record.Layers)
        {
            layers.AddRow(
                layer.Layer, $"{layer.WidthBefore}", $"> {layer.WidthAfter}", $"{(double)layer.WidthAfter / layer.WidthBefore:0.00}",
                Figures.Count(layer.MultiplicationsBefore), $"> {Figures.Count(layer.MultiplicationsAfter)}", $"{(double)layer.MultiplicationsAfter / before:0.000}");
        }

        terminal.Write(layers);
        terminal.Line("");
        var path = Columns("epoch", "params", "target", "mults", "target");
        foreach (var point in record.Path)
        {
            path.AddRow(
                $"{point.Epoch}", Figures.Count((long)point.Parameters), Target(point.TargetParameters), Figures.Count((long)point.Multiplications),
                Target(point.TargetMultiplications));
        }

        terminal.Write(path);
        terminal.Line("");
    }

    private static string Target(double? target) => target is { } most ? Figures.Count((long)most) : "free";

    private static Table Columns(params string[] names)
    {
        var table = new Table().Border(TableBorder.None);
        foreach (var (name, i) in names.Select((name, i) => (name, i)))
        {
            var column = new TableColumn(new Markup($"[bold]{name}[/]")).PadLeft(i == 0 ? 2 : 0).PadRight(2).NoWrap();
            table.AddColumn(i == 0 && name == "layer" ? column : column.RightAligned());
        }

        return table;
    }
}
