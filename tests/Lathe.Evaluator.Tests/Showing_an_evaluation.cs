using Lathe.Contracts.Panels;
using Lathe.NN.Training;

namespace Lathe.Evaluator.Tests;

public sealed class Showing_an_evaluation
{
    private static readonly IReadOnlyDictionary<string, double> None = new Dictionary<string, double>();

    [Fact]
    public void Classes_have_the_names_that_their_data_set_gives_them()
    {
        var record = new EvaluationRecord([100, 200], [90, 150], [new Mistake(1, 0, 50)], [[90, 10], [50, 150]]);
        Assert.Equal(["T-shirt/top", "Trouser"], Confusion("fashion-mnist").Rows);
        Assert.Equal(["0", "1"], Confusion("own").Rows);
        Assert.Equal("80.00% right.", Confusion("own").Caption);

        HeatMap Confusion(string dataset) => EvaluatePanels.Of(record, None, dataset).OfType<HeatMap>().Single();
    }

    [Fact]
    public void Of_very_many_classes_the_worst_are_shown()
    {
        int[] images = [.. Enumerable.Repeat(10, 150)], right = [.. Enumerable.Range(0, 150).Select(c => c == 77 ? 1 : 9)];
        var panels = EvaluatePanels.Of(new EvaluationRecord(images, right, [new Mistake(77, 3, 9)], null), None, "own");
        var details = panels.OfType<TablePanel>().Single(p => p.Id == "class-details");
        Assert.Equal(24, details.Rows.Count);
        Assert.Equal(["77", "10", "0.1", "3 (9)"], details.Rows[0].Select(c => c.Text ?? FormattableString.Invariant($"{c.Number}")));
        Assert.Contains("24 of 150", details.Caption, StringComparison.Ordinal);
        Assert.DoesNotContain(panels, p => p is HeatMap);
    }

    [Fact]
    public void Times_are_told_with_what_they_are_a_part_of()
    {
        var metrics = new Dictionary<string, double> { ["latencyThreads"] = 2, ["multiplicationsRatio"] = 0.489519 };
        foreach (var (name, median) in (ReadOnlySpan<(string, double)>)[("latency1Dense", 0.4), ("latency1", 0.39), ("latency1FixedPoint", 0.1), ("latency32Dense", 12.5), ("latency32", 6.25)])
            (metrics[name], metrics[$"{name}Low"], metrics[$"{name}High"]) = (median, median * 0.9, median * 1.1);
        (metrics["speedup1"], metrics["speedup1FixedPoint"], metrics["speedup32"]) = (0.4 / 0.39, 4, 2);

        var table = Assert.IsType<TablePanel>(Assert.Single(EvaluatePanels.Of(null, metrics, "own")));

        var rows = table.Rows.Select(row => string.Join('|', row.Select(c => c.Text))).ToList();
        Assert.Equal("1|dense, ONNX Runtime float32|0.400|0.360 to 0.440|", rows[0]);
        Assert.Equal("1|this, Lathe's fixed-point engine|0.100|0.090 to 0.110|4.00x", rows[2]);
        Assert.Equal("32|dense, ONNX Runtime float32|12.5|11.3 to 13.8|", rows[3]);
        Assert.EndsWith(
            "No faster: 0.49 of the multiplications, but a batch of 1 takes 0.98 of the dense network's time in ONNX Runtime.", table.Caption, StringComparison.Ordinal);
    }
}
