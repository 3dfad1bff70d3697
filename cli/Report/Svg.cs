using System.Globalization;
using System.Text;

namespace Lathe.Cli.Report;

/// <summary>Text of SVG and HTML that is well-formed XML too, whatever people call their things.</summary>
internal static class Svg
{
    /// <summary>Width of a plot in its own units; a unit is about a CSS pixel on a phone.</summary>
    public const double Width = 360;

    /// <summary>Number of line styles, each a colour and a dash pattern of its own.</summary>
    public const int Styles = 8;

    /// <summary>What a title of its own adds to a drawing.</summary>
    public const double TitleHeight = 22;

    private const int MostTitle = 56;

    /// <summary>Escapes text for content and for attributes in double quotes; what XML cannot hold becomes U+FFFD.</summary>
    public static string Text(string? text)
    {
        var escaped = new StringBuilder();
        foreach (var rune in (text ?? "").EnumerateRunes())
        {
            _ = rune.Value switch
            {
                '&' => escaped.Append("&amp;"),
                '<' => escaped.Append("&lt;"),
                '>' => escaped.Append("&gt;"),
                '"' => escaped.Append("&quot;"),
                '\'' => escaped.Append("&#39;"),
                (< ' ' and not '\t' and not '\n' and not '\r') or 0xFFFE or 0xFFFF => escaped.Append('\uFFFD'),
                _ => escaped.Append(rune.ToString()),
            };
        }

        return escaped.ToString();
    }

    /// <summary>A coordinate, to a hundredth.</summary>
    public static string Number(double value) => Math.Round(value, 2).ToString("0.##", CultureInfo.InvariantCulture);

    /// <summary>A whole drawing.</summary>
    /// <param name="height">In the drawing's units.</param>
    /// <param name="description">What it shows, for those who do not see it.</param>
    /// <param name="content">Its elements.</param>
    public static string Drawing(double height, string description, string content) =>
        $"""<svg xmlns="http://www.w3.org/2000/svg" class="plot" viewBox="0 0 {Number(Width)} {Number(height)}" role="img" aria-label="{Text(description)}">{content}</svg>""";

    /// <summary>A drawing that stands alone, with its title above it.</summary>
    /// <param name="drawing">Made by <see cref="Drawing"/>.</param>
    /// <param name="title">Not escaped yet.</param>
    public static string Titled(string drawing, string title)
    {
        var box = $"viewBox=\"0 0 {Number(Width)} ";
        var start = drawing.IndexOf(box, StringComparison.Ordinal) + box.Length;
        var height = drawing[start..drawing.IndexOf('"', start)];
        var taller = double.Parse(height, CultureInfo.InvariantCulture) + TitleHeight;
        var content = drawing.IndexOf('>', StringComparison.Ordinal) + 1;
        return drawing[..content].Replace($"{box}{height}", $"viewBox=\"0 {Number(-TitleHeight)} {Number(Width)} {Number(taller)}", StringComparison.Ordinal)
            + Label(4, 15 - TitleHeight, Shortened(title, MostTitle), style: "title") + drawing[content..];
    }

    /// <summary>Text at a place.</summary>
    /// <param name="x">Of its anchor.</param>
    /// <param name="y">Of its baseline.</param>
    /// <param name="text">Not escaped yet.</param>
    /// <param name="anchor"><c>start</c>, <c>middle</c> or <c>end</c>.</param>
    /// <param name="style">CSS class.</param>
    public static string Label(double x, double y, string text, string anchor = "start", string style = "") =>
        $"""<text x="{Number(x)}" y="{Number(y)}" text-anchor="{anchor}"{(style.Length > 0 ? $" class=\"{style}\"" : "")}>{Text(text)}</text>""";

    /// <summary>A straight line.</summary>
    public static string Line(double x1, double y1, double x2, double y2, string style) =>
        $"""<line x1="{Number(x1)}" y1="{Number(y1)}" x2="{Number(x2)}" y2="{Number(y2)}" class="{style}" />""";

    /// <summary>A path's points as <c>M x y L x y ...</c>.</summary>
    public static string Path(IEnumerable<(double X, double Y)> points) =>
        string.Join(' ', points.Select((p, i) => $"{(i == 0 ? 'M' : 'L')}{Number(p.X)} {Number(p.Y)}"));

    /// <summary>The end of a long name tells more than its start.</summary>
    public static string Shortened(string name, int most) => name.Length <= most ? name : $"…{name[^(most - 1)..]}";

    /// <summary>CSS class of the n-th line or mark.</summary>
    public static string Style(int n) => $"s{n % Styles}";
}
