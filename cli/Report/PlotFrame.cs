namespace Lathe.Cli.Report;

/// <summary>What plots with two axes have in common: grid, values, names of the axes, and a legend below.</summary>
internal static class PlotFrame
{
    public const double Left = 54;
    public const double Right = 350;
    public const double Top = 12;
    public const double Bottom = 196;

    private const double LegendTop = Bottom + 50;
    private const double LegendLine = 15;
    private const int LegendCharacters = 42;

    /// <summary>Height of a drawing with so many lines of legend.</summary>
    public static double Height(int legendLines) => legendLines == 0 ? Bottom + 38 : LegendTop + (legendLines * LegendLine) - 6;

    /// <summary>Grid lines, values beside them, and the names of the axes.</summary>
    public static string Of(Axis x, Axis y, string xName, string yName) => string.Concat([
        .. y.Ticks().Select(v => Svg.Line(Left, y.Place(v), Right, y.Place(v), "grid") + Svg.Label(Left - 5, y.Place(v) + 3.5, Axis.Short(v), "end", "value")),
        .. x.Ticks(5).Select(v => Svg.Line(x.Place(v), Top, x.Place(v), Bottom, "grid") + Svg.Label(x.Place(v), Bottom + 14, Axis.Short(v), "middle", "value")),
        Svg.Line(Left, Bottom, Right, Bottom, "axis"),
        Svg.Label((Left + Right) / 2, Bottom + 31, xName, "middle"),
        $"""<text transform="translate(11 {Svg.Number((Top + Bottom) / 2)}) rotate(-90)" text-anchor="middle">{Svg.Text(yName)}</text>""",
    ]);

    /// <summary>One line for each entry: its mark, drawn around (0, 0) in 22 units of width, and its name.</summary>
    public static string Legend(IReadOnlyList<(string Mark, string Name)> entries) => string.Concat(entries.Select((entry, i) =>
    {
        var y = LegendTop + (i * LegendLine);
        return $"""<g transform="translate({Svg.Number(Left)} {Svg.Number(y - 3.5)})">{entry.Mark}</g>"""
            + $"<g>{Svg.Label(Left + 28, y, Svg.Shortened(entry.Name, LegendCharacters))}<title>{Svg.Text(entry.Name)}</title></g>";
    }));
}
