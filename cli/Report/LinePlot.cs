namespace Lathe.Cli.Report;

/// <summary>One line of a plot.</summary>
/// <param name="Name">For the legend.</param>
/// <param name="X">Values along the horizontal axis, ascending.</param>
/// <param name="Y">As many values.</param>
/// <param name="Style">Which colour and dashes, see <see cref="Svg.Style"/>.</param>
/// <param name="IsTarget">Drawn thin: what another line is to come to.</param>
internal sealed record LineSeries(string Name, IReadOnlyList<double> X, IReadOnlyList<double> Y, int Style, bool IsTarget = false);

/// <summary>Values over epochs, or other whole numbers.</summary>
internal static class LinePlot
{
    private const int MostMarked = 30;

    /// <summary>Draws the lines.</summary>
    /// <param name="series">At least one with at least one point.</param>
    /// <param name="xName">Name of the horizontal axis.</param>
    /// <param name="yName">Name of the vertical axis, with its unit.</param>
    /// <param name="fromZero">The vertical axis starts at 0; not where it is logarithmic.</param>
    /// <param name="moment">Name and place of a moment that is marked where the lines pass it.</param>
    /// <param name="isLogarithmic">Equal ratios take equal room on the vertical axis; what is 0 lies at its bottom.</param>
    public static string Draw(
        IReadOnlyList<LineSeries> series, string xName, string yName, bool fromZero = false, (string Name, double At)? moment = null, bool isLogarithmic = false)
    {
        var xs = series.SelectMany(s => s.X).ToList();
        var x = xs.Max() > xs.Min() ? new Axis(xs.Min(), xs.Max(), PlotFrame.Left + 6, PlotFrame.Right - 6, IsWhole: true) : new Axis(xs.Min() - 1, xs.Min() + 1, PlotFrame.Left, PlotFrame.Right, IsWhole: true);
        var y = Axis.Around(series.SelectMany(s => s.Y).Concat(fromZero ? [0.0] : []), PlotFrame.Bottom, PlotFrame.Top, isLogarithmic);
        var axis = isLogarithmic ? $"{yName}, logarithmic" : yName;
        var marked = moment is { } m && m.At >= xs.Min() && m.At <= xs.Max() ? moment : null;
        var legend = series.Select(s => (Svg.Line(0, 0, 22, 0, Style(s)), s.Name)).ToList();
        if (marked is { } named) legend.Add((Svg.Line(11, -6, 11, 6, "moment"), named.Name));
        var content = PlotFrame.Of(x, y, xName, axis)
            + (marked is { } shown ? Svg.Line(x.Place(shown.At), PlotFrame.Top, x.Place(shown.At), PlotFrame.Bottom, "moment") : "")
            + string.Concat(series.Select(s => Line(s, x, y)))
            + PlotFrame.Legend(legend);
        return Svg.Drawing(PlotFrame.Height(legend.Count), $"{yName} against {xName} for {string.Join("; ", series.Select(s => s.Name))}", content);
    }

    private static string Line(LineSeries series, Axis x, Axis y)
    {
        var points = series.X.Zip(series.Y, (a, b) => (X: x.Place(a), Y: y.Place(b))).ToList();
        var marks = series.IsTarget || points.Count > MostMarked ? "" : string.Concat(points.Select((p, i) =>
            $"""<circle cx="{Svg.Number(p.X)}" cy="{Svg.Number(p.Y)}" r="2.2" class="dot {Svg.Style(series.Style)}"><title>{Svg.Text($"{series.Name}\n{Axis.Short(series.X[i])}: {Axis.Short(series.Y[i])}")}</title></circle>"""));
        return $"""<path d="{Svg.Path(points)}" class="{Style(series)}"><title>{Svg.Text(series.Name)}</title></path>""" + marks;
    }

    private static string Style(LineSeries series) => $"line {Svg.Style(series.Style)}{(series.IsTarget ? " target" : "")}";
}
