namespace Lathe.Reports.Drawings;

/// <summary>What a shape is in a picture; <see cref="Looks"/> says how that looks.</summary>
public enum Look
{
    Grid,
    Axis,
    Line,
    Target,
    Moment,
    Dot,
    Mark,
    FrontMark,
    Front,
    Interval,
    Before,
    After,
    Part,
    Ridge,
    Right,
    Wrong,
    Outline,
}

/// <summary>What a text is in a picture.</summary>
public enum TextLook
{
    Usual,
    Value,
    Number,
    Cell,
    Head,
    Title,
}

/// <summary>Colours by their part in a page; a reader's light or dark setting decides which they are.</summary>
public enum Tint
{
    C0,
    C1,
    C2,
    C3,
    C4,
    C5,
    C6,
    C7,
    Paper,
    Ink,
    Soft,
    Grid,
    Panel,
}

/// <summary>How a shape is painted.</summary>
/// <param name="Fill">Colour of its filling; null: none.</param>
/// <param name="FillOpacity">From 0 to 1.</param>
/// <param name="Stroke">Colour of its line; null: none.</param>
/// <param name="StrokeWidth">Width of its line.</param>
/// <param name="Dashes">Lengths of dashes and gaps by turns; empty: a solid line.</param>
/// <param name="Opacity">Of all of it.</param>
/// <param name="IsRound">True: corners of its line are round.</param>
public sealed record Paint(
    Tint? Fill = null, double FillOpacity = 1, Tint? Stroke = null, double StrokeWidth = 1, IReadOnlyList<double>? Dashes = null, double Opacity = 1, bool IsRound = false);

/// <summary>How a text is painted.</summary>
/// <param name="Fill">Its colour.</param>
/// <param name="Size">Height of its letters, a font's size.</param>
/// <param name="IsBold">True: bold.</param>
/// <param name="Halo">Colour around its letters; null: none.</param>
public sealed record TextPaint(Tint Fill, double Size, bool IsBold = false, Tint? Halo = null);

/// <summary>The one description of how plots look: style sheets and pixels are made from it.</summary>
public static class Looks
{
    /// <summary>Number of lines that differ in colour and dashes.</summary>
    public const int Series = 8;

    // Pale: what is neither one nor the other.
    private const int Neutral = 0;

    private static readonly double[][] Dashes = [[], [7, 2.5], [2, 2], [8, 2, 2, 2], [4, 3], [10, 2, 2, 2, 2, 2], [1.5, 3], [12, 4]];

    /// <summary>True for looks that have a colour for each series.</summary>
    public static bool HasSeries(Look look) => look is Look.Line or Look.Target or Look.Dot or Look.Mark or Look.FrontMark or Look.Part;

    /// <summary>How a shape is painted.</summary>
    public static Paint Of(Look look, int series = 0)
    {
        var n = series % Series;
        var own = (Tint)n;
        return look switch
        {
            Look.Grid => new Paint(Stroke: Tint.Grid, StrokeWidth: 0.7),
            Look.Axis => new Paint(Stroke: Tint.Soft),
            Look.Line => new Paint(Stroke: own, StrokeWidth: 1.8, Dashes: Dashes[n], IsRound: true),
            Look.Target => new Paint(Stroke: own, Dashes: [3, 3], Opacity: 0.75, IsRound: true),
            Look.Moment => new Paint(Stroke: Tint.Soft, StrokeWidth: 1.2, Dashes: [1.5, 2.5]),
            Look.Dot => new Paint(Fill: own),
            Look.Mark => new Paint(Fill: own, FillOpacity: 0.5, Stroke: own, StrokeWidth: 1.2),
            Look.FrontMark => new Paint(Fill: own, Stroke: Tint.Ink, StrokeWidth: 1.5),
            Look.Front => new Paint(Stroke: Tint.Soft, StrokeWidth: 1.3, Dashes: [4, 2]),
            Look.Interval => new Paint(Stroke: Tint.Soft),
            Look.Before => new Paint(Stroke: Tint.Soft, StrokeWidth: 0.8),
            Look.After => new Paint(Fill: Tint.C1, FillOpacity: 0.75),
            Look.Part => new Paint(Fill: n == Neutral ? Tint.Grid : own, Stroke: Tint.Panel, StrokeWidth: 0.6),
            Look.Ridge => new Paint(Fill: Tint.C1, FillOpacity: 0.45, Stroke: Tint.C1, StrokeWidth: 0.9, IsRound: true),
            Look.Right => new Paint(Fill: Tint.C1),
            Look.Wrong => new Paint(Fill: Tint.C2),
            Look.Outline => new Paint(Stroke: Tint.Soft, StrokeWidth: 0.8),
            _ => throw new ArgumentOutOfRangeException(nameof(look), look, "no such look"),
        };
    }

    /// <summary>How a text is painted.</summary>
    public static TextPaint Of(TextLook look) => look switch
    {
        TextLook.Usual => new TextPaint(Tint.Ink, 10.5),
        TextLook.Value => new TextPaint(Tint.Soft, 10),
        TextLook.Number => new TextPaint(Tint.Ink, 10.5, IsBold: true, Halo: Tint.Panel),
        TextLook.Cell => new TextPaint(Tint.Ink, 9),
        TextLook.Head => new TextPaint(Tint.Ink, 10.5, IsBold: true),
        TextLook.Title => new TextPaint(Tint.Ink, 12, IsBold: true),
        _ => throw new ArgumentOutOfRangeException(nameof(look), look, "no such look"),
    };
}
