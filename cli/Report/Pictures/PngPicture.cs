using System.Globalization;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using SkiaSharp;

namespace Lathe.Cli.Report.Pictures;

/// <summary>Draws plots as pixels with Skia: the elements that <see cref="Svg"/> and the plots write, and no other SVG.</summary>
internal static partial class PngPicture
{
    /// <summary>Pixels of one unit of a plot.</summary>
    public const int Scale = 3;

    private static readonly StyleSheet Styles = new(ReportStyle.Plots);

    /// <summary>A plot as a PNG file, in light colours.</summary>
    /// <exception cref="Contracts.LatheException">The machine has no font.</exception>
    public static byte[] Of(ReportPlot plot)
    {
        var drawing = XElement.Parse(Svg.Titled(plot.Svg, plot.Title));
        var box = Numbers(drawing.Attribute("viewBox")!.Value);
        using var surface = SKSurface.Create(new SKImageInfo((int)Math.Ceiling(box[2] * Scale), (int)Math.Ceiling(box[3] * Scale), SKColorType.Rgba8888, SKAlphaType.Premul))
            ?? throw new InvalidOperationException($"no surface for a plot of {box[2]} x {box[3]}");
        var canvas = surface.Canvas;
        canvas.Clear(SKColor.Parse(Styles.Paper));
        canvas.Scale(Scale);
        canvas.Translate(-box[0], -box[1]);
        Draw(canvas, drawing, new Dictionary<string, string>());
        using var image = surface.Snapshot();
        using var png = image.Encode(SKEncodedImageFormat.Png, 100);
        return png.ToArray();
    }

    private static void Draw(SKCanvas canvas, XElement element, IReadOnlyDictionary<string, string> inherited)
    {
        var style = Styles.Of(element, inherited);
        canvas.Save();
        if (element.Attribute("transform") is { } transform) Move(canvas, transform.Value);
        switch (element.Name.LocalName)
        {
            case "svg" or "g":
                foreach (var child in element.Elements()) Draw(canvas, child, style);
                break;
            case "title":
                break;
            case "text":
                PngText.Draw(canvas, element.Value, Number(element, "x"), Number(element, "y"), element.Attribute("text-anchor")?.Value, style);
                break;
            default:
                using (var path = Shape(element))
                    Paint(style, paint => canvas.DrawPath(path, paint));
                break;
        }

        canvas.Restore();
    }

    private static SKPath Shape(XElement element)
    {
        float N(string name) => Number(element, name);
        return SKPath.ParseSvgPathData(element.Name.LocalName switch
        {
            "path" => element.Attribute("d")!.Value,
            "line" => Invariant($"M{N("x1")} {N("y1")} L{N("x2")} {N("y2")}"),
            "rect" => Invariant($"M{N("x")} {N("y")} h{N("width")} v{N("height")} h{-N("width")} Z"),
            "polygon" => $"M{element.Attribute("points")!.Value} Z",
            "circle" => Invariant($"M{N("cx") - N("r")} {N("cy")} a{N("r")} {N("r")} 0 1 0 {2 * N("r")} 0 a{N("r")} {N("r")} 0 1 0 {-2 * N("r")} 0 Z"),
            var other => throw new InvalidOperationException($"<{other}> in a plot: the PNG files know no such element"),
        }) ?? throw new InvalidOperationException($"<{element.Name.LocalName}> in a plot has no shape");
    }

    /// <summary>Fills, then strokes, as far as the style asks for it.</summary>
    internal static void Paint(IReadOnlyDictionary<string, string> style, Action<SKPaint> draw)
    {
        string Value(string property, string otherwise) => style.TryGetValue(property, out var value) ? value : otherwise;
        float Length(string property, string otherwise) => Numbers(Value(property, otherwise))[0];
        SKColor? Colour(string property, string otherwise)
        {
            var colour = Value(property, otherwise) is "currentColor" ? Value("color", "#000000") : Value(property, otherwise);
            if (colour == "none") return null;
            return SKColor.Parse(colour).WithAlpha((byte)Math.Round(255 * Length($"{property}-opacity", "1") * Length("opacity", "1")));
        }

        void Fill()
        {
            if (Colour("fill", "#000000") is not { } fill) return;
            using var paint = new SKPaint { IsAntialias = true, Style = SKPaintStyle.Fill, Color = fill };
            draw(paint);
        }

        void Stroke()
        {
            if (Colour("stroke", "none") is not { } stroke) return;
            var dashes = Value("stroke-dasharray", "none");
            using var dashed = dashes == "none" ? null : SKPathEffect.CreateDash(Numbers(dashes), 0);
            using var paint = new SKPaint
            {
                IsAntialias = true,
                Style = SKPaintStyle.Stroke,
                Color = stroke,
                StrokeWidth = Length("stroke-width", "1"),
                StrokeJoin = Value("stroke-linejoin", "miter") == "round" ? SKStrokeJoin.Round : SKStrokeJoin.Miter,
                PathEffect = dashed,
            };
            draw(paint);
        }

        var strokeFirst = Value("paint-order", "normal") == "stroke";
        if (strokeFirst) Stroke();
        Fill();
        if (!strokeFirst) Stroke();
    }

    private static void Move(SKCanvas canvas, string transform)
    {
        foreach (Match step in Step().Matches(transform))
        {
            var by = Numbers(step.Groups[2].Value);
            if (step.Groups[1].Value == "translate") canvas.Translate(by[0], by[1]);
            else canvas.RotateDegrees(by[0]);
        }
    }

    private static float Number(XElement element, string attribute) => element.Attribute(attribute) is { } value ? Numbers(value.Value)[0] : 0;

    /// <summary>Every number in a text, units left out.</summary>
    internal static float[] Numbers(string text) => [.. Digits().Matches(text).Select(m => float.Parse(m.Value, CultureInfo.InvariantCulture))];

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);

    [GeneratedRegex(@"-?\d*\.?\d+")]
    private static partial Regex Digits();

    [GeneratedRegex(@"(translate|rotate)\(([^)]*)\)")]
    private static partial Regex Step();
}
