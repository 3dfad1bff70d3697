using System.Text.Json;
using Lathe.Contracts;

namespace Lathe.Coordinator;

/// <summary>Chooses the results that a person looks at first.</summary>
internal static class BestLeaves
{
    /// <summary>
    /// Leaves on a front of the goal against a cost, best first and from everywhere on the fronts: the goal is the first column of which more is better, a cost any column of which less is.
    /// Without a goal, those of least cost; without metrics that judge, the first ones.
    /// </summary>
    /// <param name="leaves">Index of each leaf that is done, and the JSON of what it measured.</param>
    /// <param name="metrics">What the sweep's stages measure, by rank.</param>
    /// <param name="limit">The most that are listed.</param>
    /// <returns>Indices of the listed ones, and how many are on a front.</returns>
    public static (IReadOnlyList<int> Listed, int Fronts) Of(IReadOnlyList<(int Index, string? Metrics)> leaves, IReadOnlyList<MetricDescriptor> metrics, int limit)
    {
        var columns = metrics.Where(m => m.IsColumn && m.Better != Better.Neither).ToList();
        var figures = leaves.Select(l => Read(l.Metrics, columns)).ToList();
        var goal = columns.FindIndex(c => c.Better == Better.Higher);
        var costs = Enumerable.Range(0, columns.Count).Where(c => columns[c].Better == Better.Lower).ToList();
        var best = new HashSet<int>();
        foreach (var cost in costs)
        {
            var known = Enumerable.Range(0, leaves.Count).Where(i => figures[i][cost] > 0 && (goal < 0 || !double.IsNaN(figures[i][goal]))).ToList();
            var front = ParetoFront.Of([.. known.Select(i => (figures[i][cost], goal < 0 ? 0 : figures[i][goal]))]);
            best.UnionWith(front.Select(i => known[i]));
        }

        // Where nothing costs, the best ones are those that reach most.
        if (costs.Count == 0) best.UnionWith(Enumerable.Range(0, leaves.Count));
        var ordered = (goal < 0 ? best.Order() : best.OrderByDescending(i => figures[i][goal]).ThenBy(i => i)).Select(i => leaves[i].Index).ToList();
        return (Spread(ordered, limit), best.Count);
    }

    /// <summary>Of more than fit, some from everywhere on the front, both ends included: the best alone would all cost the most.</summary>
    private static List<int> Spread(List<int> ordered, int limit) => ordered.Count <= limit ? ordered : limit == 1 ? ordered[..1]
        : [.. Enumerable.Range(0, limit).Select(i => ordered[(int)((long)i * (ordered.Count - 1) / (limit - 1))])];

    /// <summary>The values of some metrics; NaN where one was not measured.</summary>
    private static double[] Read(string? json, List<MetricDescriptor> columns)
    {
        var values = new double[columns.Count];
        Array.Fill(values, double.NaN);
        if (json is null) return values;
        var reader = new Utf8JsonReader(System.Text.Encoding.UTF8.GetBytes(json));
        while (reader.Read())
        {
            if (reader.TokenType != JsonTokenType.PropertyName) continue;
            var column = -1;
            for (var i = 0; column < 0 && i < columns.Count; i++)
            {
                if (reader.ValueTextEquals(columns[i].Name)) column = i;
            }

            if (reader.Read() && column >= 0 && reader.TokenType == JsonTokenType.Number) values[column] = reader.GetDouble();
        }

        return values;
    }
}
