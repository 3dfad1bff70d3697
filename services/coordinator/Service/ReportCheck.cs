using System.Diagnostics;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Lathe.Hosting;

namespace Lathe.Coordinator;

/// <summary>
/// Whether a message can be what a worker sent: what is missing in it was read as null, its digests become names of files, and its words go into the database,
/// which takes no NUL.
/// </summary>
internal static class ReportCheck
{
    // Names of stages, versions and workers: nobody's is as long.
    private const int LongestName = 255;

    /// <summary>What is wrong with a report, or null.</summary>
    public static string? Problem(IStageReport report) => report switch
    {
        { ExecutionId: var id } when id == Guid.Empty => "executionId is missing",
        { Attempt: < 1 } => $"attempt is {report.Attempt}, expected at least 1",
        { Key: var key } when !IsDigest(key) => "key is no SHA-256 of 64 lower-case hexadecimal characters",
        { Stage: var stage } when !IsName(stage) => "stage is no name of a stage",
        StageStarted { Worker: var worker } when !IsName(worker) => "worker is no name of a worker",
        StageProgressed { Worker: var worker } when !IsName(worker) => "worker is no name of a worker",
        StageProgressed { Progress: null } => "progress is missing",
        StageProgressed { Progress: var progress } when !IsFinite(progress) => "progress has a figure that is no finite number",
        StageCompleted { Output: var output } when output is null || !IsDigest(output.Sha256) || output.Bytes < 0 => "output is no reference to a checkpoint",
        StageCompleted { Metrics: null } => "metrics is missing",
        StageCompleted { Seconds: < 0 or double.NaN or double.PositiveInfinity } completed => $"seconds is {completed.Seconds}, expected at least 0",
        StageFailed { Message: null or "" } => "message is missing",
        _ => null,
    };

    /// <summary>What is wrong with an announcement, or null.</summary>
    public static string? Problem(StageAnnounced announcement) => announcement.Manifest switch
    {
        null => "manifest is missing",
        _ when announcement.Worker is not null && !IsName(announcement.Worker) => "worker is no name of a worker",
        var manifest => ManifestCheck.Problems(manifest) is { Count: > 0 } problems ? ManifestCheck.Words(problems) : null,
    };

    /// <summary>A trace context as it came in a header; null where it is none.</summary>
    public static string? TraceParent(string? header) => ActivityContext.TryParse(header, null, out _) ? header : null;

    /// <summary>JSON can write a number beyond those that there are.</summary>
    private static bool IsFinite(StageProgress progress) =>
        new[] { progress.Epoch, progress.Loss, progress.Accuracy, progress.ImagesPerSecond, progress.SecondsLeft }.All(f => f is null || double.IsFinite(f.Value))
        && (progress.Ended ?? []).Append(progress.LastEpoch).All(e => e is null || (double.IsFinite(e.Loss) && double.IsFinite(e.Accuracy) && (e.Metrics?.Values.All(double.IsFinite) ?? true)));

    private static bool IsDigest(string? text) => text is { Length: 64 } && text.All(char.IsAsciiHexDigitLower);

    private static bool IsName(string? text) => text is { Length: > 0 and <= LongestName } && !text.Any(char.IsControl);
}
