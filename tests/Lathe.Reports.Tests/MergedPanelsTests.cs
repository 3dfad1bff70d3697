using Lathe.Contracts;
using Lathe.Contracts.Panels;
using Lathe.Reports.Drawings;
using Lathe.Reports.Results;

namespace Lathe.Reports.Tests;

public sealed class MergedPanelsTests
{
    [Fact]
    public void Lines_of_executions_share_charts_of_as_many_as_can_be_told_apart()
    {
        var merged = MergedPanels.Of([.. Enumerable.Range(1, 11).Select(n => (Execution(n), (Panel)Chart(n % 2 == 0 ? "" : "own")))]).Cast<LineChart>().ToList();
        Assert.Equal([Looks.Series, 3], merged.Select(c => c.Lines.Count));
        Assert.Equal(["run 1: own", "run 2"], merged[0].Lines.Take(2).Select(l => l.Name));
    }

    [Fact]
    public void Tables_with_keys_are_joined_row_by_row()
    {
        var merged = Assert.IsType<TablePanel>(Assert.Single(MergedPanels.Of(
            [(Execution(1), Table(1, ["a", 10, 0.5], ["b", 20, 0.6])), (Execution(2), Table(1, ["b", 20, 0.7], ["c", 30, 0.8]))])));
        Assert.Equal(["class", "1: images", "1: right", "2: images", "2: right"], merged.Columns.Select(c => c.Title));
        Assert.Equal(
            [["a", "10", "50.00", "-", "-"], ["b", "20", "60.00", "20", "70.00"], ["c", "-", "-", "30", "80.00"]],
            merged.Rows.Select((_, row) => Enumerable.Range(0, 5).Select(column => TableCells.Text(merged, row, column)).ToArray()));
    }

    [Fact]
    public void Tables_without_keys_stand_below_one_another_with_the_names_of_their_executions()
    {
        var merged = Assert.IsType<TablePanel>(Assert.Single(MergedPanels.Of([(Execution(1), Table(0, ["a", 10, 0.5])), (Execution(2), Table(0, ["b", 20, 0.7]))])));
        Assert.Equal(["", "class", "images", "right"], merged.Columns.Select(c => c.Title));
        Assert.Equal(["run 1", "run 2"], merged.Rows.Select(r => r[0].Text));
    }

    [Fact]
    public void What_compares_executions_frames_what_is_of_one_alone()
    {
        Panel[] panels =
        [
            Chart("") with { Id = "first", Merges = true }, new BarChart("bars", "Bars", "", ["a"], [new BarSeries("", [1])]),
            new RidgeChart("ridges", "Ridges", "", 0, 1, [new Ridge("", [1])]), Chart("") with { Id = "last", Merges = true },
        ];
        var report = new SweepReport(Sweeps.Status, Sweeps.Results, [Execution(1) with { Panels = panels }, Execution(2) with { Panels = panels }]);
        var section = Assert.Single(PanelSection.Of(report));
        Assert.Equal("Grow", section.Title);
        Assert.Equal(["grow-first", "grow-bars", "grow-bars-2", "grow-ridges", "grow-ridges-2", "grow-last"], section.Panels.Select(p => p.File));
        Assert.Equal("Bars, run 2", section.Panels[2].Title);
    }

    [Fact]
    public void Measured_results_are_compared_in_their_order_and_all_but_the_best_are_details()
    {
        Panel[] panels = [Table(1, ["a", 10, 0.5]) with { Merges = true }, new HeatMap("heat", "Heat", "", "", ["a"], ["a"], [[1]])];
        var leaves = Sweeps.Leaves.Take(3).Select((leaf, i) => Sweeps.Yielding(leaf, i == 1 ? 0.95 : 0.9)).ToList();
        var report = SweepReport.Of(Sweeps.Status, ShownResults.Of(new SweepResults(Sweeps.Metrics, leaves)), _ => null, (_, _) => panels);
        var shown = PanelSection.Of(report).SelectMany(s => s.Panels).ToList();
        Assert.Equal(["class", "1: images", "1: right", "2: images", "2: right", "3: images", "3: right"], ((TablePanel)shown[0].Panel).Columns.Select(c => c.Title));
        Assert.Equal([false, true, false, true], shown.Select(p => p.FoldedUnder is not null));
    }

    private static ReportedExecution Execution(int n) => new("grow", $"run {n}", $"{n}", false, null, []);

    private static LineChart Chart(string name) => new("a", "a", new AxisInfo("x"), new AxisInfo("y"), [new Line(name, [1, 2], [1, 2])]);

    private static TablePanel Table(int keys, params IReadOnlyList<TableCell>[] rows) => new(
        "a", "a", [new TableColumn("class", IsText: true), new TableColumn("images", MetricFormat.Count), new TableColumn("right", MetricFormat.Percent)], rows) { Keys = keys };
}
