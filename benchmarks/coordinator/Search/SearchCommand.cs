using System.Globalization;
using System.Text.Json;
using Lathe.Coordinator;

namespace Lathe.Benchmarks.Coordinator;

/// <summary>Strategies of searches beside those of Optuna on the same problems: the volume that the trials dominate (benchmarks/search/search.sh).</summary>
internal static class SearchCommand
{
    private static readonly int[] After = [50, 100, 200];
    private static readonly double[] Shares = [0.1, 0.2, 0.4, 0.6];
    private static readonly string[] Strategies = ["random", "nsga2", "tpe"];

    /// <param name="args">Folder of Optuna's runs, number of seeds, files of tables.</param>
    public static void Run(string[] args)
    {
        var (theirs, seeds) = (args[0], int.Parse(args[1], CultureInfo.InvariantCulture));
        var problems = SearchProblem.Zdt.Concat(args.Skip(2).Select(SearchProblem.Read)).ToList();
        var runs = problems.SelectMany(p => Strategies.SelectMany(s => Enumerable.Range(1, seeds).Select(seed => (Problem: p, Strategy: s, Seed: seed)))).ToList();
        var ours = runs.AsParallel().AsOrdered().Select(r => Trials(r.Problem, r.Strategy, r.Seed)).ToList();
        var all = ours.Concat(Read(theirs, seeds, problems)).ToLookup(r => (r.Problem, r.Strategy));
        Console.WriteLine($"| problem | strategy | seeds | {string.Join(" | ", After.Select(n => $"after {n}"))} |");
        Console.WriteLine($"|---|---|---|{string.Concat(After.Select(_ => "---|"))}");
        foreach (var problem in problems)
        {
            foreach (var way in Ways())
            {
                if (all[(problem.Name, way)].ToList() is { Count: > 0 } its)
                    Console.WriteLine($"| {problem.Name} | {way} | {its.Count} | {string.Join(" | ", After.Select(n => Cell([.. its.Select(r => Volume(problem, r.Losses.Take(n)))])))} |");
            }
        }

        Console.WriteLine();
        Console.WriteLine($"| table | strategy | {string.Join(" | ", Shares.Select(s => $"after {s * 100:0}% of the grid's seconds"))} |");
        Console.WriteLine($"|---|---|{string.Concat(Shares.Select(_ => "---|"))}");
        foreach (var problem in problems.Where(p => p.Seconds is not null))
        {
            foreach (var way in Ways())
            {
                var its = all[(problem.Name, way)].ToList();
                if (its.Count == 0) continue;
                Print(way, isShared: true);
                // A tuner that knows nothing of stages computes all of them in every trial, and a point that it chose before once more.
                if (way.StartsWith("optuna", StringComparison.Ordinal)) Print($"{way}, nothing shared", isShared: false);

                void Print(string shown, bool isShared) => Console.WriteLine(
                    $"| {problem.Name} | {shown} | {string.Join(" | ", Shares.Select(s => Cell([.. its.Select(r => Volume(problem, r.Losses.Take(Within(problem, r, s, isShared))))])))} |");
            }
        }
    }

    private static IEnumerable<string> Ways() => Strategies.SelectMany(s => (string[])[s, $"optuna {s}"]);

    private static RunOfTrials Trials(SearchProblem problem, string strategy, int seed)
    {
        var history = new List<SearchTrial>();
        while (history.Count < After[^1] && SearchStrategies.Next(strategy, problem.Space, history, seed, 1) is [var point])
            history.Add(new SearchTrial(point, TrialState.Done, problem.Losses(point)));
        return new RunOfTrials(problem.Name, strategy, [.. history.Select(t => t.Point.ToArray())], [.. history.Select(t => t.Losses.ToArray())]);
    }

    private static IEnumerable<RunOfTrials> Read(string folder, int seeds, List<SearchProblem> problems)
    {
        foreach (var file in Directory.Exists(folder) ? Directory.GetFiles(folder, "*.json").Order(StringComparer.Ordinal).ToArray() : [])
        {
            using var document = JsonDocument.Parse(File.ReadAllText(file));
            var run = document.RootElement;
            if (run.GetProperty("seed").GetInt32() > seeds || problems.Find(p => p.Name == run.GetProperty("problem").GetString()) is not { } problem) continue;
            // Of a table the file has the levels.
            yield return new RunOfTrials(
                problem.Name, run.GetProperty("strategy").GetString()!,
                [.. run.GetProperty("points").EnumerateArray().Select(p => p.EnumerateArray().Select((v, d) => problem.Space.Dimensions[d] is { Levels: > 0 } axis ? axis.At(v.GetInt32()) : v.GetDouble()).ToArray())],
                [.. run.GetProperty("losses").EnumerateArray().Select(l => l.Deserialize<double[]>()!)]);
        }
    }

    /// <summary>How many of the first trials can be paid with a share of the seconds of the whole grid.</summary>
    private static int Within(SearchProblem problem, RunOfTrials run, double share, bool isShared)
    {
        var (done, left) = (new HashSet<int>(), share * problem.GridSeconds);
        for (var n = 0; n < run.Points.Count; n++)
        {
            foreach (var (execution, seconds) in problem.Seconds!(run.Points[n]))
            {
                if (done.Add(execution) || !isShared) left -= seconds;
            }

            if (left < 0) return n;
        }

        return run.Points.Count;
    }

    /// <summary>The volume; of a table the share of the volume of all its rows.</summary>
    private static double Volume(SearchProblem problem, IEnumerable<double[]> losses) => Hypervolume.Of([.. losses], problem.Reference) / (problem.Best ?? 1);

    /// <summary>Mean with its standard error.</summary>
    private static string Cell(List<double> values)
    {
        var mean = values.Average();
        var error = values.Count < 2 ? 0 : Math.Sqrt(values.Sum(v => (v - mean) * (v - mean)) / (values.Count - 1) / values.Count);
        return string.Create(CultureInfo.InvariantCulture, $"{mean:0.0000} ± {error:0.0000}");
    }

    private sealed record RunOfTrials(string Problem, string Strategy, IReadOnlyList<double[]> Points, IReadOnlyList<double[]> Losses);
}
