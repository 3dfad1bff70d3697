using CsCheck;
using Lathe.Contracts;
using Lathe.Graph.Models;
using Lathe.Testing;

namespace Lathe.Graph.Tests;

public class SurgeryTests
{
    private static readonly Gen<(NetworkGraph Graph, ChannelGroups Groups, bool[] Live)> Cuts =
        from graph in RandomNetworks.Small
        let groups = ChannelGroups.Of(graph)
        from live in RandomNetworks.Live(groups)
        select (graph, groups, live);

    [Fact]
    public void The_parts_that_stay_have_the_shapes_of_the_smaller_network() => Cuts.Sample(
        cut =>
        {
            var small = ParameterShapes.Of(Surgery.Shrink(cut.Graph, cut.Groups, cut.Live));
            var parts = Surgery.Parts(cut.Graph, cut.Groups, cut.Live);
            Assert.Equal(
                small.Select(p => (p.Name, p.Shape[0], p.Shape.ElementAtOrDefault(1))),
                parts.Select(p => (p.Parameter.Name, (long)p.Rows.Count, p.Columns?.Count ?? p.Parameter.Shape.ElementAtOrDefault(1))));
        },
        iter: 500,
        threads: 1,
        print: cut => GraphJson.Write(cut.Graph));

    [Fact]
    public void A_whole_group_is_never_removed()
    {
        var graph = Zoo.Build("lenet5", new(1, 28, 28), 10);
        var groups = ChannelGroups.Of(graph);
        var live = new bool[groups.Gates.Count];
        Array.Fill(live, true);
        foreach (var gate in groups.Groups[1].Gates) live[gate] = false;
        var e = Assert.Throws<LatheException>(() => Surgery.Shrink(graph, groups, live));
        Assert.Equal("all 32 channels of channel group 1 (features.4) would be removed; at least one must stay", e.Message);
    }

    [Fact]
    public void Logits_are_never_removed()
    {
        var graph = Zoo.Build("lenet5", new(1, 28, 28), 10);
        var groups = ChannelGroups.Of(graph);
        var live = new bool[groups.Gates.Count];
        Array.Fill(live, true);
        live[^1] = false;
        var e = Assert.Throws<LatheException>(() => Surgery.Shrink(graph, groups, live));
        Assert.Contains("(classifier.3) is not prunable", e.Message, StringComparison.Ordinal);
    }
}
