using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Panels;
using Lathe.Graph.Checkpoints;
using Lathe.NN.Training;
using Lathe.Quantizer.Methods;

namespace Lathe.Quantizer;

/// <summary>Pictures and tables of a quantization: how the weights came to their modes, and where they lie.</summary>
public static class QuantizePanels
{
    private const string Section = "Quantization";
    private const string Layers = "layers";
    private const string Course = "course";
    private const string Before = "validationTop1Before";
    private const string After = "validationTop1After";

    // Groups of parts of a bar: 0 is the pale one.
    private const int ZeroGroup = 0, NegativeGroup = 1, PositiveGroup = 2;

    /// <summary>What its step in a lineage tells; nothing where that is nothing, or of another version.</summary>
    public static IReadOnlyList<Panel> Of(LineageStep step)
    {
        if (QuantizationRecord.TryRead(step.Records) is not { } record) return [];
        var drawn = record.Histograms.Where(h => h.Counts.Count > 0).ToList();
        IEnumerable<Panel?> panels =
        [
            Rounding(step),
            .. record.Course.Epochs.Count > 1 ? [Changes(record.Course), Residual(record.Course)] : Array.Empty<Panel>(),
            .. drawn.Where(h => h.Layer is null).Select((h, i) => Ridges(i == 0 ? "weights" : $"weights-{h.Bits}", "Weights", h, record.Layers)),
            record.Layers.Select(l => l.Bits).Distinct().Count() > 1 ? Bits(record.Layers) : null,
            record.Layers.Any(l => l.Negative is not null) ? Modes(record.Layers) : null,
            record.Layers.Count > 0 ? LayerTable(record.Layers) : null,
            record.Course.Epochs.Count > 0 ? CourseTable(record.Course) : null,
            .. drawn.Where(h => h.Layer is not null).Select((h, i) => Ridges($"weights-layer-{i + 1}", $"Weights of {h.Layer}", h, []) with { IsDetail = true }),
            .. TrainingPanels.Of(record.Training, step.Stage, Section, step.Parameters),
        ];
        return [.. panels.OfType<Panel>()];
    }

    /// <summary>Accuracy on held-out images on either side of the final rounding; null where none were held out.</summary>
    private static TablePanel? Rounding(LineageStep step)
    {
        if (!step.Facts.TryGetValue(Before, out var before) || !step.Facts.TryGetValue(After, out var after)) return null;
        // Trained with rounded weights, the network computes the same before.
        IReadOnlyList<TableCell> row = [ComputesRounded(step) ? new TableCell() : before, after, step.Facts.TryGetValue("residual", out var residual) ? residual : new TableCell()];
        return new TablePanel("rounding", "Held-out images", [new("before, %", MetricFormat.Percent), new("after, %", MetricFormat.Percent), new("residual")], [row])
        {
            Section = Section,
            Merges = true,
            Caption = "Top-1 just before and just after the final rounding, and the root mean square distance, in steps Δ, by which it moves weights. "
                + "Where there is no before, the method trains with rounded weights: the rounding changes nothing that the network computes.",
        };
    }

    /// <summary>See <see cref="QuantizationMethods.ComputesRounded"/>; false for a method that is not known here.</summary>
    private static bool ComputesRounded(LineageStep step) =>
        step.Parameters.ValueKind == JsonValueKind.Object && step.Parameters.TryGetProperty("method", out var method) && method.ValueKind == JsonValueKind.String
        && Enum.TryParse<QuantizeMethod>(method.GetString(), ignoreCase: true, out var known) && QuantizationMethods.ComputesRounded(known);

    private static LineChart Changes(ModeCourse course) => new(
        "changes", "Weights that changed their mode", new AxisInfo("epoch"), new AxisInfo("share in the epoch, %", FromZero: true),
        [new Line("", Epochs(course), [.. course.Changed.Select(v => (double?)(100 * v))])])
    {
        Section = Section, Merges = true, Figures = Course,
    };

    private static LineChart Residual(ModeCourse course) => new(
        "residual", "Distance from the modes", new AxisInfo("epoch"), new AxisInfo("RMS, in steps Δ", AxisScale.Logarithmic, FromZero: true),
        [new Line("", Epochs(course), [.. course.Residual.Select(v => (double?)v)])])
    {
        Section = Section, Merges = true, Figures = Course,
    };

    private static double[] Epochs(ModeCourse course) => [.. course.Epochs.Select(e => (double)e)];

    private static RidgeChart Ridges(string id, string title, WeightHistogram histogram, IReadOnlyList<QuantizedLayer> layers) => new(
        id, title, About(histogram, layers), -histogram.Edge, histogram.Edge,
        [.. histogram.Epochs.Zip(histogram.Counts, (epoch, counts) => new Ridge(epoch == 0 ? "before" : $"epoch {epoch}", [.. counts.Select(c => (double)c)]))])
    {
        Section = Section,
        Marks = Marks(histogram.Bits),
        Caption = "Each line as high as its fullest bin. What lies beyond the ends counts for the outermost bins.",
    };

    /// <summary>Which layers a distribution is of: <c>all quantized layers, 2 bits</c>.</summary>
    private static string About(WeightHistogram histogram, IReadOnlyList<QuantizedLayer> layers)
    {
        var same = layers.Where(l => l.Bits == histogram.Bits).ToList();
        var which = histogram.Layer ?? (same.Count == 1 ? same[0].Layer : same.Count == layers.Count ? "all quantized layers" : $"{same.Count} layers");
        return $"{which}, {histogram.Bits} bits";
    }

    /// <summary>The modes, seven of them with names.</summary>
    private static IReadOnlyList<AxisMark> Marks(int bits)
    {
        var outer = (1 << (bits - 1)) - 1;
        var every = Math.Max(1, ((2 * outer) + 7) / 7);
        return [.. Enumerable.Range(-outer, (2 * outer) + 1).Select(k => new AxisMark(k, k % every == 0 ? Mode(k) : ""))];
    }

    private static string Mode(int k) => k == 0 ? "0" : $"{(k < 0 ? "−" : "")}{(Math.Abs(k) == 1 ? "" : Math.Abs(k))}Δ";

    /// <summary>Bits of each layer, where they differ.</summary>
    private static BarChart Bits(IReadOnlyList<QuantizedLayer> layers) => new(
        "bits", "Bits", "bits of a weight", [.. layers.Select(l => l.Layer)], [new BarSeries("bits", [.. layers.Select(l => (double)l.Bits)])])
    {
        Section = Section, Figures = Layers,
    };

    /// <summary>Which share of each layer's weights lies at which mode; with many bits only on which side of zero.</summary>
    private static BarChart Modes(IReadOnlyList<QuantizedLayer> layers)
    {
        var outer = layers.Max(l => l.Modes is { } modes ? modes.Count / 2 : 0);
        BarSeries Series(string name, int group, Func<QuantizedLayer, double> share) => new(name, [.. layers.Select(share)], group);
        IEnumerable<BarSeries> At(IEnumerable<int> modes, int group) => modes.Select(k => Series(Mode(k), group, l => Share(l, k)));
        return new BarChart(
            "modes", "Modes", "share of weights below 0, at 0, above 0; lines between modes", [.. layers.Select(l => l.Layer)],
            [
                Series("below 0", NegativeGroup, l => l.Modes is null ? l.Negative ?? 0 : 0),
                .. At(Enumerable.Range(-outer, outer), NegativeGroup),
                Series("0", ZeroGroup, l => l.Zeros),
                .. At(Enumerable.Range(1, outer), PositiveGroup),
                Series("above 0", PositiveGroup, l => l.Modes is null ? Math.Max(0, 1 - (l.Negative ?? 0) - l.Zeros) : 0),
            ])
        {
            Section = Section,
            IsStacked = true,
            Figures = Layers,
            Labels = [.. layers.Select(l => $"{100 * l.Zeros:0}% at 0")],
        };
    }

    private static double Share(QuantizedLayer layer, int mode)
    {
        var index = mode + (layer.Modes?.Count / 2 ?? 0);
        return layer.Modes is { } modes && index >= 0 && index < modes.Count ? modes[index] : 0;
    }

    private static TablePanel LayerTable(IReadOnlyList<QuantizedLayer> layers) => new(
        Layers, "Layers",
        [
            new("layer", IsText: true), new("bits", MetricFormat.Bits), new("step"), new("weights", MetricFormat.Count), new("<0 %", MetricFormat.Percent),
            new("0 %", MetricFormat.Percent), new(">0 %", MetricFormat.Percent), new("residual"), new("outer %", MetricFormat.Percent),
        ],
        [.. layers.Select(l => (IReadOnlyList<TableCell>)
            [l.Layer, l.Bits, $"2^{-l.Fraction}", l.Weights, l.Negative, l.Zeros, 1 - l.Negative - l.Zeros, l.Residual, l.Outer])])
    {
        Section = Section,
        IsDetail = true,
        Caption = "Shares of the weights by the sign of their mode, and at the two outermost modes. Residual: root mean square distance from the modes before "
            + "the final rounding, in steps.",
    };

    private static TablePanel CourseTable(ModeCourse course) => new(
        Course, "Modes by epoch", [new("epoch", MetricFormat.Count), new("changed %", MetricFormat.Percent), new("residual")],
        [.. course.Epochs.Select((epoch, i) => (IReadOnlyList<TableCell>)[epoch, course.Changed[i], course.Residual[i]])])
    {
        Section = Section, IsDetail = true, IsCourse = true, Caption = "Changed: weights whose mode is another than an epoch before.",
    };
}
