using System.Globalization;
using Lathe.Cli.Embedded;
using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Reports.Terminals;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Lathe.Cli.Output;

/// <summary>What a sweep would do, for people.</summary>
internal static class ForecastText
{
    private const string Range = "–";
    private const int IdCharacters = 8;
    private const double FewSeconds = 10;

    /// <summary>The executions as a tree; of more than fit first the stages with their counts, then the first executions.</summary>
    /// <param name="forecast">The sweep.</param>
    /// <param name="most">Executions that are listed.</param>
    public static IEnumerable<IRenderable> Of(SweepForecast forecast, int most)
    {
        var sizes = BuiltInStages.Metrics.Select(m => (m.Name, m.Title, m.Format)).Where(m => forecast.Steps.Any(s => s.Sizes.ContainsKey(m.Name))).ToList();
        sizes.AddRange(forecast.Steps.SelectMany(s => s.Sizes.Keys).Distinct().Where(name => !sizes.Exists(m => m.Name == name)).Select(name => (name, name, MetricFormat.Number)).ToList());
        if (forecast.Size > SweepOverview.Many)
        {
            yield return Stages(forecast, sizes);
            yield return new Text(" ");
        }

        yield return Tree(forecast, sizes, most);
    }

    /// <summary>What a search chooses from, and its first trials; nothing for a grid.</summary>
    public static IEnumerable<string> Space(SweepForecast forecast)
    {
        if (forecast.Search is not { } search) yield break;
        yield return $"search: {search.Strategy}, {Figures.Count(search.Trials)} trials, {search.Parallel} at a time, over";
        foreach (var axis in search.Axes) yield return $"  {axis.Name}: {axis.Range.GetRawText()}";
        yield return $"the first {search.First.Count} trials, whose executions are listed here; the others depend on their results:";
        foreach (var (number, trial) in search.First.Index())
            yield return $"  {number}: {string.Join(", ", trial.Values.Select(v => $"{v.Key} {v.Value.GetRawText()}"))}{(trial.Refused is { } refused ? $" (left out: {refused})" : "")}";
    }

    /// <summary>How many are not listed; and what differs from the nearest earlier execution, one line for each execution that would be computed.</summary>
    public static IEnumerable<string> Rest(SweepForecast forecast, bool isAsked, int most)
    {
        if (forecast.Size > most) yield return $"... and {Figures.Count(forecast.Size - most)} more: --all";
        if (!isAsked) yield break;
        var runs = forecast.Executions.Take(most).Where(e => !e.IsCached).ToList();
        foreach (var stage in runs.Where(e => e.Nearest is null).Select(e => e.Stage).Distinct()) yield return $"{stage}: there is no earlier execution";
        foreach (var execution in runs)
        {
            if (execution.Nearest is not { } nearest) continue;
            var name = $"{execution.Index} {Ways.Label(Status(execution))}";
            yield return nearest.Differences.Count == 0
                ? $"{name}: execution {nearest.Index} of {Sweep(nearest)} is the same; its result or its checkpoint is no longer in the store, or everything is to run again"
                : $"{name}: execution {nearest.Index} of {Sweep(nearest)} differs in {string.Join(", ", nearest.Differences.Select(Words))}";
        }
    }

    /// <summary>Counts and time in one line.</summary>
    public static string Summary(SweepForecast forecast)
    {
        var cached = forecast.Steps.Sum(s => s.Cached);
        var runs = forecast.Size - cached;
        var time = (runs, forecast.Seconds, forecast.IsPart) switch
        {
            (0, _, _) => "nothing is left to compute",
            (_, null, _) => "how long they take is not known: no execution of these stages was computed here yet",
            (_, { } seconds, false) => $"about {Duration(seconds)} on one worker",
            (_, { } seconds, true) => $"about {Duration(seconds)} on one worker without {string.Join(", ", forecast.Steps.Where(s => s.Cached < s.Executions && s.Seconds is null).Select(s => s.Stage).Distinct())}, of which no time is known",
        };
        return $"{Figures.Count(forecast.Size)} executions: {Figures.Count(cached)} cached, {Figures.Count(runs)} to run; {time}";
    }

    private static IRenderable Stages(SweepForecast forecast, List<(string Name, string Title, MetricFormat Format)> sizes)
    {
        var table = new TextTable(
            ["stage", new TextColumn("all", IsRight: true), new TextColumn("cached", IsRight: true), new TextColumn("run", IsRight: true), .. sizes.Select(s => new TextColumn(s.Title, IsRight: true)), new TextColumn("time", IsRight: true)]);
        foreach (var step in forecast.Steps)
        {
            table.Add([
                step.Stage, Figures.Count(step.Executions), Figures.Count(step.Cached), Figures.Count(step.Executions - step.Cached),
                .. sizes.Select(s => Size(step.Sizes, s.Name, s.Format)), Time(step.Seconds, step.Executions - step.Cached)]);
        }

        return table.Content;
    }

    private static IRenderable Tree(SweepForecast forecast, List<(string Name, string Title, MetricFormat Format)> sizes, int most)
    {
        var listed = forecast.Executions.Take(most).ToList();
        var labels = ExecutionTable.TreeLabels(listed.ConvertAll(Status));
        var table = new TextTable([new TextColumn("#", IsRight: true), "stage", "", .. sizes.Select(s => new TextColumn(s.Title, IsRight: true)), new TextColumn("time", IsRight: true)]);
        foreach (var execution in listed)
        {
            table.Add([
                new Text($"{execution.Index}"), new Text(labels[execution.Index]), new Markup(execution.IsCached ? "[teal]cached[/]" : "runs"),
                .. sizes.Select(s => new Text(Size(execution.Sizes, s.Name, s.Format))), new Text(Time(execution.Seconds, execution.IsCached ? 0 : 1))]);
        }

        return table.Content;
    }

    private static string Time(double? seconds, int runs) => runs == 0 ? "" : seconds is { } known ? Duration(known) : "?";

    // Below some seconds minutes say nothing.
    private static string Duration(double seconds) => seconds < FewSeconds ? Figures.Seconds(seconds) : Figures.Time(seconds);

    private static string Size(IReadOnlyDictionary<string, SizeRange> sizes, string name, MetricFormat format)
    {
        if (!sizes.TryGetValue(name, out var size)) return "";
        var (least, most) = (Figures.Of(size.Least, format), Figures.Of(size.Most, format));
        // The ends of a range are bounds: three digits say as much, and leave room for names.
        return least == most ? least : Rounded(size.Least, format) + Range + Rounded(size.Most, format);
    }

    private static string Rounded(double value, MetricFormat format) => (format, value) switch
    {
        (MetricFormat.Count, >= 999_500) => Digits(value / 1e6) + "M",
        (MetricFormat.Count, >= 999.5) => Digits(value / 1e3) + "k",
        (MetricFormat.Bytes, _) => Digits(value / 1024),
        _ => Figures.Of(value, format),
    };

    private static string Digits(double value) => value.ToString(value >= 99.95 ? "0" : value >= 9.995 ? "0.0" : "0.00", CultureInfo.InvariantCulture);

    private static string Words(KeyDifference difference) => $"{difference.Part} ({Short(difference, difference.Before)} -> {Short(difference, difference.Now)})";

    private static string Short(KeyDifference difference, string value) => StoredModel.IsDigest(value) || difference.Part == "fingerprint" ? Figures.Digest(value) : StoredModel.Shown(value);

    private static string Sweep(EarlierExecution earlier) => $"{earlier.SweepName} ({earlier.Sweep.ToString()[..IdCharacters]})";

    private static ExecutionStatus Status(ExecutionForecast e) => new(
        e.Index, e.Parent, e.Stage, e.Model, e.Dataset, e.Seed, e.Parameters, e.Varied, e.IsCached ? ExecutionState.Cached : ExecutionState.Waiting, e.Key, null, null, null,
        new Dictionary<string, double>(), e.Seconds, null);
}
