using Lathe.Contracts;

namespace Lathe.Cli.Report;

/// <summary>One result in a plot of accuracy against a cost.</summary>
/// <param name="Number">Its number in the table of results.</param>
/// <param name="Name">The way to it.</param>
/// <param name="Cost">Above 0.</param>
/// <param name="Top1">A fraction of 1.</param>
/// <param name="Low">Lower end of its 95% interval; null: unknown.</param>
/// <param name="High">Upper end.</param>
/// <param name="Bits">Bits of a weight; null: float.</param>
/// <param name="IsDense">True for a network that no stage made smaller.</param>
internal sealed record ResultPoint(int Number, string Name, double Cost, double Top1, double? Low, double? High, double? Bits, bool IsDense);

/// <summary>Accuracy against a cost, with the front that no result beats in both.</summary>
internal static class ScatterPlot
{
    private const double Size = 5;

    /// <summary>Results that no other beats: at most their cost and at least their accuracy, one of them better. In order of cost.</summary>
    public static IReadOnlyList<ResultPoint> Front(IReadOnlyList<ResultPoint> points) =>
        [.. points
            .Where(p => !points.Any(q => q.Cost <= p.Cost && q.Top1 >= p.Top1 && (q.Cost < p.Cost || q.Top1 > p.Top1)))
            .OrderBy(p => p.Cost).ThenBy(p => p.Number)];

    /// <summary>Results with a known cost and accuracy.</summary>
    /// <param name="leaves">Results of a sweep.</param>
    /// <param name="names">The way to each.</param>
    /// <param name="cost">Which cost.</param>
    public static IReadOnlyList<ResultPoint> Points(IReadOnlyList<LeafResult> leaves, IReadOnlyList<string> names, Func<LeafResult, double?> cost) =>
        [.. leaves.Select((leaf, i) => (leaf, i)).Where(l => l.leaf.Figure("top1") is not null && cost(l.leaf) > 0).Select(l => new ResultPoint(
            l.i + 1, names[l.i], cost(l.leaf)!.Value, l.leaf.Figure("top1")!.Value, Metric(l.leaf, "top1Low"), Metric(l.leaf, "top1High"), l.leaf.Figure("bits"), SweepReport.IsDense(l.leaf)))];

    /// <summary>Draws the plot.</summary>
    /// <param name="points">At least one.</param>
    /// <param name="costName">Name of the cost, with its unit.</param>
    public static string Draw(IReadOnlyList<ResultPoint> points, string costName)
    {
        var x = Axis.Around(points.Select(p => p.Cost), PlotFrame.Left, PlotFrame.Right, isLogarithmic: true);
        var y = Axis.Around(points.SelectMany(p => (double[])[100 * p.Top1, 100 * (p.Low ?? p.Top1), 100 * (p.High ?? p.Top1)]), PlotFrame.Bottom, PlotFrame.Top);
        y = y with { High = Math.Min(y.High, 100.5) };
        var front = Front(points);
        // A staircase: up to the next cost nothing better is to be had.
        var steps = front.SelectMany<ResultPoint, (double, double)>((p, i) => i == 0 ? [At(p)] : [(x.Place(p.Cost), y.Place(100 * front[i - 1].Top1)), At(p)]);
        var bits = points.Where(p => p.Bits is not null).Select(p => p.Bits!.Value).Distinct().Order().ToList();
        var legend = new List<(string, string)>();
        if (points.Any(p => p.IsDense)) legend.Add((Mark(11, 0, null, dense: true, bits), "dense"));
        if (points.Any(p => p is { IsDense: false, Bits: null })) legend.Add((Mark(11, 0, null, dense: false, bits), "float weights"));
        legend.AddRange(bits.Select(b => (Mark(11, 0, b, dense: false, bits), $"{Output.Figures.Bits(b)}-bit weights")));
        legend.Add((Svg.Line(0, 0, 22, 0, "front"), "Pareto front: no other beats it in both"));
        if (points.Any(p => p.Low is not null)) legend.Add((Svg.Line(11, -6, 11, 6, "interval"), "95% interval of top-1"));

        // In a crowd those that a reader looks for come first.
        var labels = Labels([.. points.OrderByDescending(front.Contains).ThenByDescending(p => p.Top1).ThenBy(p => p.Number).Select(p => (p.Number, At(p)))]);
        var content = PlotFrame.Of(x, y, $"{costName}, logarithmic", "top-1 %")
            + $"""<path d="{Svg.Path(steps)}" class="front" />"""
            + string.Concat(points.Where(p => p.Low is not null && p.High is not null)
                .Select(p => Svg.Line(x.Place(p.Cost), y.Place(100 * p.Low!.Value), x.Place(p.Cost), y.Place(100 * p.High!.Value), "interval")))
            + string.Concat(points.Select(p =>
                $"<g{(front.Contains(p) ? " class=\"onfront\"" : "")}>{Mark(At(p).X, At(p).Y, p.Bits, p.IsDense, bits)}<title>{Svg.Text(Tooltip(p, costName))}</title></g>"))
            + string.Concat(labels.Select(l => Svg.Label(l.X, l.Y, $"{l.Number}", "middle", "number")))
            + PlotFrame.Legend(legend);
        var described = $"Top-1 accuracy against {costName} of {points.Count} results; on the Pareto front: {string.Join(", ", front.Select(p => p.Number))}";
        return Svg.Drawing(PlotFrame.Height(legend.Count), described, content);

        (double X, double Y) At(ResultPoint p) => (x.Place(p.Cost), y.Place(100 * p.Top1));
    }

    /// <summary>Dense networks are diamonds, float ones circles, and each width of fixed-point weights has a polygon of its own.</summary>
    private static string Mark(double x, double y, double? bits, bool dense, List<double> all)
    {
        if (dense) return Polygon(x, y, 4, 0, "mark s0");
        if (bits is null) return $"""<circle cx="{Svg.Number(x)}" cy="{Svg.Number(y)}" r="{Svg.Number(Size - 0.5)}" class="mark s1" />""";
        var index = all.IndexOf(bits.Value);
        return Polygon(x, y, index switch { 0 => 4, 1 => 3, 2 => 5, _ => 6 }, index == 0 ? Math.PI / 4 : 0, $"mark {Svg.Style(index + 2)}");
    }

    private static string Polygon(double x, double y, int corners, double turn, string style)
    {
        var points = Enumerable.Range(0, corners).Select(i => (2 * Math.PI * i / corners) - (Math.PI / 2) + turn)
            .Select(a => $"{Svg.Number(x + ((Size + 1) * Math.Cos(a)))},{Svg.Number(y + ((Size + 1) * Math.Sin(a)))}");
        return $"""<polygon points="{string.Join(' ', points)}" class="{style}" />""";
    }

    private static string Tooltip(ResultPoint p, string costName) =>
        $"{p.Number}: {p.Name}\n{Output.Figures.Percent(p.Top1)}% top-1"
        + (p.Low is not null ? $" ({Output.Figures.Percent(p.Low)} to {Output.Figures.Percent(p.High)})" : "") + $"\n{Axis.Short(p.Cost)} {costName}";

    /// <summary>Each number beside its point, where it covers no other number and no point.</summary>
    private static List<(int Number, double X, double Y)> Labels(IReadOnlyList<(int Number, (double X, double Y) At)> points)
    {
        var placed = new List<(int Number, double X, double Y)>();
        foreach (var (number, at) in points)
        {
            var places = ((double, double)[])[(12, 4), (-12, 4), (0, -9), (0, 17), (11, -7), (-11, -7), (11, 14), (-11, 14), (22, 4), (-22, 4)];
            var free = places.Select(p => (X: at.X + p.Item1, Y: at.Y + p.Item2))
                .Where(p => p.X is > PlotFrame.Left + 4 and < PlotFrame.Right - 2 && p.Y is > PlotFrame.Top + 4 and < PlotFrame.Bottom - 2)
                .Where(p => placed.TrueForAll(o => Math.Abs(o.X - p.X) > 13 || Math.Abs(o.Y - p.Y) > 11))
                .Where(p => points.All(o => Math.Abs(o.At.X - p.X) > 10 || Math.Abs(o.At.Y - (p.Y - 4)) > 9))
                .Select(p => ((double X, double Y)?)p).FirstOrDefault();
            // In a crowd the tooltip and the table have it.
            if (free is { } place) placed.Add((number, place.X, place.Y));
        }

        return placed;
    }

    private static double? Metric(LeafResult leaf, string name) =>
        leaf.Stages.Count > 0 && leaf.Stages[^1].Metrics.TryGetValue(name, out var value) ? value : null;
}
