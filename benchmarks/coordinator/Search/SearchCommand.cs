using System.Globalization;
using System.Text.Json;
using Lathe.Coordinator;

namespace Lathe.Benchmarks.Coordinator;

/// <summary>Strategies of searches beside those of Optuna on the same problems: the volume that the trials dominate (benchmarks/search/search.sh).</summary>
internal static class SearchCommand
{
    private static readonly int[] After = [20, 50, 100, 200];
    private static readonly string[] Strategies = ["random", "nsga2", "tpe"];

    /// <param name="args">File of Optuna's runs, number of seeds, files of tables.</param>
    public static void Run(string[] args)
    {
        var (theirs, seeds) = (args[0], int.Parse(args[1], CultureInfo.InvariantCulture));
        var problems = SearchProblem.Zdt.Concat(args.Skip(2).Select(SearchProblem.Read)).ToList();
        var runs = problems.SelectMany(p => Strategies.SelectMany(s => Enumerable.Range(1, seeds).Select(seed => (Problem: p, Strategy: s, Seed: seed)))).ToList();
        var ours = runs.AsParallel().AsOrdered().Select(r => (r.Problem.Name, r.Strategy, Losses: Losses(r.Problem, r.Strategy, r.Seed))).ToList();
        var all = ours.Concat(File.Exists(theirs) ? Read(theirs, seeds) : []).ToList();
        Console.WriteLine($"| problem | strategy | {string.Join(" | ", After.Select(n => $"after {n}"))} |");
        Console.WriteLine($"|---|---|{string.Concat(After.Select(_ => "---|"))}");
        foreach (var problem in problems)
        {
            foreach (var way in Strategies.SelectMany(s => (string[])[s, $"optuna {s}"]))
            {
                var its = all.Where(r => (r.Name, r.Strategy) == (problem.Name, way)).ToList();
                if (its.Count == 0) continue;
                Console.WriteLine($"| {problem.Name} | {way} | {string.Join(" | ", After.Select(n => Cell([.. its.Select(r => Volume(problem, r.Losses, n))])))} |");
            }
        }
    }

    private static List<double[]> Losses(SearchProblem problem, string strategy, int seed)
    {
        var history = new List<SearchTrial>();
        while (history.Count < After[^1] && SearchStrategies.Next(strategy, problem.Space, history, seed, 1) is [var point])
            history.Add(new SearchTrial(point, TrialState.Done, problem.Losses(point)));
        return history.ConvertAll(t => t.Losses.ToArray());
    }

    private static IEnumerable<(string Name, string Strategy, List<double[]> Losses)> Read(string file, int seeds)
    {
        using var runs = JsonDocument.Parse(File.ReadAllText(file));
        foreach (var run in runs.RootElement.GetProperty("runs").EnumerateArray())
        {
            if (run.GetProperty("seed").GetInt32() > seeds) continue;
            yield return (run.GetProperty("problem").GetString()!, run.GetProperty("strategy").GetString()!, [.. run.GetProperty("losses").EnumerateArray().Select(l => l.Deserialize<double[]>()!)]);
        }
    }

    /// <summary>The volume; of a table the share of the volume of all its rows.</summary>
    private static double Volume(SearchProblem problem, List<double[]> losses, int trials) => Hypervolume.Of([.. losses.Take(trials)], problem.Reference) / (problem.Best ?? 1);

    /// <summary>Mean with its standard error.</summary>
    private static string Cell(List<double> values)
    {
        var mean = values.Average();
        var error = values.Count < 2 ? 0 : Math.Sqrt(values.Sum(v => (v - mean) * (v - mean)) / (values.Count - 1) / values.Count);
        return string.Create(CultureInfo.InvariantCulture, $"{mean:0.0000} ± {error:0.0000}");
    }
}
