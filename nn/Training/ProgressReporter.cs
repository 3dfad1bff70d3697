using Lathe.Contracts;

namespace Lathe.NN.Training;

/// <summary>Measures speed, and keeps reports to a few a second.</summary>
internal sealed class ProgressReporter(IProgress<StageProgress>? progress, TimeProvider time)
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(0.25);
    private readonly long _start = time.GetTimestamp();
    private long? _lastReport;
    private long _stepsDone;

    /// <summary>Counts a finished step, and says whether it should be reported. The very last one always is.</summary>
    public bool IsDue(long globalStep, int imagesPerStep, long steps, out double imagesPerSecond, out double secondsLeft)
    {
        _stepsDone++;
        imagesPerSecond = secondsLeft = 0;
        if (progress is null)
            return false;
        var now = time.GetTimestamp();
        var isLast = globalStep == steps - 1;
        if (!isLast && _lastReport is { } last && time.GetElapsedTime(last, now) < Interval)
            return false;
        _lastReport = now;
        var seconds = Math.Max(1e-9, time.GetElapsedTime(_start, now).TotalSeconds);
        imagesPerSecond = _stepsDone * imagesPerStep / seconds;
        secondsLeft = (steps - 1 - globalStep) * (seconds / _stepsDone);
        return true;
    }

    public void Report(StageProgress report) => progress?.Report(report);
}
