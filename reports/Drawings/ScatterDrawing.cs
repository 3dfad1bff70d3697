using Lathe.Contracts.Panels;

namespace Lathe.Reports.Drawings;

/// <summary>Points in a plane, with the front that no other point beats.</summary>
internal static class ScatterDrawing
{
    private const double Size = 5;

    // Where a label may stand beside its point, the best place first.
    private static readonly Place[] Beside =
        [new(12, 4), new(-12, 4), new(0, -9), new(0, 17), new(11, -7), new(-11, -7), new(11, 14), new(-11, 14), new(22, 4), new(-22, 4)];

    /// <summary>Lays it out; null where there is no point.</summary>
    public static Drawing? Of(ScatterChart chart)
    {
        var (xLog, yLog) = (chart.X.Scale == AxisScale.Logarithmic, chart.Y.Scale == AxisScale.Logarithmic);
        var sound = chart.Points.Where(p => Numbers.IsSound(p.X) && Numbers.IsSound(p.Y) && (!xLog || Numbers.HasLogarithm(p.X)) && (!yLog || Numbers.HasLogarithm(p.Y))).ToList();
        if (sound.Count == 0) return null;
        var x = Axis.Around(sound.Select(p => p.X).Concat(chart.X.FromZero && !xLog ? [0.0] : []), Frame.Left, Frame.Right, xLog);
        var y = Axis.Around(sound.SelectMany(Heights).Concat(chart.Y.FromZero && !yLog ? [0.0] : []), Frame.Bottom, Frame.Top, yLog);
        var points = sound.Select(p => new Placed(p, new Place(x.Place(p.X), y.Place(p.Y)))).ToList();
        var front = points.Where(p => p.Point.OnFront).OrderBy(p => p.Point.X).ToList();
        var legend = Legend(chart, sound);
        IEnumerable<Shape> shapes =
        [
            .. Frame.Of(x, y, Name(chart.X), Name(chart.Y)),
            .. front.Count > 1 ? [Staircase(front)] : Array.Empty<Shape>(),
            .. sound.Where(HasInterval).Select(p => Stroke.Line(x.Place(p.X), y.Place(p.Low!.Value), x.Place(p.X), y.Place(p.High!.Value), Look.Interval)),
            .. points.Select(p => Mark(p.At, p.Point.Group, p.Point.OnFront ? Look.FrontMark : Look.Mark) with { Tooltip = Tooltip(chart, p.Point) }),
            .. Labels(points),
            .. Frame.Legend(legend),
        ];
        var named = front.Count == 0 ? "" : $"; on the front: {string.Join(", ", front.Select(p => p.Point.Label))}";
        return new Drawing(
            Drawing.UsualWidth, Frame.Height(legend.Count), $"{chart.Y.Title} against {chart.X.Title} of {sound.Count} results{named}", [.. shapes]);
    }

    private static IEnumerable<double> Heights(ScatterPoint point) => HasInterval(point) ? [point.Y, point.Low!.Value, point.High!.Value] : [point.Y];

    private static bool HasInterval(ScatterPoint point) =>
        point is { Low: { } low, High: { } high } && Numbers.IsSound(low) && Numbers.IsSound(high);

    private static string Name(AxisInfo axis) => axis.Scale == AxisScale.Logarithmic ? $"{axis.Title}, logarithmic" : axis.Title;

    /// <summary>Up to the next point of the front nothing better is to be had.</summary>
    private static Stroke Staircase(List<Placed> front) =>
        new([front[0].At, .. front.Zip(front.Skip(1)).SelectMany(pair => (Place[])[new(pair.Second.At.X, pair.First.At.Y), pair.Second.At])], Look.Front);

    private static List<LegendEntry> Legend(ScatterChart chart, List<ScatterPoint> points)
    {
        var groups = points.Select(p => p.Group).Distinct().Order().Where(g => g >= 0 && g < chart.Groups.Count);
        List<LegendEntry> legend = [.. groups.Select(g => new LegendEntry(chart.Groups[g], at => Mark(at, g, Look.Mark)))];
        if (chart.FrontName.Length > 0 && points.Exists(p => p.OnFront)) legend.Add(LegendEntry.Level(chart.FrontName, Look.Front));
        if (chart.IntervalName.Length > 0 && points.Exists(HasInterval)) legend.Add(LegendEntry.Upright(chart.IntervalName, Look.Interval));
        return legend;
    }

    /// <summary>Each group has a shape of its own, as far as shapes go.</summary>
    private static Shape Mark(Place at, int group, Look look) => (group, Math.Max(0, group)) switch
    {
        (1, _) => new Disc(at.X, at.Y, Size - 0.5, look, 1),
        (2, _) => Polygon(at, 4, Math.PI / 4, look, 2),
        (3, _) => Polygon(at, 3, 0, look, 3),
        (4, _) => Polygon(at, 5, 0, look, 4),
        (_, 0) => Polygon(at, 4, 0, look, 0),
        var (_, series) => Polygon(at, 6, 0, look, series),
    };

    private static Stroke Polygon(Place at, int corners, double turn, Look look, int series)
    {
        var angles = Enumerable.Range(0, corners).Select(i => (2 * Math.PI * i / corners) - (Math.PI / 2) + turn);
        return new Stroke([.. angles.Select(a => new Place(at.X + ((Size + 1) * Math.Cos(a)), at.Y + ((Size + 1) * Math.Sin(a))))], look, series, IsClosed: true);
    }

    private static string Tooltip(ScatterChart chart, ScatterPoint point)
    {
        var interval = HasInterval(point) ? $" ({Axis.Short(point.Low!.Value)} to {Axis.Short(point.High!.Value)})" : "";
        return $"{point.Label}: {point.Name}\n{Axis.Short(point.Y)} {chart.Y.Title}{interval}\n{Axis.Short(point.X)} {chart.X.Title}";
    }

    /// <summary>Each label beside its point, where it covers no other label and no point; in a crowd those that a reader looks for come first.</summary>
    private static List<Label> Labels(List<Placed> points)
    {
        var placed = new List<Label>();
        foreach (var (point, at) in points.Where(p => p.Point.Label.Length > 0).OrderByDescending(p => p.Point.OnFront).ThenByDescending(p => p.Point.Y))
        {
            var half = TextWidth.Of(point.Label, TextLook.Number) / 2;
            var free = Beside.Select(by => new Place(at.X + by.X, at.Y + by.Y)).Where(IsFree).Select(p => (Place?)p).FirstOrDefault();
            // In a crowd the tooltip and the table have it.
            if (free is { } place) placed.Add(new Label(place.X, place.Y, point.Label, Anchor.Middle, TextLook.Number));

            bool IsFree(Place p) =>
                p.X - half > Frame.Left && p.X + half < Frame.Right + 4 && p.Y > Frame.Top + 4 && p.Y < Frame.Bottom - 2
                && placed.TrueForAll(o => Math.Abs(o.X - p.X) > 13 || Math.Abs(o.Y - p.Y) > 11)
                && points.TrueForAll(o => Math.Abs(o.At.X - p.X) > 10 || Math.Abs(o.At.Y - (p.Y - 4)) > 9);
        }

        return placed;
    }

    private sealed record Placed(ScatterPoint Point, Place At);
}
