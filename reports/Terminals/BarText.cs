using Lathe.Reports.Drawings;
using Spectre.Console;
using Spectre.Console.Rendering;
using BarChart = Lathe.Contracts.Panels.BarChart;

namespace Lathe.Reports.Terminals;

/// <summary>Bars as text.</summary>
internal static class BarText
{
    // A part's group, or place, decides its filling; 0 is the pale one.
    private const string Fillings = "░█▓▒";
    private const char Whole = '█';
    private const char Gone = '░';
    private const int MostName = 28;
    private const int LeastName = 8;
    private const int MostLabel = 24;
    private const int MostBar = 50;

    /// <summary>A line for each category; null where there is none.</summary>
    public static IRenderable? Of(BarChart chart, int width)
    {
        if (chart.Categories.Count == 0 || chart.Series.Count == 0) return null;
        var names = chart.Categories.Select(Cell.OneLine).ToList();
        var labels = chart.Categories.Select((_, i) => Cell.Fit(Cell.OneLine(BarDrawing.LabelOf(chart, i)), MostLabel)).ToList();
        var nameWidth = Math.Min(names.Max(Cell.Width), Math.Clamp(width / 3, LeastName, MostName));
        var bar = Math.Clamp(width - nameWidth - labels.Max(Cell.Width) - 4, 4, MostBar);
        var most = BarDrawing.Most(chart);
        var lines = names.Select((name, i) => $"{Cell.Padded(name, nameWidth)}  {Cell.Padded(Bar(chart, i, bar, most), bar)}  {labels[i]}");
        return new Text(string.Join('\n', [Cell.Fit(Cell.OneLine(chart.Unit), width), .. lines]));
    }

    private static string Bar(BarChart chart, int category, int width, double most)
    {
        if (most == 0) return "";
        var values = chart.Series.Select(s => BarDrawing.Value(s, category) / most * width).ToList();
        if (chart.IsStacked) return Stacked(chart, values);
        var (before, after) = ((int)Math.Round(values[0]), (int)Math.Round(values[^1]));
        return new string(Whole, after) + new string(Gone, Math.Max(0, before - after));
    }

    /// <summary>Ends are rounded, not lengths, so that parts add up.</summary>
    private static string Stacked(BarChart chart, List<double> values)
    {
        var (text, from) = ("", 0.0);
        foreach (var (i, value) in values.Index())
        {
            var filling = Fillings[(chart.Series[i].Group ?? i + 1) % Fillings.Length];
            text += new string(filling, (int)Math.Round(from + value) - (int)Math.Round(from));
            from += value;
        }

        return text;
    }
}
