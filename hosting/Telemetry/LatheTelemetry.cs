using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Lathe.Hosting;

/// <summary>Sources, instruments and names of Lathe's telemetry. telemetry-schema.yaml describes each.</summary>
internal static class LatheTelemetry
{
    /// <summary>Name of the activity source and of the meter of stages.</summary>
    public const string Stages = "Lathe.Stages";

    /// <summary>Every source and meter of Lathe's starts so.</summary>
    public const string AllOfLathe = "Lathe.*";

    public const string SweepId = "lathe.sweep.id";
    public const string Stage = "lathe.stage";
    public const string ExecutionKey = "lathe.execution.key";
    public const string CheckpointSha256 = "lathe.checkpoint.sha256";
    public const string InputSha256 = "lathe.input.sha256";
    public const string Outcome = "lathe.outcome";

    public static ActivitySource StageSource { get; } = new(Stages);

    internal static Meter StageMeter { get; } = new(Stages);

    internal static Histogram<double> StageDuration { get; } = StageMeter.CreateHistogram<double>(
        "lathe.stage.duration", "s", "Time that an attempt at a stage execution computed.",
        advice: new() { HistogramBucketBoundaries = [0.1, 1, 5, 15, 60, 300, 900, 3600, 14400, 86400] });

    internal static Histogram<double> QueueWait { get; } = StageMeter.CreateHistogram<double>(
        "lathe.queue.wait", "s", "Time between sending an execution and a worker's taking it.",
        advice: new() { HistogramBucketBoundaries = [0.01, 0.1, 1, 10, 60, 300, 900, 3600, 14400] });

    internal static Counter<long> Images { get; } = StageMeter.CreateCounter<long>(
        "lathe.images", "{image}", "Images that went through a network.");

    internal static Gauge<double> ImagesPerSecond { get; } = StageMeter.CreateGauge<double>(
        "lathe.training.images_per_second", "{image}/s", "Throughput that the stage last reported.");
}
