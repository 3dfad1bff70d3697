using Lathe.Contracts;
using Spectre.Console.Rendering;

namespace Lathe.Reports.Terminals;

/// <summary>What a stage measured of one network, one row for each metric, beside that of the dense network.</summary>
public static class MetricText
{
    /// <summary>Draws the table.</summary>
    /// <param name="metrics">What was measured, by name.</param>
    /// <param name="descriptors">What it means, in the order of the rows; metrics without one are left out.</param>
    public static IRenderable Of(IReadOnlyDictionary<string, double> metrics, IReadOnlyList<MetricDescriptor> descriptors)
    {
        var table = new TextTable("", new TextColumn("this", IsRight: true), new TextColumn("dense", IsRight: true), new TextColumn("", Wraps: true));
        // What is part of another row has none of its own.
        var within = descriptors.SelectMany(d => (string?[])[d.DenseName, d.RatioName, d.LowName, d.HighName]).ToHashSet();
        foreach (var metric in descriptors.Where(d => !within.Contains(d.Name)))
        {
            if (Find(metric.Name) is not { } value)
            {
                if (metric.Format == MetricFormat.Bits) table.Add(metric.Title, Figures.Bits(null), "", metric.Description);
                continue;
            }

            var dense = Find(metric.DenseName) ?? (Find(metric.RatioName) is { } ratio and > 0 ? value / ratio : null);
            table.Add(
                metric.Unit.Length == 0 ? metric.Title : $"{metric.Title} {metric.Unit}", Figures.Of(value, metric.Format), dense is null ? "" : Figures.Of(dense, metric.Format),
                Interval(metric) is { Length: > 0 } interval ? interval : metric.Description);
            if (metric.IsColumn && metric.Format == MetricFormat.Percent && dense is not null) table.Add("points", Figures.Points(value - dense), "", "");
        }

        return table.Content;

        string Interval(MetricDescriptor metric) => Find(metric.LowName) is { } low && Find(metric.HighName) is { } high
            ? $"95% interval {Figures.Of(low, metric.Format)} to {Figures.Of(high, metric.Format)}" : "";

        double? Find(string? name) => name is not null && metrics.TryGetValue(name, out var value) ? value : null;
    }
}
