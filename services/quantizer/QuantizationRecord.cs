using System.Text.Json;
using System.Text.Json.Serialization;
using Lathe.Contracts;
using Lathe.Graph.Checkpoints;
using Lathe.NN.Training;
using Lathe.Quantizer.Weights;

namespace Lathe.Quantizer;

/// <summary>
/// What people want to see of a quantization; kept in the lineage of its checkpoint, which it must not swell: shares and residuals have
/// four digits, and the more layers there are, the fewer epochs are kept of each.
/// </summary>
/// <param name="Layers">Every quantized layer, in the graph's order, as it was before rounding.</param>
/// <param name="Course">How the weights came to their modes.</param>
/// <param name="Histograms">Distributions of the weights on the way: of all layers of the same bits together, and of each of a few layers.</param>
/// <param name="Training">How training went; null where there was none.</param>
public sealed record QuantizationRecord(
    IReadOnlyList<QuantizedLayer> Layers, ModeCourse Course, IReadOnlyList<WeightHistogram> Histograms, TrainingCourse? Training)
{
    /// <summary>Reads what stands in a lineage; null where that is nothing, or of another version.</summary>
    public static QuantizationRecord? TryRead(JsonElement? records)
    {
        try
        {
            return records?.Deserialize<QuantizationRecord>(LatheJson.Options) is { Layers: not null, Histograms: not null, Course: { } course } record
                && course is { Epochs: not null, Changed: not null, Residual: not null, LayerEpochs: not null, LayerChanged: not null, LayerResidual: not null }
                && (course.Changed.Count, course.Residual.Count) == (course.Epochs.Count, course.Epochs.Count)
                && course.LayerChanged.Concat(course.LayerResidual).All(layer => layer?.Count == course.LayerEpochs.Count)
                && record.Histograms.All(h => h is { Epochs: not null, Counts: not null } && h.Counts.Count == h.Epochs.Count && h.Counts.All(c => c is { Length: > 0 }))
                    ? record
                    : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>As it stands in the lineage.</summary>
    public JsonElement ToJson() => JsonSerializer.SerializeToElement(this, LatheJson.Options);

    internal static double Short(double value) => TrainingCourse.Rounded(value, 4);
}

/// <summary>One layer's weights at the end, before they are rounded.</summary>
/// <param name="Layer">Name of the node.</param>
/// <param name="Bits">N.</param>
/// <param name="Fraction">f of the step size Δ = 2^(−f).</param>
/// <param name="Weights">Number of weights.</param>
/// <param name="Zeros">Share of them whose mode is 0.</param>
/// <param name="Residual">Root mean square of (w − Q(w))/Δ.</param>
/// <param name="Modes">Share of each mode, from −(2^(N−1)−1) up; null with more than 4 bits.</param>
/// <param name="Negative">Share of them whose mode is below 0; null in older checkpoints.</param>
/// <param name="Outer">Share at the two outermost modes; null in older checkpoints.</param>
public sealed record QuantizedLayer(
    string Layer, int Bits, int Fraction, long Weights, double Zeros, double Residual, IReadOnlyList<double>? Modes, double? Negative = null, double? Outer = null)
{
    private const string Suffix = ".weight";
    private const int MostBits = 4;

    internal static QuantizedLayer Of(string tensor, WeightFormat format, ModeStatistics statistics)
    {
        var weights = statistics.Modes.Sum();
        double Share(long count) => QuantizationRecord.Short(count / (double)Math.Max(1, weights));
        var shares = statistics.Modes.Select(Share).ToArray();
        return new QuantizedLayer(
            tensor.EndsWith(Suffix, StringComparison.Ordinal) ? tensor[..^Suffix.Length] : tensor,
            format.Bits,
            format.Fraction,
            weights,
            shares[format.MaxLevel],
            QuantizationRecord.Short(Math.Sqrt(statistics.SquaredSteps / Math.Max(1, weights))),
            format.Bits <= MostBits ? shares : null,
            Share(statistics.Modes[..format.MaxLevel].Sum()),
            Share(statistics.Modes[0] + statistics.Modes[^1]));
    }
}

/// <summary>Weights on their way to modes, epoch by epoch.</summary>
/// <param name="Epochs">From 1; every one, or every so-many.</param>
/// <param name="Changed">Share of all weights whose mode is another than one epoch before.</param>
/// <param name="Residual">Root mean square of (w − Q(w))/Δ over all weights.</param>
/// <param name="LayerEpochs">Epochs that the layers' own figures are kept of.</param>
/// <param name="LayerChanged">By layer, then by epoch: as <paramref name="Changed"/>.</param>
/// <param name="LayerResidual">By layer, then by epoch: as <paramref name="Residual"/>.</param>
public sealed record ModeCourse(
    IReadOnlyList<int> Epochs,
    IReadOnlyList<double> Changed,
    IReadOnlyList<double> Residual,
    IReadOnlyList<int> LayerEpochs,
    IReadOnlyList<IReadOnlyList<double>> LayerChanged,
    IReadOnlyList<IReadOnlyList<double>> LayerResidual)
{
    // Points of all layers together.
    private const int MostLayerPoints = 400;

    internal static ModeCourse Of(IReadOnlyList<CoursePoint> points, IReadOnlyList<long> weights, int epochs)
    {
        var all = (double)Math.Max(1, weights.Sum());
        var few = points.Where(p => TrainingCourse.Keeps(p.Epoch, epochs, MostLayerPoints / Math.Max(1, weights.Count))).ToList();
        return new ModeCourse(
            [.. points.Select(p => p.Epoch)],
            [.. points.Select(p => QuantizationRecord.Short(p.Changed.Select((share, i) => share * weights[i]).Sum() / all))],
            [.. points.Select(p => QuantizationRecord.Short(Math.Sqrt(p.Residual.Select((rms, i) => rms * rms * weights[i]).Sum() / all)))],
            [.. few.Select(p => p.Epoch)],
            [.. weights.Select((_, i) => (IReadOnlyList<double>)[.. few.Select(p => QuantizationRecord.Short(p.Changed[i]))])],
            [.. weights.Select((_, i) => (IReadOnlyList<double>)[.. few.Select(p => QuantizationRecord.Short(p.Residual[i]))])]);
    }
}

/// <summary>A distribution of weights over time.</summary>
/// <param name="Layer">Name of the node; null: all layers of these bits.</param>
/// <param name="Bits">N.</param>
/// <param name="Epochs">From 1; 0 is before training.</param>
/// <param name="Counts">By epoch, then by bin. What lies beyond the bins counts for the outermost.</param>
/// <param name="Reach">The bins are equal parts of ± so many steps, in each layer's own Δ of the time; null, of older checkpoints: 2^(N−1).</param>
public sealed record WeightHistogram(string? Layer, int Bits, IReadOnlyList<int> Epochs, IReadOnlyList<long[]> Counts, double? Reach = null)
{
    /// <summary>How far the bins go to either side of 0, in steps.</summary>
    [JsonIgnore]
    public double Edge => Reach ?? 1 << (Bits - 1);

    // Layers that get a distribution of their own, and how many of it: the first, the middle and the last.
    private const int MostLayers = 16;

    internal static IReadOnlyList<WeightHistogram> Of(IReadOnlyList<Snapshot> snapshots, IReadOnlyList<QuantizedLayer> layers)
    {
        var indices = Enumerable.Range(0, layers.Count).ToList();
        var together = indices.GroupBy(i => layers[i].Bits).OrderBy(g => g.Key)
            .Select(group => Of(null, group.Key, snapshots, s => Sum([.. group.Select(i => s.Bins[i])])));
        if (layers.Count is 1 or > MostLayers) return [.. together];
        Snapshot[] few = snapshots.Count <= 3 ? [.. snapshots] : [snapshots[0], snapshots[snapshots.Count / 2], snapshots[^1]];
        return [.. together, .. indices.Select(i => Of(layers[i].Layer, layers[i].Bits, few, s => s.Bins[i]))];
    }

    private static WeightHistogram Of(string? layer, int bits, IReadOnlyList<Snapshot> snapshots, Func<Snapshot, long[]> bins) =>
        new(layer, bits, [.. snapshots.Select(s => s.Epoch)], [.. snapshots.Select(bins)], ModeStatistics.Reach(bits));

    private static long[] Sum(IReadOnlyList<long[]> bins) => [.. Enumerable.Range(0, bins[0].Length).Select(b => bins.Sum(layer => layer[b]))];
}
