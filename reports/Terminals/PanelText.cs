using Lathe.Contracts.Panels;
using Spectre.Console;
using Spectre.Console.Rendering;
using BarChart = Lathe.Contracts.Panels.BarChart;
using Panel = Lathe.Contracts.Panels.Panel;
using TableCell = Lathe.Contracts.Panels.TableCell;

namespace Lathe.Reports.Terminals;

/// <summary>Panels as text.</summary>
public static class PanelText
{
    private const int Indent = 2;

    /// <summary>
    /// What a terminal shows of an execution's panels: where a table says the same in figures as a chart, the table; what is of secondary
    /// interest is left out, and so are kinds that are not known here.
    /// </summary>
    /// <param name="panels">Of one execution.</param>
    /// <param name="width">Columns of the terminal.</param>
    public static IReadOnlyList<IRenderable> Of(IReadOnlyList<Panel> panels, int width)
    {
        var tables = panels.OfType<TablePanel>().Select(p => p.Id).ToHashSet();
        var standIns = panels.Select(p => p.Figures).OfType<string>().ToHashSet();
        var shown = panels.Where(p => p.Figures is not { } id || !tables.Contains(id)).Where(p => !p.IsDetail || (p is TablePanel && standIns.Contains(p.Id)));
        var texts = new List<IRenderable>();
        var single = new List<LineChart>();
        foreach (var panel in shown)
        {
            // Lines of one each go below one another.
            if (panel is LineChart { Lines: [{ Name: "" }], Caption: "" } one) single.Add(one);
            else
            {
                Flush();
                if (Of(panel, width) is { } text) texts.Add(text);
            }
        }

        Flush();
        return texts;

        void Flush()
        {
            if (LineText.Of(single, width) is { } text) texts.Add(text);
            single.Clear();
        }
    }

    /// <summary>A panel as text, none of its lines longer than the terminal is wide; null where its kind is not known here, or it has nothing to show.</summary>
    public static IRenderable? Of(Panel panel, int width)
    {
        var content = panel switch
        {
            LineChart lines => LineText.Of(lines, width - Indent),
            ScatterChart scatter => TableText.Of(ScatterTable(scatter), width - Indent),
            BarChart bars => BarText.Of(bars, width - Indent),
            RidgeChart ridges => RidgeText.Of(ridges, width - Indent),
            HeatMap heat => HeatText.Of(heat, width - Indent),
            TablePanel table => TableText.Of(table, width - Indent),
            _ => null,
        };
        if (content is null) return null;
        List<IRenderable> parts = panel.Title.Length == 0 ? [content] : [Title(panel.Title, width), Indented(content)];
        if (panel.Caption.Length > 0) parts.Add(Indented(new Text(Cell.OneLine(panel.Caption), new Style(Color.Grey))));
        return new Rows(parts);
    }

    private static Text Title(string title, int width) => new(Cell.Fit(Cell.OneLine(title), width), new Style(decoration: Decoration.Bold));

    private static Padder Indented(IRenderable content) => new(content, new Padding(Indent, 0, 0, 0));

    private static TablePanel ScatterTable(ScatterChart chart) => new(
        chart.Id, chart.Title,
        [new("", IsText: true), new(chart.X.Title), new(chart.Y.Title), new("", IsText: true), new("", IsText: true)],
        [.. chart.Points.Select(p => (IReadOnlyList<TableCell>)[p.Label, p.X, p.Y, p.OnFront ? "front" : "", p.Name])]);
}
