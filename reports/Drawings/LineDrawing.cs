using Lathe.Contracts.Panels;

namespace Lathe.Reports.Drawings;

/// <summary>Lines over a common quantity.</summary>
internal static class LineDrawing
{
    private const int MostDotted = 30;

    /// <summary>Lays it out; null where no line has a point.</summary>
    public static Drawing? Of(LineChart chart)
    {
        var lines = chart.Lines.Select((line, i) => new Course(line, line.Group ?? i, Points(line))).Where(l => l.Points.Count > 0).ToList();
        if (lines.Count == 0) return null;
        var (x, y) = (XAxis(chart, lines), YAxis(chart, lines));
        var mark = chart.Mark is { } m && m.X >= x.Low && m.X <= x.High ? m : null;
        List<LegendEntry> legend = [.. lines.Where(l => l.Line.Name.Length > 0).Select(l => LegendEntry.Level(l.Line.Name, LookOf(l.Line), l.Series))];
        if (mark is not null) legend.Add(LegendEntry.Upright(mark.Text, Look.Moment));
        IEnumerable<Shape> shapes =
        [
            .. Frame.Of(x, y, Name(chart.X), Name(chart.Y)),
            .. mark is null ? Array.Empty<Shape>() : [Stroke.Line(x.Place(mark.X), Frame.Top, x.Place(mark.X), Frame.Bottom, Look.Moment)],
            .. lines.SelectMany(l => Shapes(l, x, y)),
            .. Frame.Legend(legend),
        ];
        var description = $"{chart.Title}: {chart.Y.Title} against {chart.X.Title} for {string.Join("; ", lines.Select(l => l.Line.Name))}";
        return new Drawing(Drawing.UsualWidth, Frame.Height(legend.Count), description, [.. shapes]);
    }

    private static IReadOnlyList<Place> Points(Line line) =>
        [.. line.X.Zip(line.Y).Where(p => Numbers.IsSound(p.First) && p.Second is { } y && Numbers.IsSound(y)).Select(p => new Place(p.First, p.Second!.Value))];

    private static Axis XAxis(LineChart chart, List<Course> lines)
    {
        var values = lines.SelectMany(l => l.Points).Select(p => p.X).ToList();
        var isWhole = values.TrueForAll(double.IsInteger);
        if (chart.X.Scale == AxisScale.Logarithmic) return Axis.Around(values, Frame.Left, Frame.Right, isLogarithmic: true);
        var (low, high) = (values.Min(), values.Max());
        return high > low
            ? new Axis(low, high, Frame.Left + 6, Frame.Right - 6, IsWhole: isWhole)
            : new Axis(low - 1, low + 1, Frame.Left, Frame.Right, IsWhole: isWhole);
    }

    private static Axis YAxis(LineChart chart, List<Course> lines)
    {
        var values = lines.SelectMany(l => l.Points).Select(p => p.Y).Concat(chart.Y.FromZero ? [0.0] : []);
        return Axis.Around(values, Frame.Bottom, Frame.Top, chart.Y.Scale == AxisScale.Logarithmic);
    }

    private static string Name(AxisInfo axis) => axis.Scale == AxisScale.Logarithmic ? $"{axis.Title}, logarithmic" : axis.Title;

    private static Look LookOf(Line line) => line.IsTarget ? Look.Target : Look.Line;

    private static IEnumerable<Shape> Shapes(Course course, Axis x, Axis y)
    {
        var places = course.Points.Select(p => new Place(x.Place(p.X), y.Place(p.Y))).ToList();
        if (places.Count > 1) yield return new Stroke(places, LookOf(course.Line), course.Series) { Tooltip = course.Line.Name };
        if (course.Line.IsTarget || places.Count > MostDotted) yield break;
        foreach (var (at, point) in places.Zip(course.Points))
            yield return new Disc(at.X, at.Y, 2.2, Look.Dot, course.Series) { Tooltip = $"{course.Line.Name}\n{Axis.Short(point.X)}: {Axis.Short(point.Y)}" };
    }

    private sealed record Course(Line Line, int Series, IReadOnlyList<Place> Points);
}
