using System.Globalization;
using System.Text;
using Lathe.Reports.Drawings;

namespace Lathe.Reports.Pictures;

/// <summary>Colours of plots, after Okabe and Ito, which people of every kind of colour vision tell apart; and the style sheet that is made of <see cref="Looks"/>.</summary>
public static class PlotStyle
{
    // In the order of Tint.
    private static readonly string[] Light =
        ["#1b1f24", "#0072b2", "#d55e00", "#007a5a", "#a8487e", "#8a6100", "#2f83b3", "#6e5494", "#ffffff", "#1b1f24", "#57606a", "#d8dee4", "#f6f8fa"];

    private static readonly string[] Dark =
        ["#e6edf3", "#56b4e9", "#ff8f4a", "#2fc79a", "#e79ac6", "#f0c14b", "#a5d8ff", "#c3a6ff", "#0d1117", "#e6edf3", "#9da7b3", "#30363d", "#161b22"];

    private static readonly string[] Print =
        ["#000000", "#0072b2", "#d55e00", "#007a5a", "#a8487e", "#8a6100", "#2f83b3", "#6e5494", "#ffffff", "#000000", "#444444", "#cccccc", "#ffffff"];

    /// <summary>Style sheet of plots alone; a plot that is a file of its own has nothing else.</summary>
    public static string Css { get; } = Sheet();

    /// <summary>The same in one setting, whatever the reader has.</summary>
    public static string CssOf(bool isDark) => Css + (isDark ? Variables(Dark) : Variables(Light));

    /// <summary>A colour where the reader has a light setting, <c>#rrggbb</c>.</summary>
    public static string Of(Tint tint) => Light[(int)tint];

    /// <summary>Class of an element.</summary>
    public static string Class(Look look, int series) => Looks.HasSeries(look) ? $"{Name(look)} s{series % Looks.Series}" : Name(look);

    /// <summary>Class of a text.</summary>
    public static string Class(TextLook look) => Name(look);

    private static string Sheet()
    {
        var css = new StringBuilder();
        css.AppendLine(Variables(Light));
        css.Append("@media (prefers-color-scheme: dark) { ").Append(Variables(Dark)).AppendLine(" }");
        css.Append("@media print { ").Append(Variables(Print)).AppendLine(" }");
        var usual = Looks.Of(TextLook.Usual);
        css.AppendLine(CultureInfo.InvariantCulture, $"svg.plot {{ display: block; width: 100%; height: auto; font: {usual.Size}px system-ui, sans-serif; }}");
        css.AppendLine(CultureInfo.InvariantCulture, $"svg.plot text {{ fill: {Variable(usual.Fill)}; }}");
        foreach (var look in Enum.GetValues<TextLook>().Where(l => l != TextLook.Usual)) css.AppendLine(Rule(look));
        foreach (var look in Enum.GetValues<Look>())
        {
            var series = Looks.HasSeries(look) ? Enumerable.Range(0, Looks.Series) : [0];
            foreach (var n in series) css.AppendLine(Rule(look, n));
        }

        return css.ToString();
    }

    private static string Variables(string[] colours) =>
        $":root {{ {string.Join(' ', Enum.GetValues<Tint>().Select(tint => $"--{Name(tint)}: {colours[(int)tint]};"))} }}";

    private static string Rule(TextLook look)
    {
        var paint = Looks.Of(look);
        var declarations = new List<string> { $"fill: {Variable(paint.Fill)}", $"font-size: {Number(paint.Size)}px" };
        if (paint.IsBold) declarations.Add("font-weight: 600");
        if (paint.Halo is { } halo) declarations.AddRange(["paint-order: stroke", $"stroke: {Variable(halo)}", "stroke-width: 3px", "stroke-linejoin: round"]);
        return $"svg.plot text.{Name(look)} {{ {string.Join("; ", declarations)}; }}";
    }

    private static string Rule(Look look, int series)
    {
        var paint = Looks.Of(look, series);
        var declarations = new List<string> { $"fill: {(paint.Fill is { } fill ? Variable(fill) : "none")}" };
        if (paint.FillOpacity < 1) declarations.Add($"fill-opacity: {Number(paint.FillOpacity)}");
        if (paint.Stroke is { } stroke) declarations.AddRange([$"stroke: {Variable(stroke)}", $"stroke-width: {Number(paint.StrokeWidth)}"]);
        if (paint.Dashes is { Count: > 0 } dashes) declarations.Add($"stroke-dasharray: {string.Join(' ', dashes.Select(Number))}");
        if (paint.IsRound) declarations.Add("stroke-linejoin: round");
        if (paint.Opacity < 1) declarations.Add($"opacity: {Number(paint.Opacity)}");
        return $".{Class(look, series).Replace(' ', '.')} {{ {string.Join("; ", declarations)}; }}";
    }

    private static string Variable(Tint tint) => $"var(--{Name(tint)})";

    private static string Name<T>(T value)
        where T : struct, Enum => value.ToString().ToLowerInvariant();

    private static string Number(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);
}
