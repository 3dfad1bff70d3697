using Lathe.Contracts;
using Lathe.Evaluator.Latency;
using Lathe.Graph.Checkpoints;

namespace Lathe.Evaluator;

/// <summary>What the figures of an evaluation mean.</summary>
public static class EvaluateMetrics
{
    /// <summary>In the order in which people read them.</summary>
    public static IReadOnlyList<MetricDescriptor> All { get; } =
    [
        new("top1", "top-1", "%", MetricFormat.Percent, Better.Higher, IsColumn: true, DenseName: "top1Dense", Description: "test images classified right", Rank: 10)
        {
            LongTitle = "top-1 %", LowName = "top1Low", HighName = "top1High", Split = DataSplit.Test,
        },
        new("top5", "top-5", "%", MetricFormat.Percent, Better.Higher, DenseName: "top5Dense", Description: "class among the five likeliest") { Split = DataSplit.Test },
        new("changedPredictions", "changed", "%", MetricFormat.Percent, IsColumn: true, Description: "answers unlike the dense network's", Rank: 110) { Split = DataSplit.Test },
        new("loss", "loss", "", MetricFormat.Number, Better.Lower, DenseName: "lossDense", Description: "mean cross-entropy") { Split = DataSplit.Test },
        .. SizeMetrics.All,
        new("peakActivationBytes", "peak KiB", "", MetricFormat.Bytes, Better.Lower, IsColumn: true, DenseName: "peakActivationBytesDense",
            Description: "activations of one image as float32", Rank: 100)
        {
            LongTitle = "bytes of activations at the peak, as float32",
        },
        new("top1FixedPoint", "fixed-point", "%", MetricFormat.Percent, Better.Higher, Description: "top-1 without floats") { Split = DataSplit.Test },
        new("changedFixedPoint", "fixed-point changed", "%", MetricFormat.Percent, Description: "answers unlike the network's in floats") { Split = DataSplit.Test },
        new("modelBytesFixedPoint", "engine KiB", "", MetricFormat.Bytes, Better.Lower, Description: "weights, maps and tables of the fixed-point engine"),
        new("workspaceBytesFixedPoint", "workspace KiB", "", MetricFormat.Bytes, Better.Lower, Description: "what the engine needs to work in"),
        .. LatencyComparison.BatchSizes.Select(batch => new MetricDescriptor(
            $"latency{batch}", $"batch {batch}", "ms", MetricFormat.Number, Better.Lower, IsColumn: true, DenseName: $"latency{batch}Dense",
            Description: "median in ONNX Runtime, float32", Rank: 120)
        {
            LongTitle = $"milliseconds for a batch of {batch} in ONNX Runtime",
        }),
    ];

    /// <summary>Those, and the figures that stand beside others or in panels.</summary>
    public static IReadOnlyList<MetricDescriptor> Described { get; } =
    [
        .. All,
        new("images", "images", Format: MetricFormat.Count, Description: "test images"),
        Share("top1Low", "top-1 from", "lower end of the 95% interval of top-1"),
        Share("top1High", "top-1 to", "upper end of the 95% interval of top-1"),
        Share("top1Dense", "dense top-1", "top-1 of the dense network"),
        Share("top5Dense", "dense top-5", "top-5 of the dense network"),
        new("lossDense", "dense loss", Description: "loss of the dense network") { Split = DataSplit.Test },
        new("parametersRatio", "params left", Format: MetricFormat.Ratio, Description: "parameters over those of the dense network"),
        new("multiplicationsRatio", "mults left", Format: MetricFormat.Ratio, Description: "multiplications over those of the dense network"),
        new("bytesDense", "dense KiB", Format: MetricFormat.Bytes, Description: "stored tensors of the dense network"),
        new("peakActivationBytesDense", "dense peak KiB", Format: MetricFormat.Bytes, Description: "activations of one image as float32 in the dense network"),
        new("latencyThreads", "threads", Format: MetricFormat.Count, Description: "CPU threads that times were taken with"),
        .. LatencyComparison.BatchSizes.SelectMany(Times),
    ];

    private static MetricDescriptor Share(string name, string title, string description) => new(name, title, "%", MetricFormat.Percent, Description: description) { Split = DataSplit.Test };

    private static IEnumerable<MetricDescriptor> Times(int batch)
    {
        foreach (var way in (string[])["", "Dense", "Int8", "FixedPoint"])
        {
            var name = $"latency{batch}{way}";
            if (way.Length > 0) yield return new MetricDescriptor(name, $"batch {batch} {way}", "ms", Description: "median");
            yield return new MetricDescriptor($"{name}Low", $"batch {batch} {way} from", "ms", Description: "lower quartile");
            yield return new MetricDescriptor($"{name}High", $"batch {batch} {way} to", "ms", Description: "upper quartile");
            if (way != "Dense") yield return new MetricDescriptor($"speedup{batch}{way}", $"speedup {batch} {way}", Format: MetricFormat.Ratio, Description: "times as fast as the dense network");
        }
    }
}
