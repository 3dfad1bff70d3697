using Lathe.Quantizer;

namespace Lathe.Cli.Report;

/// <summary>A distribution of weights on its way to modes: one ridge for each epoch, the first at the top.</summary>
internal static class HistogramPlot
{
    private const double Left = 58;
    private const double Right = 350;
    private const double Step = 26;
    private const double Ridge = 34;

    // With more modes than this lines at each would be a grey area.
    private const int MostBitsWithLines = 4;

    /// <summary>Draws the ridges, each as high as its own fullest bin.</summary>
    /// <param name="histogram">The distribution.</param>
    /// <param name="about">Which weights it is of.</param>
    public static string Draw(WeightHistogram histogram, string about)
    {
        var edge = 1 << (histogram.Bits - 1);
        var x = new Axis(-histogram.Edge, histogram.Edge, Left, Right);
        var bottom = 26 + Ridge + ((histogram.Counts.Count - 1) * Step);
        var modes = Enumerable.Range(-edge + 1, (2 * edge) - 1).ToList();
        var lines = histogram.Bits > MostBitsWithLines ? "" : string.Concat(modes.Select(k => Svg.Line(x.Place(k), 20, x.Place(k), bottom, "grid")));
        var ridges = string.Concat(histogram.Counts.Select((counts, i) =>
        {
            var baseline = 26 + Ridge + (i * Step);
            var width = (Right - Left) / counts.Length;
            var fullest = Math.Max(1, counts.Max());
            var points = counts.SelectMany((count, bin) =>
            {
                var y = baseline - (Ridge * count / fullest);
                return ((double, double)[])[(Left + (bin * width), y), (Left + ((bin + 1) * width), y)];
            });
            var when = histogram.Epochs[i] == 0 ? "before" : $"epoch {histogram.Epochs[i]}";
            return $"""<path d="{Svg.Path([(Left, baseline), .. points, (Right, baseline)])} Z" class="ridge"><title>{Svg.Text($"{when}: fullest bin {100.0 * fullest / Math.Max(1, counts.Sum()):0.#}% of {counts.Sum():#,0} weights")}</title></path>"""
                + Svg.Label(Left - 6, baseline, when, "end", "value");
        }));
        var every = Math.Max(1, (modes.Count + 6) / 7);
        var ticks = string.Concat(modes.Where(k => k % every == 0).Select(k => Svg.Label(x.Place(k), bottom + 14, k == 0 ? "0" : $"{k}Δ".Replace('-', '−'), "middle", "value")));
        return Svg.Drawing(
            bottom + 22,
            $"Distribution of the weights of {about} at {histogram.Epochs.Count} epochs, in steps",
            Svg.Label(6, 11, Svg.Shortened(about, 50)) + lines + ridges + ticks);
    }
}
