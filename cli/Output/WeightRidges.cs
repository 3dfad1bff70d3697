using Lathe.Quantizer;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Lathe.Cli.Output;

/// <summary>A distribution of weights on its way to modes, one line of blocks for each epoch.</summary>
internal static class WeightRidges
{
    private const string Blocks = " ▁▂▃▄▅▆▇█";

    // With the epoch before it a line still fits 80 columns.
    private const int MostCharacters = 65;
    private const int Margin = 12;

    /// <summary>Each line is as high as its fullest bin.</summary>
    /// <param name="histogram">Of some layers.</param>
    /// <param name="layers">All layers of its bits.</param>
    public static IRenderable Draw(WeightHistogram histogram, IReadOnlyList<QuantizedLayer> layers)
    {
        var lines = new List<IRenderable> { new Text($"  distribution of the weights, {About(histogram, layers)}") };
        foreach (var (epoch, counts) in histogram.Epochs.Zip(histogram.Counts))
        {
            var bins = Merged(counts);
            var fullest = Math.Max(1, bins.Max());
            // What is there at all is seen.
            var line = string.Concat(bins.Select(count => count == 0 ? ' ' : Blocks[Math.Max(1, (int)Math.Round((Blocks.Length - 1.0) * count / fullest))]));
            lines.Add(new Text($"{When(epoch),Margin - 1} {line}"));
        }

        lines.Add(new Text(new string(' ', Margin) + Ruler(histogram, Merged(histogram.Counts[0]).Length)));
        return new Rows(lines);
    }

    /// <summary>Which layers a distribution is of: <c>all layers, 2 bits</c>.</summary>
    public static string About(WeightHistogram histogram, IReadOnlyList<QuantizedLayer> layers)
    {
        var same = layers.Where(l => l.Bits == histogram.Bits).ToList();
        var which = histogram.Layer ?? (same.Count == 1 ? same[0].Layer : same.Count == layers.Count ? "all quantized layers" : $"{same.Count} layers");
        return $"{which}, {histogram.Bits} bits";
    }

    private static string When(int epoch) => epoch == 0 ? "before" : $"epoch {epoch}";

    /// <summary>Three bins as one where all are too many; then as well each mode lies in the middle of one.</summary>
    private static long[] Merged(long[] counts) => counts.Length <= MostCharacters ? counts : [.. counts.Chunk(3).Select(three => three.Sum())];

    /// <summary>Where −Δ, 0 and Δ lie, or the outer modes where these are too close.</summary>
    private static string Ruler(WeightHistogram histogram, int characters)
    {
        var outer = (1 << (histogram.Bits - 1)) - 1;
        var ruler = new string(' ', characters + 4).ToCharArray();
        foreach (var k in (int[])[-outer, 0, outer])
        {
            var label = k == 0 ? "0" : $"{(k < 0 ? "−" : "")}{(outer == 1 ? "" : outer)}Δ";
            var middle = (int)((k + histogram.Edge) / (2 * histogram.Edge) * characters);
            label.CopyTo(0, ruler, Math.Max(0, middle - (label.Length / 2)), label.Length);
        }

        return new string(ruler).TrimEnd();
    }
}
