using System.Globalization;
using Lathe.Contracts;

namespace Lathe.Coordinator;

/// <summary>Checks what stands beside the sweep in a submission: priority, share, limits.</summary>
public static class SubmissionTerms
{
    /// <summary>A longer time than anybody waits for, in seconds: a hundred years.</summary>
    private const double LongestSeconds = 100 * 365.25 * 24 * 3600;

    private const int LongestKeepDays = 36_525;
    private const int LongestName = 200;

    /// <summary>What is wrong with them; paths are JSON pointers into the submission.</summary>
    public static IReadOnlyList<SweepProblem> Problems(SweepSubmission submission)
    {
        var problems = new List<SweepProblem>();
        if (submission.Priority is { } priority and (< SweepLimits.LowestPriority or > SweepLimits.HighestPriority))
            problems.Add(new SweepProblem("/priority", $"is {priority}, expected a whole number from {SweepLimits.LowestPriority} to {SweepLimits.HighestPriority}"));
        if (submission.Weight is { } weight && weight is not (>= 1e-6 and <= 1e6))
            problems.Add(new SweepProblem("/weight", string.Create(CultureInfo.InvariantCulture, $"is {weight}, expected a number above 0, from 0.000001 to 1000000")));
        if (submission.Share is { } share && (string.IsNullOrWhiteSpace(share) || share.Length > LongestName || share.Contains('\0', StringComparison.Ordinal)))
            problems.Add(new SweepProblem("/share", $"expected a name of 1 to {LongestName} characters"));
        if (submission.RequestId is { } request && (request.Length is 0 or > 200 || request.Contains('\0', StringComparison.Ordinal)))
            problems.Add(new SweepProblem("/requestId", "expected 1 to 200 characters"));
        if (submission.Limits is { } limits)
        {
            if (limits.Parallel < 1) problems.Add(new SweepProblem("/limits/parallel", $"is {limits.Parallel}, expected 1 or more"));
            if (limits.Failures < 1) problems.Add(new SweepProblem("/limits/failures", $"is {limits.Failures}, expected 1 or more"));
            CheckSeconds("executionSeconds", limits.ExecutionSeconds);
            CheckSeconds("sweepSeconds", limits.SweepSeconds);
            if (limits.KeepDays is < 0 or > LongestKeepDays) problems.Add(new SweepProblem("/limits/keepDays", $"is {limits.KeepDays}, expected 0 to {LongestKeepDays}"));
            if (limits.BudgetBytes < 0) problems.Add(new SweepProblem("/limits/budgetBytes", $"is {limits.BudgetBytes}, expected 0 or more"));
            foreach (var (stage, most) in limits.ParallelOf ?? new Dictionary<string, int>())
            {
                if (most < 1) problems.Add(new SweepProblem($"/limits/parallelOf{JsonPointer.Of(stage)}", $"is {most}, expected 1 or more"));
                else if (submission.Spec.Stages?.Any(s => s?.Stage == stage) != true)
                    problems.Add(new SweepProblem($"/limits/parallelOf{JsonPointer.Of(stage)}", $"the sweep has no stage '{stage}'"));
            }
        }

        return problems;

        void CheckSeconds(string name, double? seconds)
        {
            if (seconds is { } value && value is not (>= 1 and <= LongestSeconds))
                problems.Add(new SweepProblem($"/limits/{name}", string.Create(CultureInfo.InvariantCulture, $"is {value}, expected a number of seconds from 1 to {LongestSeconds:0}")));
        }
    }
}
