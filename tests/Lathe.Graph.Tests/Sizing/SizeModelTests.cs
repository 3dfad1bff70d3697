using CsCheck;
using Lathe.Graph.Models;
using Lathe.Graph.Sizing;
using Lathe.Testing;

namespace Lathe.Graph.Tests.Sizing;

public class SizeModelTests
{
    private static readonly Gen<(NetworkGraph Graph, bool[] Live)> Cuts =
        from graph in RandomNetworks.Small
        from live in RandomNetworks.Live(ChannelGroups.Of(graph))
        select (graph, live);

    [Fact]
    public void The_model_counts_exactly_what_surgery_leaves() => Cuts.Sample(
        cut =>
        {
            var (graph, live) = cut;
            var groups = ChannelGroups.Of(graph);
            var model = SizeModel.Of(graph, groups);
            int[] counts = [.. groups.Groups.Select(g => g.Gates.Count(gate => live[gate]))];
            var left = Complexity.Of(Surgery.Shrink(graph, groups, live));
            Assert.Equal((left.Parameters, left.Multiplications), model.Count(counts));
            Assert.Equal((left.Parameters, left.Multiplications), model.Evaluate([.. counts.Select(c => (double)c)]));
            var dense = Complexity.Of(graph);
            Assert.Equal((dense.Parameters, dense.Multiplications), model.Count([.. model.DenseCounts]));
        },
        iter: 1000,
        threads: 1,
        print: cut => GraphJson.Write(cut.Graph));

    [Fact]
    public void The_gradient_is_that_of_the_polynomial() => RandomNetworks.Small.Sample(
        graph =>
        {
            var model = SizeModel.Of(graph, ChannelGroups.Of(graph));
            double[] n = [.. model.DenseCounts.Select(c => (double)c)];
            var (dP, dM) = model.Gradient(n);
            for (var g = 0; g < n.Length; g++)
            {
                // The central difference of a polynomial of degree two is its derivative, exactly.
                n[g] += 1;
                var (pAbove, mAbove) = model.Evaluate(n);
                n[g] -= 2;
                var (pBelow, mBelow) = model.Evaluate(n);
                n[g] += 1;
                Assert.Equal((pAbove - pBelow) / 2, dP[g]);
                Assert.Equal((mAbove - mBelow) / 2, dM[g]);
            }
        },
        iter: 500,
        threads: 1,
        print: GraphJson.Write);

    [Fact]
    public void Evaluating_into_spans_allocates_nothing()
    {
        var graph = Zoo.Build("resnet20", new(3, 32, 32), 10);
        var model = SizeModel.Of(graph, ChannelGroups.Of(graph));
        double[] n = [.. model.DenseCounts.Select(c => (double)c)];
        var (dP, dM) = (new double[n.Length], new double[n.Length]);
        model.Evaluate(n);
        model.Gradient(n, dP, dM);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 100; i++)
        {
            model.Evaluate(n);
            model.Gradient(n, dP, dM);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void A_live_count_for_each_group_is_needed()
    {
        var graph = Zoo.Build("lenet5", new(1, 28, 28), 10);
        Assert.Throws<ArgumentException>(() => SizeModel.Of(graph, ChannelGroups.Of(graph)).Evaluate([1.0]));
    }
}
