using Lathe.Pruner;

namespace Lathe.Cli.Report;

/// <summary>Output channels of each layer before and after a pruning.</summary>
internal static class WidthPlot
{
    private const double Row = 17;
    private const double Left = 112;
    private const double Right = 290;
    private const int NameCharacters = 15;

    /// <summary>One bar for each layer: its outline is the width before, its filling the width after.</summary>
    public static string Draw(PruningRecord record)
    {
        var widest = Math.Max(1, record.Layers.Select(l => l.WidthBefore).DefaultIfEmpty(1).Max());
        var rows = record.Layers.Select((layer, i) =>
        {
            var y = 16 + (i * Row);
            // The square root keeps narrow layers visible beside wide ones.
            double Length(int width) => (Right - Left) * Math.Sqrt(width / (double)widest);
            return $"<g><title>{Svg.Text($"{layer.Layer}: {layer.WidthBefore} to {layer.WidthAfter} channels")}</title>"
                + Svg.Label(Left - 6, y + 10, Svg.Shortened(layer.Layer, NameCharacters), "end")
                + $"""<rect x="{Svg.Number(Left)}" y="{Svg.Number(y)}" width="{Svg.Number(Length(layer.WidthBefore))}" height="12" class="before" />"""
                + $"""<rect x="{Svg.Number(Left)}" y="{Svg.Number(y)}" width="{Svg.Number(Length(layer.WidthAfter))}" height="12" class="after" />"""
                + Svg.Label(Right + 6, y + 10, $"{layer.WidthAfter} of {layer.WidthBefore}") + "</g>";
        });
        return Svg.Drawing(
            22 + (record.Layers.Count * Row),
            $"Channels of {record.Layers.Count} layers before and after pruning",
            Svg.Label(6, 10, "filled: channels kept; outline: before; square-root scale", "start", "value") + string.Concat(rows));
    }
}
