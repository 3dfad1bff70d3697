using Lathe.Graph;
using Lathe.Graph.Sizing;

namespace Lathe.Examples.LowRank;

/// <summary>A layer whose weight, a matrix [Out, In], can be the product of two: [Out, rank] times [rank, In].</summary>
/// <param name="Node">The layer: a linear one, or a convolution of 1x1 without groups.</param>
/// <param name="In">Columns of the matrix.</param>
/// <param name="Out">Rows of the matrix.</param>
/// <param name="Positions">Places of the output at which each weight is used.</param>
public sealed record Factor(Node Node, int In, int Out, long Positions)
{
    /// <summary>The largest rank with which two layers are smaller than one; 0: none is.</summary>
    public int MostRank => (int)((((long)In * Out) - 1) / (In + Out));

    /// <summary>Weights at a rank; null: the layer is whole.</summary>
    public long Weights(int? rank) => rank is { } r ? (long)r * (In + Out) : (long)In * Out;

    /// <summary>The layers of a network that become smaller as two.</summary>
    /// <param name="graph">The network.</param>
    /// <param name="skip">Names of layers that stay whole.</param>
    public static IReadOnlyList<Factor> Of(NetworkGraph graph, IEnumerable<string> skip)
    {
        var sizes = Complexity.Of(graph).Layers.ToDictionary(layer => layer.Node, layer => layer.Multiplications);
        return
        [
            .. graph.Nodes.ExceptBy(skip, node => node.Name)
                .Select(node => Sides(node) is var (inputs, outputs) ? new Factor(node, inputs, outputs, sizes[node.Name] / ((long)inputs * outputs)) : null)
                .OfType<Factor>().Where(factor => factor.MostRank > 0),
        ];
    }

    /// <summary>The two layers in place of one. The second has its name, so that those who read it still do.</summary>
    /// <param name="rank">Rank of their product.</param>
    /// <param name="taken">Names that the first one cannot have.</param>
    public (Node First, Node Second) Split(int rank, IReadOnlySet<string> taken)
    {
        var name = Enumerable.Range(0, int.MaxValue).Select(i => $"{Node.Name}.down{(i == 0 ? "" : $"{i}")}").First(candidate => !taken.Contains(candidate));
        return Node switch
        {
            Linear linear => (new Linear(name, linear.Inputs, In, rank, Bias: false), linear with { Inputs = [name], InFeatures = rank }),
            // Strides and borders are the first one's: what it leaves out need not be multiplied twice.
            Conv2d conv => (
                conv with { Name = name, OutChannels = rank, Bias = false },
                conv with { Inputs = [name], InChannels = rank, Stride = default, Padding = default, Dilation = default }),
            _ => throw new InvalidOperationException($"{Node.Name} has no two sides"),
        };
    }

    private static (int In, int Out)? Sides(Node node) => node switch
    {
        Linear linear => (linear.InFeatures, linear.OutFeatures),
        Conv2d { Kernel.IsOne: true, Groups: 1 } conv => (conv.InChannels, conv.OutChannels),
        _ => null,
    };
}
