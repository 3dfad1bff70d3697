using System.Globalization;
using System.Xml.Linq;
using Lathe.Reports.Drawings;

namespace Lathe.Reports.Pictures;

/// <summary>Writes drawings as SVG.</summary>
public static class SvgPicture
{
    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    /// <summary>The drawing as an element of a page that has <see cref="PlotStyle.Css"/>.</summary>
    public static XElement Element(Drawing drawing) => new(
        Svg + "svg",
        new XAttribute("class", "plot"),
        new XAttribute("viewBox", $"0 {Number(-drawing.Above)} {Number(drawing.Width)} {Number(drawing.Height + drawing.Above)}"),
        new XAttribute("role", "img"),
        new XAttribute("aria-label", XmlText.Of(drawing.Description)),
        drawing.Shapes.Select(Element));

    /// <summary>The drawing as a file of its own, with its title above it.</summary>
    /// <param name="drawing">What is drawn.</param>
    /// <param name="title">Its title.</param>
    /// <param name="isDark">Its colours; null: those that the reader's system has.</param>
    public static string File(Drawing drawing, string title, bool? isDark = null)
    {
        var picture = Element(drawing.WithTitle(title));
        picture.AddFirst(new XElement(Svg + "style", $"{(isDark is { } dark ? PlotStyle.CssOf(dark) : PlotStyle.Css)} svg.plot {{ background: var(--paper); }}"));
        return picture.ToString(SaveOptions.DisableFormatting) + "\n";
    }

    private static XElement Element(Shape shape)
    {
        var element = shape switch
        {
            Stroke stroke => new XElement(Svg + "path", new XAttribute("d", Path(stroke)), Class(stroke.Look, stroke.Series)),
            Box box => Element(box),
            Disc disc => new XElement(Svg + "circle", Attribute("cx", disc.X), Attribute("cy", disc.Y), Attribute("r", disc.Radius), Class(disc.Look, disc.Series)),
            Label label => Element(label),
            Group group => new XElement(Svg + "g", group.Shapes.Select(Element)),
            _ => throw new InvalidOperationException($"{shape.GetType().Name} has no SVG element"),
        };
        if (shape.Tooltip is { Length: > 0 } tooltip) element.AddFirst(new XElement(Svg + "title", XmlText.Of(tooltip)));
        return element;
    }

    private static XElement Element(Box box) => new(
        Svg + "rect",
        Attribute("x", box.X), Attribute("y", box.Y), Attribute("width", box.Width), Attribute("height", box.Height),
        Class(box.Look, box.Series), box.Opacity < 1 ? Attribute("fill-opacity", box.Opacity) : null);

    private static XElement Element(Label label) => new(
        Svg + "text",
        label.Turn == 0
            ? [Attribute("x", label.X), Attribute("y", label.Y)]
            : (XAttribute[])[new XAttribute("transform", $"translate({Number(label.X)} {Number(label.Y)}) rotate({Number(label.Turn)})")],
        label.Anchor == Anchor.Start ? null : new XAttribute("text-anchor", label.Anchor == Anchor.Middle ? "middle" : "end"),
        label.Look == TextLook.Usual ? null : new XAttribute("class", PlotStyle.Class(label.Look)),
        XmlText.Of(label.Text));

    private static string Path(Stroke stroke) =>
        string.Join(' ', stroke.Places.Select((p, i) => $"{(i == 0 ? 'M' : 'L')}{Number(p.X)} {Number(p.Y)}")) + (stroke.IsClosed ? " Z" : "");

    private static XAttribute Class(Look look, int series) => new("class", PlotStyle.Class(look, series));

    private static XAttribute Attribute(string name, double value) => new(name, Number(value));

    /// <summary>A coordinate, to a hundredth.</summary>
    private static string Number(double value) => Math.Round(value, 2).ToString("0.##", CultureInfo.InvariantCulture);
}
