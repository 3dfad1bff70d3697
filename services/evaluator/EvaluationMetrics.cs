using Lathe.Contracts;
using Lathe.Evaluator.Latency;
using Lathe.NN.Checkpoints;

namespace Lathe.Evaluator;

/// <summary>What the figures of an evaluation mean.</summary>
internal static class EvaluationMetrics
{
    private static readonly (string Suffix, string Words)[] Ways =
        [("", "ONNX Runtime in float32"), ("Dense", "the dense network with ONNX Runtime"), ("Int8", "ONNX Runtime on 8-bit integers"), ("FixedPoint", "Lathe's fixed-point engine")];

    public static IReadOnlyList<MetricDescriptor> Descriptors { get; } =
    [
        Share("top1", "top-1", Better.Higher, "Share of the test images classified right.") with { IsColumn = true, DenseName = "top1Dense", Rank = 10 },
        .. SizeFigures.Descriptors,
        new("loss", "loss", Better: Better.Lower, DenseName: "lossDense", Description: "Mean cross-entropy on the test images."),
        Share("top1Low", "top-1 from", Better.Neither, "Lower end of the 95 % interval of top-1."),
        Share("top1High", "top-1 to", Better.Neither, "Upper end of the 95 % interval of top-1."),
        Share("top5", "top-5", Better.Higher, "Share of the test images with the right class among the five likeliest.") with { DenseName = "top5Dense" },
        Share("changedPredictions", "changed", Better.Lower, "Share of the test images that the dense network takes for another class."),
        new("images", "images", Format: MetricFormat.Count, Description: "Test images."),
        new("parametersRatio", "params left", Format: MetricFormat.Ratio, Better: Better.Lower, Description: "Parameters over those of the dense network."),
        new("multiplicationsRatio", "mults left", Format: MetricFormat.Ratio, Better: Better.Lower, Description: "Multiplications over those of the dense network."),
        new("peakActivationBytes", "peak activations, KiB", Format: MetricFormat.Bytes, Better: Better.Lower, DenseName: "peakActivationBytesDense", Description: "Most memory that activations of one image take at once."),
        Share("top1FixedPoint", "top-1 in whole numbers", Better.Higher, "Top-1 of Lathe's fixed-point engine."),
        Share("changedFixedPoint", "changed in whole numbers", Better.Lower, "Share of the test images that the fixed-point engine takes for another class than the floats do."),
        new("modelBytesFixedPoint", "engine, KiB", Format: MetricFormat.Bytes, Better: Better.Lower, Description: "Weights, maps and tables in the fixed-point engine's memory."),
        new("workspaceBytesFixedPoint", "workspace, KiB", Format: MetricFormat.Bytes, Better: Better.Lower, Description: "Activations and scratch memory of one thread of the engine."),
        Share("top1Dense", "dense top-1", Better.Higher, "Top-1 of the dense network."),
        Share("top5Dense", "dense top-5", Better.Higher, "Top-5 of the dense network."),
        new("lossDense", "dense loss", Better: Better.Lower, Description: "Loss of the dense network."),
        new("bytesDense", "dense, KiB", Format: MetricFormat.Bytes, Better: Better.Lower, Description: "Stored tensors of the dense network."),
        new("peakActivationBytesDense", "dense peak activations, KiB", Format: MetricFormat.Bytes, Better: Better.Lower, Description: "Most memory that activations of the dense network take at once."),
        new("latencyThreads", "threads", Format: MetricFormat.Count, Description: "CPU threads that times were taken with."),
        .. LatencyComparison.BatchSizes.SelectMany(Times),
    ];

    private static MetricDescriptor Share(string name, string title, Better better, string description) =>
        new(name, title, "%", MetricFormat.Percent, better, Description: description);

    private static IEnumerable<MetricDescriptor> Times(int batch)
    {
        foreach (var (suffix, words) in Ways)
        {
            var name = $"latency{batch}{suffix}";
            yield return new MetricDescriptor(name, $"batch of {batch}: {words}", "ms", Better: Better.Lower, Description: "Median time of a batch.");
            yield return new MetricDescriptor($"{name}Low", $"batch of {batch}: {words}, lower quartile", "ms", Better: Better.Lower);
            yield return new MetricDescriptor($"{name}High", $"batch of {batch}: {words}, upper quartile", "ms", Better: Better.Lower);
            if (suffix != "Dense") yield return new MetricDescriptor($"speedup{batch}{suffix}", $"batch of {batch}: {words}, times as fast as the dense network", Format: MetricFormat.Ratio, Better: Better.Higher);
        }
    }
}
