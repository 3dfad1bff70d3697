namespace Lathe.Reports.Drawings;

/// <summary>A picture laid out: shapes in the plane, their looks by name. What paints it knows nothing of what it shows.</summary>
/// <param name="Width">In its own units; a unit is about a CSS pixel on a phone.</param>
/// <param name="Height">Likewise, from y = 0 down.</param>
/// <param name="Description">What it shows, for those who do not see it.</param>
/// <param name="Shapes">In the order of painting.</param>
public sealed record Drawing(double Width, double Height, string Description, IReadOnlyList<Shape> Shapes)
{
    /// <summary>Width of charts.</summary>
    public const double UsualWidth = 360;

    /// <summary>What a title of its own adds to a drawing.</summary>
    public const double TitleHeight = 22;

    private const double Margin = 4;

    /// <summary>Units above y = 0.</summary>
    public double Above { get; init; }

    /// <summary>The same with a title above it, for where it stands alone.</summary>
    public Drawing WithTitle(string title) => this with
    {
        Above = Above + TitleHeight,
        Shapes = [new Label(Margin, -Above - 7, TextWidth.Fit(title, Width - (2 * Margin), TextLook.Title), Anchor.Start, TextLook.Title), .. Shapes],
    };
}

/// <summary>A place in a drawing.</summary>
public readonly record struct Place(double X, double Y);

/// <summary>Which part of a text lies at its place.</summary>
public enum Anchor
{
    Start,
    Middle,
    End,
}

/// <summary>A part of a drawing.</summary>
public abstract record Shape
{
    /// <summary>Shown when somebody points at it; null: nothing.</summary>
    public string? Tooltip { get; init; }
}

/// <summary>Straight lines from place to place.</summary>
/// <param name="Places">At least two.</param>
/// <param name="Look">How it looks.</param>
/// <param name="Series">Which colour and dashes, where the look has several.</param>
/// <param name="IsClosed">True: the last place is joined to the first, and what lies between is filled.</param>
public sealed record Stroke(IReadOnlyList<Place> Places, Look Look, int Series = 0, bool IsClosed = false) : Shape
{
    public static Stroke Line(double x1, double y1, double x2, double y2, Look look, int series = 0) => new([new(x1, y1), new(x2, y2)], look, series);
}

/// <summary>A rectangle by its left upper corner.</summary>
/// <param name="X">Left edge.</param>
/// <param name="Y">Upper edge.</param>
/// <param name="Width">At least 0.</param>
/// <param name="Height">At least 0.</param>
/// <param name="Look">How it looks.</param>
/// <param name="Series">Which colour, where the look has several.</param>
/// <param name="Opacity">Of its filling.</param>
public sealed record Box(double X, double Y, double Width, double Height, Look Look, int Series = 0, double Opacity = 1) : Shape;

/// <summary>A circle by its centre.</summary>
public sealed record Disc(double X, double Y, double Radius, Look Look, int Series = 0) : Shape;

/// <summary>One line of text.</summary>
/// <param name="X">Of its anchor.</param>
/// <param name="Y">Of its baseline.</param>
/// <param name="Text">What stands there.</param>
/// <param name="Anchor">Which part of it lies at its place.</param>
/// <param name="Look">How it looks.</param>
/// <param name="Turn">Degrees clockwise around its place.</param>
public sealed record Label(double X, double Y, string Text, Anchor Anchor = Anchor.Start, TextLook Look = TextLook.Usual, double Turn = 0) : Shape;

/// <summary>Shapes that belong together, with a common tooltip.</summary>
public sealed record Group(IReadOnlyList<Shape> Shapes) : Shape;
