using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Panels;
using Lathe.Graph.Checkpoints;

namespace Lathe.Pruner.Tests;

public sealed class Showing_a_pruning
{
    private static readonly PruningRecord Record = new(
        [new PrunedLayer("features.0", 16, 8, 400, 200, 300_000, 150_000)],
        [new SizePoint(0.5, 200_000, 3e6, null, 1.5e6, 3, 1), new SizePoint(1, 100_000, 1.5e6, null, 1.5e6, 2, 2)]);

    [Fact]
    public void Sizes_are_shares_of_the_input_networks_with_their_targets_and_the_choice_of_channels()
    {
        var path = Panels("hfp", ("parameters", 100_000), ("parametersRatio", 0.5), ("multiplications", 1.5e6), ("multiplicationsRatio", 0.5)).OfType<LineChart>().Single();
        Assert.Equal(["parameters", "multiplications", "target of multiplications"], path.Lines.Select(l => l.Name));
        Assert.Equal([[1, 0.5], [1, 0.5], [0.5, 0.5]], path.Lines.Select(l => l.Y.Select(y => y!.Value).ToArray()));
        Assert.Equal(("channels chosen", 0.75), (path.Mark!.Text, path.Mark.X));
        Assert.Null(Panels("weight").OfType<LineChart>().Single().Mark);
    }

    [Fact]
    public void What_the_exact_finish_did_is_told_where_it_is_known()
    {
        Assert.EndsWith(
            "the exact finish closed 1 and reopened 12.", Panels("hfp", ("gatesClosedByFinish", 1), ("gatesReopenedByFinish", 12)).OfType<LineChart>().Single().Caption, StringComparison.Ordinal);
        Assert.DoesNotContain("finish", Panels("hfp").OfType<LineChart>().Single().Caption, StringComparison.Ordinal);
    }

    [Fact]
    public void Gates_are_counted_from_the_start() =>
        Assert.Equal([(3, 1), (5, 3)], Panels("hfp").OfType<TablePanel>().Single(p => p.Id == "course").Rows.Select(r => ((int)r[5].Number!, (int)r[6].Number!)));

    [Fact]
    public void Every_chart_of_layers_has_a_table_of_its_figures()
    {
        var panels = Panels("hfp");
        var tables = panels.OfType<TablePanel>().Select(p => p.Id).ToList();
        Assert.Equal([8, 150_000], panels.OfType<BarChart>().Select(b => b.Series[1].Values[0]));
        Assert.All(panels.OfType<BarChart>(), bars => Assert.Contains(bars.Figures, tables));
    }

    private static IReadOnlyList<Panel> Panels(string method, params (string Name, double Value)[] facts) => PrunePanels.Of(new LineageStep(
        "prune", "9", JsonSerializer.SerializeToElement(new { method, epochs = 3, pruningShare = 0.25 }), 1, null, new DataRef("fashion-mnist", ""),
        new Dictionary<string, string>(), facts.ToDictionary(f => f.Name, f => f.Value), Record.ToJson()));
}
