using System.CommandLine;
using System.Globalization;
using System.Text.RegularExpressions;
using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Hosting;

namespace Lathe.Cli.Commands;

/// <summary>Options of <c>run</c> and <c>submit</c> about how much a sweep may take, and when it has its turn.</summary>
internal sealed partial class SubmissionOptions
{
    private readonly Option<int?> _priority = new("--priority")
    {
        Description = $"{SweepLimits.LowestPriority} to {SweepLimits.HighestPriority}: executions of a higher one are sent first. [{SweepLimits.DefaultPriority}]", HelpName = "N",
    };

    private readonly Option<string?> _share = new("--share") { Description = "Sweeps of the same share divide it among them. [one of its own]", HelpName = "NAME" };

    private readonly Option<string?> _weight = new("--weight") { Description = "Size of the share, relative to others of the same priority. [1]", HelpName = "W" };

    private readonly Option<int?> _parallel = new("--parallel") { Description = "Most executions that are with workers at one time.", HelpName = "N" };

    private readonly Option<string[]> _parallelOf = new("--parallel-of") { Description = "The same for one stage: train=2", HelpName = "STAGE=N" };

    private readonly Option<int?> _failures = new("--max-failures") { Description = "Stop the sweep with this many failed executions.", HelpName = "N" };

    private readonly Option<string?> _execution = new("--execution-limit") { Description = "Stop an execution that computes for longer: 90s, 30m, 2h, 3d", HelpName = "TIME" };

    private readonly Option<string?> _sweep = new("--sweep-limit") { Description = "Stop the sweep if it takes longer.", HelpName = "TIME" };

    private readonly Option<int?> _keepDays = new("--keep-days") { Description = "Keep its checkpoints for so many days once it is over, in place of the store's rule.", HelpName = "N" };

    private readonly Option<string?> _budget = new("--budget") { Description = "Bytes that the checkpoints which this sweep alone uses may take: 20GiB", HelpName = "SIZE" };

    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[_priority, _share, _weight, _parallel, _parallelOf, _failures, _execution, _sweep, _keepDays, _budget]) command.Options.Add(option);
    }

    /// <summary>What to submit: an option goes before what the sweep file says.</summary>
    /// <exception cref="LatheException">An option has a value that it cannot have; one line for each.</exception>
    public SweepSubmission Submission(ParseResult call, SweepDocument document, bool fresh, string? requestId = null)
    {
        var (spec, terms) = (document.Spec, document.Terms);
        var problems = new List<string>();
        var priority = call.GetValue(_priority);
        if (priority is < SweepLimits.LowestPriority or > SweepLimits.HighestPriority)
            problems.Add($"{_priority.Name} is {priority}, expected a whole number from {SweepLimits.LowestPriority} to {SweepLimits.HighestPriority}");
        double? weight = null;
        if (call.GetValue(_weight) is { } text)
        {
            if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && number > 0 && double.IsFinite(number)) weight = number;
            else problems.Add($"{_weight.Name} is '{text}', expected a number above 0");
        }

        if (call.GetValue(_share) is { } share && string.IsNullOrWhiteSpace(share)) problems.Add($"{_share.Name} has no name");
        var limits = new SweepLimits(
            Count(_parallel) ?? terms.Limits?.Parallel, ParallelOf(call.GetValue(_parallelOf) ?? [], spec, terms.Limits?.ParallelOf, problems),
            Seconds(_execution) ?? terms.Limits?.ExecutionSeconds, Seconds(_sweep) ?? terms.Limits?.SweepSeconds, Count(_failures) ?? terms.Limits?.Failures,
            Days() ?? terms.Limits?.KeepDays, Bytes() ?? terms.Limits?.BudgetBytes);
        if (problems.Count > 0) throw new LatheException(string.Join('\n', problems));
        return new SweepSubmission(
            spec, fresh, requestId, priority ?? terms.Priority, call.GetValue(_share) ?? terms.Share, weight ?? terms.Weight, limits == new SweepLimits() ? null : limits);

        int? Count(Option<int?> option)
        {
            var count = call.GetValue(option);
            if (count < 1) problems.Add($"{option.Name} is {count}, expected a whole number from 1 on");
            return count;
        }

        int? Days()
        {
            var days = call.GetValue(_keepDays);
            if (days < 0) problems.Add($"{_keepDays.Name} is {days}, expected a whole number from 0 on");
            return days;
        }

        long? Bytes()
        {
            try
            {
                return call.GetValue(_budget) is { } size ? ByteSize.Parse(size, _budget.Name) : null;
            }
            catch (LatheException e)
            {
                problems.Add(e.Message);
                return null;
            }
        }

        double? Seconds(Option<string?> option)
        {
            if (call.GetValue(option) is not { } time) return null;
            if (Duration(time) is { } seconds) return seconds;
            problems.Add($"{option.Name} is '{time}', expected a time such as 90s, 30m, 2h or 3d");
            return null;
        }
    }

    /// <summary>Seconds of <c>90s</c>, <c>1h30m</c>, <c>3d</c>; null: no time above 0.</summary>
    public static double? Duration(string text)
    {
        var match = Time().Match(text.Trim());
        if (!match.Success) return null;
        var seconds = match.Groups["number"].Captures.Zip(match.Groups["unit"].Captures, (number, unit) => double.Parse(number.Value, CultureInfo.InvariantCulture) * unit.Value switch
        {
            "s" => 1,
            "m" or "min" => 60,
            "h" => 3600,
            _ => 86_400,
        }).Sum();
        return seconds > 0 && double.IsFinite(seconds) ? seconds : null;
    }

    private IReadOnlyDictionary<string, int>? ParallelOf(IReadOnlyList<string> given, SweepSpec spec, IReadOnlyDictionary<string, int>? ofFile, List<string> problems)
    {
        if (given.Count == 0) return ofFile;
        var most = new Dictionary<string, int>(ofFile ?? new Dictionary<string, int>());
        var stages = spec.Stages.Select(s => s.Stage).Distinct().ToList();
        foreach (var text in given)
        {
            var parts = text.Split('=');
            if (parts is not [var stage, var number] || !int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var count) || count < 1)
                problems.Add($"{_parallelOf.Name} {text}: expected STAGE=N with N from 1 on, for example train=2");
            else if (!stages.Contains(stage)) problems.Add($"{_parallelOf.Name} {text}: the sweep has no stage '{stage}'; it has {string.Join(", ", stages)}{Nearest.Hint(stage, stages)}");
            else most[stage] = count;
        }

        return most;
    }

    [GeneratedRegex(@"^(?:(?<number>\d+(?:\.\d+)?)\s*(?<unit>s|min|m|h|d)\s*)+$")]
    private static partial Regex Time();
}
