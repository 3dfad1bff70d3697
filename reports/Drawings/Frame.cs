namespace Lathe.Reports.Drawings;

/// <summary>What charts with two axes have in common: grid, values, names of the axes, and a legend below.</summary>
internal static class Frame
{
    public const double Left = 54;
    public const double Right = 350;
    public const double Top = 12;
    public const double Bottom = 196;

    private const double LegendTop = Bottom + 50;
    private const double LegendLine = 15;
    private const double LegendText = Left + 28;
    private const double Edge = 2;
    private const double LongestYName = Top + Bottom - Edge;

    /// <summary>Height of a drawing with so many lines of legend.</summary>
    public static double Height(int legendLines) => legendLines == 0 ? Bottom + 38 : LegendTop + (legendLines * LegendLine) - 6;

    /// <summary>Grid lines, values beside them, and the names of the axes.</summary>
    public static IEnumerable<Shape> Of(Axis x, Axis y, string xName, string yName) =>
    [
        .. y.Ticks().SelectMany(v => YTick(y.Place(v), Axis.Short(v))),
        .. x.Ticks(5).SelectMany(v => XTick(x.Place(v), Axis.Short(v))),
        Stroke.Line(Left, Bottom, Right, Bottom, Look.Axis),
        new Label((Left + Right) / 2, Bottom + 31, TextWidth.Fit(xName, Right - Left, TextLook.Usual), Anchor.Middle),
        new Label(11, (Top + Bottom) / 2, TextWidth.Fit(yName, LongestYName, TextLook.Usual), Anchor.Middle, Turn: -90),
    ];

    /// <summary>One line for each entry: its mark, drawn by the place of its middle, and its name.</summary>
    public static IEnumerable<Shape> Legend(IReadOnlyList<LegendEntry> entries) => entries.SelectMany((entry, i) =>
    {
        var y = LegendTop + (i * LegendLine);
        var name = new Label(LegendText, y, TextWidth.Fit(entry.Name, Drawing.UsualWidth - LegendText - Edge, TextLook.Usual)) { Tooltip = entry.Name };
        return (Shape[])[entry.Mark(new Place(Left + 11, y - 3.5)), name];
    });

    private static Shape[] YTick(double y, string text) =>
    [
        Stroke.Line(Left, y, Right, y, Look.Grid),
        new Label(Left - 5, y + 3.5, TextWidth.Fit(text, Left - 5 - 16, TextLook.Value), Anchor.End, TextLook.Value),
    ];

    private static Shape[] XTick(double x, string text)
    {
        var shown = TextWidth.Fit(text, 60, TextLook.Value);
        var half = TextWidth.Of(shown, TextLook.Value) / 2;
        return
        [
            Stroke.Line(x, Top, x, Bottom, Look.Grid),
            new Label(Math.Min(x, Drawing.UsualWidth - Edge - half), Bottom + 14, shown, Anchor.Middle, TextLook.Value),
        ];
    }
}

/// <summary>A line of a legend.</summary>
/// <param name="Name">What the mark stands for.</param>
/// <param name="Mark">Draws the mark around a place, 22 units wide at most.</param>
internal sealed record LegendEntry(string Name, Func<Place, Shape> Mark)
{
    /// <summary>An entry of a level line.</summary>
    public static LegendEntry Level(string name, Look look, int series = 0) => new(name, at => Stroke.Line(at.X - 11, at.Y, at.X + 11, at.Y, look, series));

    /// <summary>An entry of an upright line.</summary>
    public static LegendEntry Upright(string name, Look look) => new(name, at => Stroke.Line(at.X, at.Y - 6, at.X, at.Y + 6, look));
}
