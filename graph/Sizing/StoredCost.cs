using Lathe.Graph.Checkpoints;

namespace Lathe.Graph.Sizing;

/// <summary>
/// Bytes of a checkpoint's stored tensors, once the weights of layers have some bits: Σ ⌈b_l·w_l(n)/8⌉ and a step size for each packed weight, four bytes for every other value. To the byte what
/// <see cref="CheckpointSize"/> counts of the network that surgery leaves. The gradient leaves the rounding to whole bytes out.
/// </summary>
public sealed class StoredCost : ICost
{
    // The rounding to bytes must not see the last digit of a sum of doubles.
    private const double Rounding = 1e-6;

    private readonly IReadOnlyList<Packed> _packed;
    private readonly Polynomial _floats;

    private StoredCost(IReadOnlyList<Packed> packed, Polynomial floats) => (_packed, _floats) = (packed, floats);

    /// <inheritdoc/>
    public int Forms => 1;

    /// <summary>Builds the cost of a graph.</summary>
    /// <param name="graph">A valid graph.</param>
    /// <param name="groups">Its channel groups.</param>
    /// <param name="bits">Bits of the weights of a layer, 2 to 8, by its name; null: they are floats.</param>
    public static StoredCost Of(NetworkGraph graph, ChannelGroups groups, Func<string, int?> bits) => Build(graph, groups, layer => bits(layer) is { } count ? (count, null) : null);

    /// <summary>Builds the cost of a graph as a function of the live counts and, after those, of the bits of each of <see cref="Layers"/>.</summary>
    /// <param name="graph">A valid graph.</param>
    /// <param name="groups">Its channel groups.</param>
    public static StoredCost WithFreeBits(NetworkGraph graph, ChannelGroups groups)
    {
        var layers = Layers(graph);
        return Build(graph, groups, layer => (0, groups.Groups.Count + layers.IndexOf(layer)));
    }

    /// <summary>The layers whose weights may be packed, in the graph's order.</summary>
    public static List<string> Layers(NetworkGraph graph) => [.. graph.Nodes.Where(node => node is Conv2d or Linear).Select(node => node.Name)];

    private static StoredCost Build(NetworkGraph graph, ChannelGroups groups, Func<string, (int Bits, int? At)?> bits)
    {
        var packed = new List<Packed>();
        var floats = new PolynomialBuilder(groups.Groups.Count);
        var shapes = ShapeInference.Infer(graph);
        foreach (var node in graph.Nodes)
        {
            var made = groups.LiveChannels(node.Name);
            switch (node)
            {
                case Conv2d conv:
                    Add(node.Name, weights =>
                    {
                        if (ChannelGroups.IsDepthwise(conv)) weights.AddLinear(made, conv.Kernel.Area);
                        else weights.AddProduct(groups.LiveChannels(node.Inputs[0]).ToDictionary(form => form.Key, form => form.Value / conv.Groups), made, conv.Kernel.Area);
                    });
                    if (conv.Bias) floats.AddLinear(made, 1);
                    break;
                case Linear linear:
                    Add(node.Name, weights => weights.AddProduct(groups.LiveChannels(node.Inputs[0]), made, 1));
                    if (linear.Bias) floats.AddLinear(made, 1);
                    break;
                case PRelu { Channels: 1 } when shapes[node.Name].Channels > 1:
                    floats.AddLinear(new() { [Polynomial.Constant] = 1 }, 1);
                    break;
                default:
                    // Scales, shifts, statistics and slopes: so many for each channel.
                    var values = ParameterShapes.Of(node).Sum(tensor => tensor.Values);
                    if (values > 0) floats.AddLinear(made, values / shapes[node.Name].Channels);
                    break;
            }
        }

        return new StoredCost(packed, floats.Build());

        void Add(string layer, Action<PolynomialBuilder> add)
        {
            if (bits(layer) is not { } count)
            {
                add(floats);
                return;
            }

            var weights = new PolynomialBuilder(groups.Groups.Count);
            add(weights);
            packed.Add(new Packed(weights.Build(), count.Bits, count.At));
        }
    }

    /// <inheritdoc/>
    public void Evaluate(ReadOnlySpan<double> liveCounts, Span<double> forms)
    {
        var sum = sizeof(float) * _floats.Evaluate(liveCounts);
        foreach (var weights in _packed) sum += 1 + Math.Ceiling((weights.BitsIn(liveCounts) * weights.Values.Evaluate(liveCounts) / 8) - Rounding);
        forms[0] = sum;
    }

    /// <inheritdoc/>
    public void AddGradient(ReadOnlySpan<double> liveCounts, int form, double factor, Span<double> gradient)
    {
        _floats.AddGradient(liveCounts, sizeof(float) * factor, gradient);
        foreach (var weights in _packed)
        {
            weights.Values.AddGradient(liveCounts, weights.BitsIn(liveCounts) / 8 * factor, gradient);
            if (weights.At is { } at) gradient[at] += weights.Values.Evaluate(liveCounts) / 8 * factor;
        }
    }

    /// <summary>Weights of a layer that are packed.</summary>
    /// <param name="Values">Their number.</param>
    /// <param name="Bits">Their bits, where those are fixed.</param>
    /// <param name="At">Which variable holds their bits; null: they are fixed.</param>
    private sealed record Packed(Polynomial Values, int Bits, int? At)
    {
        public double BitsIn(ReadOnlySpan<double> variables) => At is { } at ? variables[at] : Bits;
    }
}
