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

    private readonly IReadOnlyList<(Polynomial Values, double Bytes)> _packed;
    private readonly Polynomial _floats;

    private StoredCost(IReadOnlyList<(Polynomial Values, double Bytes)> packed, Polynomial floats) => (_packed, _floats) = (packed, floats);

    /// <inheritdoc/>
    public int Forms => 1;

    /// <summary>Builds the cost of a graph.</summary>
    /// <param name="graph">A valid graph.</param>
    /// <param name="groups">Its channel groups.</param>
    /// <param name="bits">Bits of the weights of a layer, 2 to 8, by its name; null: they are floats.</param>
    public static StoredCost Of(NetworkGraph graph, ChannelGroups groups, Func<string, int?> bits)
    {
        var packed = new List<(Polynomial, double)>();
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
            packed.Add((weights.Build(), count / 8.0));
        }
    }

    /// <inheritdoc/>
    public void Evaluate(ReadOnlySpan<double> liveCounts, Span<double> forms)
    {
        var sum = sizeof(float) * _floats.Evaluate(liveCounts);
        foreach (var (values, bytes) in _packed) sum += 1 + Math.Ceiling((bytes * values.Evaluate(liveCounts)) - Rounding);
        forms[0] = sum;
    }

    /// <inheritdoc/>
    public void AddGradient(ReadOnlySpan<double> liveCounts, int form, double factor, Span<double> gradient)
    {
        _floats.AddGradient(liveCounts, sizeof(float) * factor, gradient);
        foreach (var (values, bytes) in _packed) values.AddGradient(liveCounts, bytes * factor, gradient);
    }
}
