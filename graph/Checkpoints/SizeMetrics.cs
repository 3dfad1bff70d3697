using Lathe.Contracts;

namespace Lathe.Graph.Checkpoints;

/// <summary>What <see cref="SizeFigures"/> mean.</summary>
public static class SizeMetrics
{
    /// <summary>In the order in which people read them.</summary>
    public static IReadOnlyList<MetricDescriptor> All { get; } =
    [
        new("parameters", "params", "", MetricFormat.Count, Better.Lower, IsColumn: true, Description: "trainable values", Rank: 20)
        {
            LongTitle = "parameters", RatioName = "parametersRatio",
        },
        new("multiplications", "mults", "", MetricFormat.Count, Better.Lower, IsColumn: true, Description: "multiplications for one image", Rank: 30)
        {
            LongTitle = "multiplications for one image", RatioName = "multiplicationsRatio",
        },
        new("bits", "bits", "", MetricFormat.Bits, IsColumn: true, Description: "of a weight", Rank: 40),
        new("bytes", "KiB", "", MetricFormat.Bytes, Better.Lower, IsColumn: true, DenseName: "bytesDense", Description: "stored tensors, weights packed", Rank: 50)
        {
            LongTitle = "bytes of stored tensors",
        },
    ];
}
