using Lathe.Cli.Output;
using Lathe.Quantizer;

namespace Lathe.Cli.Report;

/// <summary>Which share of each layer's weights lies at which mode.</summary>
internal static class ModeSharesPlot
{
    private const double Row = 17;
    private const double Left = 112;
    private const double Right = 300;
    private const int NameCharacters = 15;

    /// <summary>One bar for each layer: weights below zero, at zero and above it, with lines between the modes where there are few.</summary>
    /// <param name="layers">In the network's order.</param>
    public static string Draw(IReadOnlyList<QuantizedLayer> layers)
    {
        var rows = layers.Select((layer, i) =>
        {
            var y = 16 + (i * Row);
            var negative = layer.Negative ?? 0;
            var parts = layer.Modes ?? [negative, layer.Zeros, Math.Max(0, 1 - negative - layer.Zeros)];
            var middle = parts.Count / 2;
            var from = 0.0;
            var bar = string.Concat(parts.Select((share, k) =>
            {
                if (share == 0) return "";
                var (start, end) = (Place(from), Place(from += share));
                return $"""<rect x="{Svg.Number(start)}" y="{Svg.Number(y)}" width="{Svg.Number(end - start)}" height="12" class="mode {(k < middle ? "below" : k == middle ? "zero" : "above")}" />""";
            }));
            var said = layer.Modes is null
                ? $"{Figures.Percent(negative)}% below 0, {Figures.Percent(layer.Zeros)}% at 0"
                : string.Join(", ", parts.Select((share, k) => $"{k - middle}Δ {Figures.Percent(share)}%".Replace('-', '−')));
            return $"<g><title>{Svg.Text($"{layer.Layer}, {layer.Bits} bits: {said}")}</title>"
                + Svg.Label(Left - 6, y + 10, Svg.Shortened(layer.Layer, NameCharacters), "end") + bar
                + Svg.Label(Right + 6, y + 10, $"{100 * layer.Zeros:0}% at 0") + "</g>";
        });
        return Svg.Drawing(
            22 + (layers.Count * Row),
            $"Share of the weights of {layers.Count} layers at each mode",
            Svg.Label(6, 10, "below 0, at 0 and above 0; lines between modes", "start", "value") + string.Concat(rows));

        static double Place(double share) => Left + ((Right - Left) * Math.Min(1, share));
    }
}
