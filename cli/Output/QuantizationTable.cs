using System.Text.Json;
using Lathe.NN.Checkpoints;
using Lathe.Quantizer;
using Lathe.Quantizer.Methods;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Lathe.Cli.Output;

/// <summary>What a quantization made of each layer, and how its weights came to their modes.</summary>
internal static class QuantizationTable
{
    // Columns that the figures take beside a layer's name, and lines of the course: all of it is in the JSON.
    private const int FiguresWidth = 62;
    private const int LeastName = 12;
    private const int MostPoints = 12;

    /// <summary>One row for each layer; names are shortened to fit the terminal.</summary>
    /// <param name="record">What happened.</param>
    /// <param name="width">Columns of the terminal.</param>
    public static IRenderable Layers(QuantizationRecord record, int width)
    {
        var table = PruningTable.Columns("layer", "bits", "step", "weights", "<0 %", "0 %", ">0 %", "residual");
        foreach (var layer in record.Layers)
        {
            table.AddRow(
                new Text(PruningTable.Shortened(layer.Layer, Math.Max(LeastName, width - FiguresWidth))), new Text($"{layer.Bits}"), new Text($"2^{-layer.Fraction}"),
                new Text(Figures.Count(layer.Weights)), new Text(Figures.Percent(layer.Negative)), new Text(Figures.Percent(layer.Zeros)),
                new Text(Figures.Percent(1 - layer.Negative - layer.Zeros)), new Text(Figures.Residual(layer.Residual)));
        }

        return new Rows(table, new Text("  Shares of the weights by the sign of their mode. Residual: root mean square"), new Text("  distance from the modes before the final rounding, in steps."));
    }

    /// <summary>One row for each of a few epochs, the last among them.</summary>
    public static IRenderable Course(QuantizationRecord record)
    {
        var table = PruningTable.Columns("epoch", "changed %", "residual");
        var points = record.Course.Epochs.Count;
        var every = Math.Max(1, (points + MostPoints - 1) / MostPoints);
        for (var i = (points - 1) % every; i < points; i += every)
            table.AddRow($"{record.Course.Epochs[i]}", Figures.Percent(record.Course.Changed[i]), Figures.Residual(record.Course.Residual[i]));
        return new Rows(table, new Text("  Changed: weights whose mode is another than an epoch before."));
    }

    /// <summary>Accuracy on the held-out images just before and just after the final rounding; null where none were held out.</summary>
    public static string? Rounding(LineageStep step) =>
        !step.Facts.TryGetValue("validationTop1Before", out var before) || !step.Facts.TryGetValue("validationTop1After", out var after) ? null
        : ComputesRounded(step) ? $"held-out images: {Figures.Percent(after)}% right; trained with rounded weights, so the final rounding changes nothing"
        : $"held-out images: {Figures.Percent(before)}% right before the final rounding, {Figures.Percent(after)}% after it";

    /// <summary>See <see cref="QuantizationMethods.ComputesRounded"/>; false for a method that is not known here.</summary>
    public static bool ComputesRounded(LineageStep step) =>
        step.Parameters.ValueKind == JsonValueKind.Object && step.Parameters.TryGetProperty("method", out var method) && method.ValueKind == JsonValueKind.String
        && Enum.TryParse<QuantizeMethod>(method.GetString(), ignoreCase: true, out var known) && QuantizationMethods.ComputesRounded(known);
}
