using Lathe.Contracts.Panels;
using Lathe.Reports.Drawings;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Lathe.Reports.Terminals;

/// <summary>Lines as text: the first value, a block for each point, and the last value.</summary>
internal static class LineText
{
    private const int MostName = 28;
    private const int LeastName = 8;
    private const int MostBlocks = 60;
    private const int LeastBlocks = 4;
    private const int Gap = 2;

    /// <summary>Draws the lines over one scale; null where none has a point.</summary>
    public static IRenderable? Of(LineChart chart, int width)
    {
        var courses = Courses(chart);
        if (courses.Count == 0) return null;
        return new Text(string.Join('\n', [.. Lines(courses, width), Cell.Fit(About(chart, courses), width)]));
    }

    /// <summary>Draws charts of one line each below one another, each over a scale of its own and with its title; null where none has a point.</summary>
    public static IRenderable? Of(IReadOnlyList<LineChart> charts, int width)
    {
        var courses = charts.SelectMany(chart => Courses(chart).Take(1).Select(c => c with { Name = Cell.OneLine(chart.Title), About = About(chart, [c]) })).ToList();
        return courses.Count == 0 ? null : new Text(string.Join('\n', Lines(courses, width)));
    }

    /// <summary>The lines of a chart that have a point, with their heights as shares of its scale.</summary>
    private static List<Course> Courses(LineChart chart)
    {
        var isLogarithmic = chart.Y.Scale == AxisScale.Logarithmic;
        var lines = chart.Lines.Select(line => (line.Name, Points: Points(line))).Where(l => l.Points.Count > 0).ToList();
        var heights = lines.Select(l => l.Points.Select(p => Height(p.Y, isLogarithmic)).ToList()).ToList();
        var known = heights.SelectMany(h => h).OfType<double>().Concat(chart.Y.FromZero && !isLogarithmic ? [0.0] : []).DefaultIfEmpty(0).ToList();
        var (low, high) = (known.Min(), known.Max());
        // What has no logarithm lies at the bottom.
        double Share(double? height) => height is { } known && high > low ? (known - low) / (high - low) : 0;
        return [.. lines.Zip(heights, (line, h) => new Course(Cell.OneLine(line.Name), line.Points, [.. h.Select(Share)]))];
    }

    private static IEnumerable<string> Lines(List<Course> courses, int width)
    {
        var names = Math.Min(courses.Max(c => Cell.Width(c.Name)), Math.Clamp(width / 3, LeastName, MostName));
        var (first, last) = (courses.Max(c => c.First.Length), courses.Max(c => c.Last.Length));
        var about = Math.Min(width / 3, courses.Max(c => Cell.Width(c.About)));
        var rest = width - first - last - (2 * Gap) - (names == 0 ? 0 : names + Gap) - (about == 0 ? 0 : about + Gap);
        var room = Math.Min(Math.Clamp(rest, LeastBlocks, MostBlocks), courses.Max(c => c.Shares.Count));
        return courses.Select(c => string.Join(new string(' ', Gap), ((string[])
        [
            Cell.Padded(c.Name, names), Cell.Padded(c.First, first, isRight: true), Cell.Padded(Blocks.Between(Sampled(c.Shares, room)), room), Cell.Padded(c.Last, last, isRight: true),
            Cell.Fit(c.About, about),
        ]).Where(part => part.Length > 0)));
    }

    private static string About(LineChart chart, List<Course> lines)
    {
        var (from, to) = (lines.Min(l => l.Points[0].X), lines.Max(l => l.Points[^1].X));
        var mark = chart.Mark is { } m ? $"; {Cell.OneLine(m.Text)} at {Axis.Short(m.X)}" : "";
        return $"{Cell.OneLine(chart.Y.Title)}, {Cell.OneLine(chart.X.Title)} {Axis.Short(from)} to {Axis.Short(to)}{mark}";
    }

    private static List<Place> Points(Line line) =>
        [.. line.X.Zip(line.Y).Where(p => Numbers.IsSound(p.First) && p.Second is { } y && Numbers.IsSound(y)).Select(p => new Place(p.First, p.Second!.Value))];

    private static double? Height(double value, bool isLogarithmic) => !isLogarithmic ? value : Numbers.HasLogarithm(value) ? Math.Log(value) : null;

    /// <summary>As many values as there is room for, evenly spaced, the first and the last among them.</summary>
    private static IEnumerable<double> Sampled(IReadOnlyList<double> values, int most)
    {
        var count = Math.Min(values.Count, most);
        return Enumerable.Range(0, count).Select(i => values[count == 1 ? values.Count - 1 : (int)Math.Round(i * (values.Count - 1.0) / (count - 1))]);
    }

    private sealed record Course(string Name, List<Place> Points, IReadOnlyList<double> Shares, string About = "")
    {
        public string First { get; } = Figures.Number(Points[0].Y);

        public string Last { get; } = Figures.Number(Points[^1].Y);
    }
}
