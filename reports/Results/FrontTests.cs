using Lathe.Contracts;

namespace Lathe.Reports.Results;

/// <summary>
/// What a report of a search shows of figures that were measured on test images: those of the front alone. Who could see all of them might choose by them, and they are to decide nothing.
/// </summary>
public static class FrontTests
{
    /// <summary>The results without test figures, but for those that no other result dominates in the objectives of the search.</summary>
    /// <param name="results">Of one sweep.</param>
    /// <param name="objectives">Of its search.</param>
    /// <returns>And the number of results on the front.</returns>
    public static (SweepResults Results, int Front) Of(SweepResults results, IReadOnlyList<SearchObjective> objectives)
    {
        var losses = results.Leaves.Select(leaf => Losses(leaf, objectives)).ToList();
        var isOnFront = losses.ConvertAll(own => own is not null && !losses.Exists(other => other is not null && Dominates(other, own)));
        var tests = results.Metrics.Where(m => m.Split == DataSplit.Test)
            .SelectMany(m => new[] { m.Name, m.DenseName, m.RatioName, m.LowName, m.HighName, LeafResult.RatioOf(m.Name) }).OfType<string>().ToHashSet();
        return (results with { Leaves = [.. results.Leaves.Zip(isOnFront, (leaf, isShown) => isShown ? leaf : Without(leaf, tests))] }, isOnFront.Count(on => on));
    }

    /// <summary>Its figures as losses, of which less is better; null: it has not all of them.</summary>
    private static List<double>? Losses(LeafResult leaf, IReadOnlyList<SearchObjective> objectives)
    {
        var losses = new List<double>();
        foreach (var objective in objectives)
        {
            var name = objective.Maximize ?? objective.Minimize ?? "";
            // As the search takes it: the last stage on the way that measured the figure has the say.
            if ((leaf.Stages.LastOrDefault(s => s.Metrics.ContainsKey(name))?.Metrics[name] ?? leaf.Figure(name)) is not { } value) return null;
            losses.Add(objective.Maximize is null ? value : -value);
        }

        return ResultColumn.IsDone(leaf) ? losses : null;
    }

    private static bool Dominates(List<double> a, List<double> b) => a.Zip(b).All(f => f.First <= f.Second) && a.Zip(b).Any(f => f.First < f.Second);

    private static LeafResult Without(LeafResult leaf, HashSet<string> tests) => leaf with
    {
        Members = leaf.Members.Where(m => !tests.Contains(m.Key)).ToDictionary(m => m.Key, m => m.Value),
        Stages =
        [
            .. leaf.Stages.Select(s => !s.Metrics.Keys.Any(tests.Contains) ? s : s with
            {
                Metrics = s.Metrics.Where(m => !tests.Contains(m.Key)).ToDictionary(m => m.Key, m => m.Value),
                // Its pictures are of the same images.
                Panels = [],
            }),
        ],
    };
}
