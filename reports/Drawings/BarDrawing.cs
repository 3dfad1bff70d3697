using Lathe.Contracts.Panels;

namespace Lathe.Reports.Drawings;

/// <summary>Bars by category: within one another, or their parts one after the other.</summary>
internal static class BarDrawing
{
    private const double Row = 17;
    private const double Height = 12;
    private const double Left = 112;
    private const double Top = 16;
    private const double Edge = 4;
    private const double LeastBar = 60;
    private const double MostLabel = 106;

    /// <summary>Lays it out; null where there is no bar.</summary>
    public static Drawing? Of(BarChart chart)
    {
        if (chart.Categories.Count == 0 || chart.Series.Count == 0) return null;
        var labels = chart.Categories.Select((_, i) => TextWidth.Fit(LabelOf(chart, i), MostLabel, TextLook.Usual)).ToList();
        var right = Math.Max(Left + LeastBar, Drawing.UsualWidth - Edge - 6 - labels.Max(l => TextWidth.Of(l, TextLook.Usual)));
        var most = Most(chart);
        double Length(double value) => most == 0 ? 0 : (right - Left) * (IsNested(chart) ? Math.Sqrt(Numbers.Length(value) / most) : Numbers.Length(value) / most);
        var rows = chart.Categories.Select((name, i) =>
        {
            var y = Top + (i * Row);
            return new Group(
            [
                new Label(Left - 6, y + 10, TextWidth.Fit(name, Left - 6 - Edge, TextLook.Usual), Anchor.End),
                .. chart.IsStacked ? Parts(chart, i, y, Length) : Within(chart, i, y, Length),
                new Label(right + 6, y + 10, labels[i]),
            ]) { Tooltip = $"{name}: {Said(chart, i)}" };
        });
        var head = TextWidth.Fit(Head(chart), Drawing.UsualWidth - (2 * Edge), TextLook.Value);
        return new Drawing(
            Drawing.UsualWidth, Top + 6 + (chart.Categories.Count * Row), $"{chart.Title}: {chart.Unit} of {chart.Categories.Count}",
            [new Label(6, 10, head, Anchor.Start, TextLook.Value), .. rows]);
    }

    /// <summary>What stands beside a bar: as the panel says, else <c>8 of 16</c>.</summary>
    public static string LabelOf(BarChart chart, int category) => category < chart.Labels.Count ? chart.Labels[category]
        : chart.Series.Count > 1 && !chart.IsStacked ? $"{Axis.Rounded(Value(chart.Series[^1], category))} of {Axis.Rounded(Value(chart.Series[0], category))}"
        : Axis.Rounded(chart.Series.Sum(s => Value(s, category)));

    /// <summary>The largest bar; all are drawn over it.</summary>
    public static double Most(BarChart chart) => chart.Categories
        .Select((_, i) => chart.IsStacked ? chart.Series.Sum(s => Value(s, i)) : chart.Series.Max(s => Value(s, i))).DefaultIfEmpty(0).Max();

    /// <summary>A value of a series; 0 where it has none, or none that has a length.</summary>
    public static double Value(BarSeries series, int category) => category < series.Values.Count ? Numbers.Length(series.Values[category]) : 0;

    // The square root keeps small bars visible beside large ones; parts of a whole must add up.
    private static bool IsNested(BarChart chart) => !chart.IsStacked && chart.Series.Count > 1;

    private static string Head(BarChart chart) =>
        IsNested(chart) ? $"outline: {chart.Series[0].Name}; filled: {chart.Series[^1].Name}; square-root scale" : chart.Unit;

    private static string Said(BarChart chart, int category) => IsNested(chart)
        ? $"{Figures.Count(Value(chart.Series[0], category))} to {Figures.Count(Value(chart.Series[^1], category))} {chart.Unit}"
        : string.Join(", ", chart.Series.Where(s => Value(s, category) > 0).Select(s => $"{s.Name} {Axis.Short(Value(s, category))}"));

    private static IEnumerable<Shape> Within(BarChart chart, int category, double y, Func<double, double> length) =>
        chart.Series.Select((series, i) =>
            new Box(Left, y, length(Value(series, category)), Height, chart.Series.Count == 1 || i > 0 ? Look.After : Look.Before));

    private static IEnumerable<Shape> Parts(BarChart chart, int category, double y, Func<double, double> length)
    {
        var from = Left;
        foreach (var (i, series) in chart.Series.Index())
        {
            var width = length(Value(series, category));
            if (width > 0) yield return new Box(from, y, width, Height, Look.Part, series.Group ?? i + 1);
            from += width;
        }
    }
}
