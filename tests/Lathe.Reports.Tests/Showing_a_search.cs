using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Panels;
using Lathe.Reports.Results;

namespace Lathe.Reports.Tests;

public sealed class Showing_a_search
{
    private static readonly IReadOnlyList<MetricDescriptor> Metrics =
    [
        new("held", "held out", "%", MetricFormat.Percent, Better.Higher) { Split = DataSplit.Validation },
        new("size", "size", "", MetricFormat.Count, Better.Lower, IsColumn: true),
        new("top1", "top-1", "%", MetricFormat.Percent, Better.Higher, IsColumn: true, DenseName: "top1Dense") { Split = DataSplit.Test, LowName = "top1Low" },
    ];

    [Fact]
    public void Only_what_no_other_result_dominates_shows_what_was_measured_on_test_images()
    {
        SweepResults all = new(Metrics, [Leaf(0.9, 10, 0.5), Leaf(0.8, 20, 0.99), Leaf(0.8, 5, 0.6), Leaf(null, 1, 0.7)]);
        var (shown, front) = FrontTests.Of(all, [new SearchObjective(Maximize: "held"), new SearchObjective(Minimize: "size")]);

        Assert.Equal(2, front);
        Assert.Equal([0.5, null, 0.6, null], shown.Leaves.Select(l => l.Figure("top1")));
        Assert.Equal([true, false, true, false], shown.Leaves.Select(l => l.Stages[^1].Metrics.ContainsKey("top1")));
        Assert.Equal([true, false, true, false], shown.Leaves.Select(l => l.Stages[^1].Metrics.ContainsKey("top1Low")));
        // Their pictures are of test images too; what is no test figure stays.
        Assert.Equal([1, 0, 1, 0], shown.Leaves.Select(l => l.Stages[^1].Panels!.Count));
        Assert.All(shown.Leaves, l => Assert.NotNull(l.Figure("size")));
        Assert.Equal(2, ShownResults.Of(shown).Best);
    }

    private static LeafResult Leaf(double? held, double size, double top1)
    {
        var parameters = JsonSerializer.SerializeToElement(new { });
        var made = new Dictionary<string, double> { ["size"] = size };
        if (held is { } value) made["held"] = value;
        var measured = new Dictionary<string, double> { ["size"] = size, ["top1"] = top1, ["top1Low"] = top1 - 0.1, ["top1Dense"] = 0.9 };
        return new LeafResult("net", "apples", 1, ExecutionState.Completed,
        [
            new StageResult("cut", parameters, "a", null, 1, false, made),
            new StageResult("weigh", parameters, "b", null, 1, false, measured, true, null, [new BarChart("widths", "Widths", "channels", ["a"], [new BarSeries("before", [16])])]),
        ]).With(measured.Select(m => KeyValuePair.Create(m.Key, (double?)m.Value)));
    }
}
