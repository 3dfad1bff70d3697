using CsCheck;
using Lathe.Graph.Checkpoints;
using Lathe.Graph.Sizing;
using Lathe.Testing;

namespace Lathe.Graph.Tests.Sizing;

public class CostTests
{
    private static readonly Gen<(NetworkGraph Graph, bool[] Live)> Cuts =
        from graph in RandomNetworks.Small
        from live in RandomNetworks.Live(ChannelGroups.Of(graph))
        select (graph, live);

    [Fact]
    public void Bytes_are_to_the_byte_what_the_checkpoint_of_the_cut_network_stores() => Gen.Select(Cuts, Gen.Int[1, 8], Gen.Int[2, 8]).Sample(
        (cut, some, others) =>
        {
            var (graph, live) = cut;
            var groups = ChannelGroups.Of(graph);
            var small = Surgery.Shrink(graph, groups, live);
            // Every third layer has other bits; 1 stands for floats.
            int? Bits(string layer) => layer.Sum(c => c) % 3 == 0 ? others : some == 1 ? null : some;
            var formats = small.Nodes.Where(node => node is Conv2d or Linear && Bits(node.Name) is not null).ToDictionary(node => $"{node.Name}.weight", node => new WeightFormat(Bits(node.Name)!.Value, 0));
            Assert.Equal(CheckpointSize.Of(small, formats).Total, StoredCost.Of(graph, groups, Bits).Of(Counts(groups, live)));
        },
        iter: 1000,
        print: cut => GraphJson.Write(cut.Item1.Graph));

    [Fact]
    public void Memory_is_at_its_peak_what_the_cut_network_needs() => Gen.Select(Cuts, Gen.Bool).Sample(
        (cut, packed) =>
        {
            var (graph, live) = cut;
            var groups = ChannelGroups.Of(graph);
            var small = Surgery.Shrink(graph, groups, live);
            var bytes = packed ? 1 : 4;
            var cost = PeakCost.Of(graph, groups, bytes).Of(Counts(groups, live));
            var real = bytes * ActivationMemory.PeakValues(small);
            // A flattening of one channel moves nothing, which the forms of the whole network cannot know.
            if (small.Nodes.Any(node => node is Flatten or Unflatten)) Assert.True(real <= cost, $"{real} over {cost}");
            else Assert.Equal(real, cost);
            Assert.Equal(bytes * ActivationMemory.PeakValues(graph), PeakCost.Of(graph, groups, bytes).Of([.. groups.Groups.Select(g => (double)g.Gates.Count)]));
        },
        iter: 1000,
        print: cut => GraphJson.Write(cut.Item1.Graph));

    [Fact]
    public void Every_gradient_is_that_of_its_form_and_no_form_falls() => Gen.Select(Cuts, Gen.Int[2, 8]).Sample(
        (cut, bits) =>
        {
            var (graph, live) = cut;
            var groups = ChannelGroups.Of(graph);
            var n = Counts(groups, live);
            foreach (var cost in (ICost[])[PeakCost.Of(graph, groups, 1), StoredCost.Of(graph, groups, _ => bits), StoredCost.Of(graph, groups, _ => null), SizeModel.Of(graph, groups).Multiplications])
            {
                // Packed weights are rounded to bytes, each tensor by less than one, which the gradient leaves out.
                var rounding = cost is StoredCost ? graph.Nodes.Count : 1e-6;
                for (var form = 0; form < cost.Forms; form++)
                {
                    var gradient = new double[n.Length];
                    cost.AddGradient(n, form, 1, gradient);
                    for (var g = 0; g < n.Length; g++)
                    {
                        Assert.True(gradient[g] >= 0);
                        Assert.InRange((Form(cost, n, form, g, 1) - Form(cost, n, form, g, -1)) / 2, gradient[g] - rounding, gradient[g] + rounding);
                        Assert.True(Form(cost, n, form, g, 1) >= Form(cost, n, form, g, 0));
                    }
                }
            }

            static double Form(ICost cost, double[] n, int form, int group, double more)
            {
                double[] at = [.. n];
                at[group] += more;
                var forms = new double[cost.Forms];
                cost.Evaluate(at, forms);
                return forms[form];
            }
        },
        iter: 300,
        print: cut => GraphJson.Write(cut.Item1.Graph));

    private static double[] Counts(ChannelGroups groups, bool[] live) => [.. groups.Groups.Select(g => (double)g.Gates.Count(gate => live[gate]))];
}
