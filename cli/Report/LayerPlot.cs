namespace Lathe.Cli.Report;

/// <summary>One layer of a pruned network.</summary>
/// <param name="Name">Name of the node.</param>
/// <param name="Before">Before the pruning; at least 0.</param>
/// <param name="After">After it; at most <paramref name="Before"/>.</param>
internal sealed record LayerBar(string Name, long Before, long After);

/// <summary>What a pruning left of each layer.</summary>
internal static class LayerPlot
{
    private const double Row = 17;
    private const double Left = 112;
    private const double Right = 268;
    private const int NameCharacters = 15;

    /// <summary>One bar for each layer: its outline is the size before, its filling the size after.</summary>
    /// <param name="bars">In the network's order.</param>
    /// <param name="unit">What is counted, in the plural.</param>
    public static string Draw(IReadOnlyList<LayerBar> bars, string unit)
    {
        var most = Math.Max(1, bars.Select(b => b.Before).DefaultIfEmpty(1).Max());
        var rows = bars.Select((bar, i) =>
        {
            var y = 16 + (i * Row);
            // The square root keeps small layers visible beside large ones.
            double Length(long count) => (Right - Left) * Math.Sqrt(count / (double)most);
            return $"<g><title>{Svg.Text($"{bar.Name}: {bar.Before:#,0} to {bar.After:#,0} {unit}")}</title>"
                + Svg.Label(Left - 6, y + 10, Svg.Shortened(bar.Name, NameCharacters), "end")
                + $"""<rect x="{Svg.Number(Left)}" y="{Svg.Number(y)}" width="{Svg.Number(Length(bar.Before))}" height="12" class="before" />"""
                + $"""<rect x="{Svg.Number(Left)}" y="{Svg.Number(y)}" width="{Svg.Number(Length(bar.After))}" height="12" class="after" />"""
                + Svg.Label(Right + 6, y + 10, $"{Axis.Rounded(bar.After)} of {Axis.Rounded(bar.Before)}") + "</g>";
        });
        return Svg.Drawing(
            22 + (bars.Count * Row),
            $"{unit} of {bars.Count} layers before and after pruning",
            Svg.Label(6, 10, "filled: after; outline: before; square-root scale", "start", "value") + string.Concat(rows));
    }
}
