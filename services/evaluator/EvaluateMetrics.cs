using Lathe.Contracts;
using Lathe.Evaluator.Latency;
using Lathe.NN.Checkpoints;

namespace Lathe.Evaluator;

/// <summary>What the figures of an evaluation mean.</summary>
public static class EvaluateMetrics
{
    /// <summary>In the order in which people read them.</summary>
    public static IReadOnlyList<MetricDescriptor> All { get; } =
    [
        new("top1", "top-1", "%", MetricFormat.Percent, Better.Higher, IsColumn: true, DenseName: "top1Dense", Description: "test images classified right", Rank: 10)
        {
            LongTitle = "top-1 %", LowName = "top1Low", HighName = "top1High",
        },
        new("top5", "top-5", "%", MetricFormat.Percent, Better.Higher, DenseName: "top5Dense", Description: "class among the five likeliest"),
        new("changedPredictions", "changed", "%", MetricFormat.Percent, IsColumn: true, Description: "answers unlike the dense network's", Rank: 110),
        new("loss", "loss", "", MetricFormat.Number, Better.Lower, DenseName: "lossDense", Description: "mean cross-entropy"),
        .. SizeMetrics.All,
        new("peakActivationBytes", "peak KiB", "", MetricFormat.Bytes, Better.Lower, IsColumn: true, DenseName: "peakActivationBytesDense",
            Description: "activations of one image", Rank: 100)
        {
            LongTitle = "bytes of activations at the peak",
        },
        new("top1FixedPoint", "fixed-point", "%", MetricFormat.Percent, Better.Higher, Description: "top-1 without floats"),
        new("changedFixedPoint", "fixed-point changed", "%", MetricFormat.Percent, Description: "answers unlike the network's in floats"),
        new("modelBytesFixedPoint", "engine KiB", "", MetricFormat.Bytes, Better.Lower, Description: "weights, maps and tables of the fixed-point engine"),
        new("workspaceBytesFixedPoint", "workspace KiB", "", MetricFormat.Bytes, Better.Lower, Description: "what the engine needs to work in"),
        .. LatencyComparison.BatchSizes.Select(batch => new MetricDescriptor(
            $"latency{batch}", $"batch {batch}", "ms", MetricFormat.Number, Better.Lower, IsColumn: true, DenseName: $"latency{batch}Dense",
            Description: "median in ONNX Runtime, float32", Rank: 120)
        {
            LongTitle = $"milliseconds for a batch of {batch} in ONNX Runtime",
        }),
    ];
}
