using Lathe.Contracts;

namespace Lathe.NN.Training;

/// <summary>Measures speed, and keeps reports to a few a second.</summary>
internal sealed class ProgressReporter(IProgress<StageProgress>? progress, TimeProvider time)
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(0.25);
    private readonly long _start = time.GetTimestamp();
    private long? _lastReport;
    private long _stepsDone;

    /// <summary>Counts a finished step, and says whether it should be reported.</summary>
    public bool IsDue()
    {
        _stepsDone++;
        if (progress is null)
            return false;
        var now = time.GetTimestamp();
        if (_lastReport is { } last && time.GetElapsedTime(last, now) < Interval)
            return false;
        _lastReport = now;
        return true;
    }

    /// <summary>Speed so far, including saving and all other work between steps.</summary>
    public double StepsPerSecond => _stepsDone / Math.Max(1e-9, time.GetElapsedTime(_start).TotalSeconds);

    public void Report(StageProgress report) => progress?.Report(report);
}
