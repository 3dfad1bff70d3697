using System.Globalization;
using System.Text.Json;
using Lathe.Coordinator;

namespace Lathe.Benchmarks.Coordinator;

/// <summary>A problem with two objectives whose losses take no time to compute.</summary>
/// <param name="Name">For the table of figures.</param>
/// <param name="Space">What is chosen.</param>
/// <param name="Losses">Of a point; less is better.</param>
/// <param name="Reference">Up to where volumes count.</param>
/// <param name="Best">Volume of the whole front; null: it has no end.</param>
internal sealed record SearchProblem(string Name, SearchSpace Space, Func<IReadOnlyList<double>, double[]> Losses, double[] Reference, double? Best)
{
    /// <summary>Executions of a point with their seconds; null: nothing is computed.</summary>
    public Func<IReadOnlyList<double>, IReadOnlyDictionary<int, double>>? Seconds { get; private init; }

    /// <summary>Seconds of all executions of the whole grid.</summary>
    public double GridSeconds { get; private init; }

    private const int Variables = 5;

    // Between the losses of a middling first trial and those of the front.
    private static readonly double[] ZdtReference = [1.1, 6];

    /// <summary>ZDT1, ZDT2 and ZDT3 of Zitzler, Deb and Thiele (2000), with 5 variables.</summary>
    public static IEnumerable<SearchProblem> Zdt { get; } =
    [
        Of("zdt1", (first, g) => g * (1 - Math.Sqrt(first / g))),
        Of("zdt2", (first, g) => g * (1 - (first / g * (first / g)))),
        Of("zdt3", (first, g) => g * (1 - Math.Sqrt(first / g) - (first / g * Math.Sin(10 * Math.PI * first)))),
    ];

    /// <summary>A table of a finished sweep: a row for each point of its grid.</summary>
    public static SearchProblem Read(string file)
    {
        using var table = JsonDocument.Parse(File.ReadAllText(file));
        var axes = table.RootElement.GetProperty("axes").EnumerateArray().Select(a => new SearchDimension(a.GetProperty("values").GetArrayLength(), a.GetProperty("isOrdered").GetBoolean())).ToList();
        // Stages in the order in which axes name them, behind the first one; a row names their executions in the same order.
        var stages = table.RootElement.GetProperty("axes").EnumerateArray().Select(a => a.GetProperty("name").GetString()!.Split('.')[0]).ToList();
        var order = stages.Distinct().Prepend(First).Distinct().ToList();
        var costs = table.RootElement.GetProperty("rows").EnumerateArray().SelectMany(r => r.GetProperty("executions").EnumerateObject().Index()).GroupBy(e => e.Index)
            .OrderBy(g => g.Key).Select(g => g.DistinctBy(e => e.Item.Name).Average(e => e.Item.Value.GetDouble())).ToList();
        axes = axes.Zip(stages, (axis, stage) => axis with { Stage = order.IndexOf(stage) }).ToList();
        var space = new SearchSpace(axes) { StageCosts = costs };
        var rows = new Dictionary<long, double[]>();
        var seconds = new Dictionary<long, IReadOnlyDictionary<int, double>>();
        foreach (var row in table.RootElement.GetProperty("rows").EnumerateArray())
        {
            var levels = row.GetProperty("levels").EnumerateArray().Select((level, d) => axes[d].At(level.GetInt32())).ToList();
            seconds.Add(space.NumberOf(levels), row.GetProperty("executions").EnumerateObject().ToDictionary(e => int.Parse(e.Name, CultureInfo.InvariantCulture), e => e.Value.GetDouble()));
            rows.Add(space.NumberOf(levels), [.. row.GetProperty("losses").EnumerateArray().Select(l => l.GetDouble())]);
        }

        // A tenth of the range beyond the worst.
        double[] reference = [.. Enumerable.Range(0, 2).Select(o => rows.Values.Max(r => r[o]) + (0.1 * (rows.Values.Max(r => r[o]) - rows.Values.Min(r => r[o]))))];
        return new SearchProblem(Path.GetFileNameWithoutExtension(file), space, point => rows[space.NumberOf(point)], reference, Hypervolume.Of([.. rows.Values], reference))
        {
            Seconds = point => seconds[space.NumberOf(point)], GridSeconds = seconds.Values.SelectMany(e => e).DistinctBy(e => e.Key).Sum(e => e.Value),
        };
    }

    private const string First = "train";

    private static SearchProblem Of(string name, Func<double, double, double> second) => new(
        name, new SearchSpace([.. Enumerable.Repeat(SearchDimension.Continuous, Variables)]),
        x => [x[0], second(x[0], 1 + (9 * x.Skip(1).Sum() / (x.Count - 1)))], ZdtReference, null);
}
