using Lathe.Contracts;
using Lathe.Contracts.Panels;

namespace Lathe.Reports.Results;

/// <summary>Results in planes of what is wanted against what it costs.</summary>
public static class CostCharts
{
    private const int DenseGroup = 0;
    private const int FloatGroup = 1;

    /// <summary>One chart for each cost that results have.</summary>
    public static IReadOnlyList<ScatterChart> Of(ShownResults results) =>
        results.Goal is not { } goal ? [] : [.. results.Costs.Select(cost => Of(results, goal, cost)).OfType<ScatterChart>()];

    private static ScatterChart? Of(ShownResults results, ResultColumn goal, ResultColumn cost)
    {
        var known = results.Leaves.Index().Where(l => goal.Value(l.Item) is not null && cost.Value(l.Item) > 0).ToList();
        if (known.Count == 0) return null;
        var front = ParetoFront.Of([.. known.Select(l => (cost.Value(l.Item)!.Value, goal.Value(l.Item)!.Value))]);
        var bits = results.Columns.FirstOrDefault(c => c.Metric.Format == MetricFormat.Bits);
        var widths = known.Select(l => bits?.Value(l.Item)).OfType<double>().Distinct().Order().ToList();
        var scale = goal.Metric.Format == MetricFormat.Percent ? 100 : 1;
        var points = known.Select((l, i) => new ScatterPoint(
            cost.Value(l.Item)!.Value, scale * goal.Value(l.Item)!.Value, results.Name(l.Index), $"{l.Index + 1}", front.Contains(i), Group(l.Item))
        {
            Low = scale * goal.Low(l.Item), High = scale * goal.High(l.Item),
        });
        return new ScatterChart(
            $"{goal.Metric.Name}-{cost.Metric.Name}", Words.Capital($"{goal.Metric.Title} against {cost.LongTitle}"), new AxisInfo(cost.LongTitle, AxisScale.Logarithmic), new AxisInfo(goal.LongTitle),
            [.. points])
        {
            Groups = ["dense", bits is null ? "not dense" : "float", .. widths.Select(w => $"{Figures.Bits(w)} {bits!.Metric.Title}")],
            FrontName = "Pareto front: no other beats it in both",
            IntervalName = $"95% interval of {goal.Metric.Title}",
        };

        int Group(LeafResult leaf) => ShownResults.IsDense(leaf) ? DenseGroup : bits?.Value(leaf) is { } width ? FloatGroup + 1 + widths.IndexOf(width) : FloatGroup;
    }
}
