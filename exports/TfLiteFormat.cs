using System.Globalization;
using Lathe.Contracts;
using Lathe.Exports.TfLite;
using Lathe.Graph.Onnx;
using Lathe.NN.FixedPoint;
using Lathe.Reports;

namespace Lathe.Exports;

/// <summary>A TFLite file of whole-number weights and 8-bit activations.</summary>
internal static class TfLiteFormat
{
    public static ExportFormat Format { get; } = new(
        "tflite", ".tflite", "TFLite (LiteRT) file of int8 activations and int8 or int4 weights, batch norm folded", Make)
    {
        Needs = new ExportNeeds(WholeWeights: true, WholeActivations: true, QuantizedOnnxFormat.Remedy),
        WeightTypes = [OnnxWeightType.Int8, OnnxWeightType.Int4],
        AboutWeights = "Type of the weights of layers of up to 4 bits; int4 needs a runtime of 2.11 or later.",
    };

    private static Exported Make(ExportJob job)
    {
        var isHalved = (job.Weights ?? OnnxWeightType.Int8) == OnnxWeightType.Int4;
        var file = TfLiteConversion.Of(FixedPointCompiler.Compile(job.Checkpoint), isHalved, $"{job.Checkpoint.Graph.Name}, exported by Lathe", job.Metadata());
        using var network = job.Network();
        var even = Measure(TieRounding.Even);
        var lite = Measure(TieRounding.LiteRt);
        var up = Measure(TieRounding.Up);
        return new Exported(
            [new ExportedFile(job.Out, file.Content)],
            [
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{job.Out}: {job.Checkpoint.Graph.Name} as TFLite (runtime {file.MinimumRuntime} or later), {Figures.Size(file.Content.Length)}; ")
                + (isHalved ? $"INT4 weights in {file.Halved} of {file.Layers} layers, and the last in floats" : "INT8 weights, and the last layer's in floats"),
                $"read back, ties to even: {even.Text}",
                $"read back, ties as in LiteRT: {lite.Text}",
                $"read back, ties up: {up.Text}",
            ]);

        (LogitAgreement Agreement, string Text) Measure(TieRounding ties)
        {
            var agreement = TfLiteAgreement.Measure(TfLiteReading.Read(file.Content, ties), network, job.Images.Batches(), job.Threads);
            var text = string.Create(
                CultureInfo.InvariantCulture,
                $"on {agreement.Images} {job.Images.Kind}, top-1 is the checkpoint's for {agreement.SameTop1}, logits differ by at most {agreement.LargestDifference:0.0e+0} of {agreement.LargestLogit:0.0##}");
            return agreement.HoldsQuantized
                ? (agreement, text)
                : throw new LatheException($"--out {job.Out}: not written, because TFLite's arithmetic takes too many images for other classes than the checkpoint does ({text})");
        }
    }
}
