using Lathe.Contracts;

namespace Lathe.Graph.Sizing;

/// <summary>
/// Parameters P and multiplications M of the network that surgery would leave, as polynomials of degree two in the live counts n_G
/// of the channel groups. Each tensor's live channels are Σ_G multiplicity_G·n_G plus the image's; a convolution has
/// n_in·n_out·kernel area/groups weights and that times its output's H·W multiplications. Nothing is allocated while evaluating into spans.
/// </summary>
public sealed class SizeModel
{
    private readonly Polynomial _parameters;
    private readonly Polynomial _multiplications;

    private SizeModel(int[] dense, Polynomial parameters, Polynomial multiplications)
    {
        (DenseCounts, _parameters, _multiplications) = (dense, parameters, multiplications);
        (Parameters, Multiplications) = (new PolynomialCost(parameters), new PolynomialCost(multiplications));
    }

    /// <summary>P as a cost.</summary>
    public ICost Parameters { get; }

    /// <summary>M as a cost.</summary>
    public ICost Multiplications { get; }

    /// <summary>n_G of the whole network: the number of gates of each group.</summary>
    public IReadOnlyList<int> DenseCounts { get; }

    /// <summary>Builds the polynomials of a graph.</summary>
    /// <param name="graph">A valid graph.</param>
    /// <param name="groups">Its channel groups.</param>
    public static SizeModel Of(NetworkGraph graph, ChannelGroups groups)
    {
        var shapes = ShapeInference.Infer(graph);
        var parameters = new PolynomialBuilder(groups.Groups.Count);
        var multiplications = new PolynomialBuilder(groups.Groups.Count);
        foreach (var node in graph.Nodes)
        {
            var made = LiveChannels(node.Name);
            var positions = (long)shapes[node.Name].Height * shapes[node.Name].Width;
            switch (node)
            {
                case Conv2d conv when ChannelGroups.IsDepthwise(conv):
                    parameters.AddLinear(made, conv.Kernel.Area);
                    multiplications.AddLinear(made, conv.Kernel.Area * positions);
                    if (conv.Bias) parameters.AddLinear(made, 1);
                    break;
                case Conv2d conv:
                    // Gates are tied across the groups, so each input multiplicity is a whole multiple of the number of groups.
                    var read = LiveChannels(node.Inputs[0]).ToDictionary(form => form.Key, form => form.Value / conv.Groups);
                    parameters.AddProduct(read, made, conv.Kernel.Area);
                    multiplications.AddProduct(read, made, conv.Kernel.Area * positions);
                    if (conv.Bias) parameters.AddLinear(made, 1);
                    break;
                case Linear linear:
                    parameters.AddProduct(LiveChannels(node.Inputs[0]), made, 1);
                    multiplications.AddProduct(LiveChannels(node.Inputs[0]), made, 1);
                    if (linear.Bias) parameters.AddLinear(made, 1);
                    break;
                case PRelu { Channels: 1 } when shapes[node.Name].Channels > 1:
                    parameters.AddLinear(new() { [Polynomial.Constant] = 1 }, 1);
                    break;
                case PRelu:
                    parameters.AddLinear(made, 1);
                    break;
                case BatchNorm or GroupNorm:
                    parameters.AddLinear(made, 2);
                    break;
            }
        }

        return new SizeModel([.. groups.Groups.Select(g => g.Gates.Count)], parameters.Build(), multiplications.Build());

        Dictionary<int, long> LiveChannels(string tensor) => groups.LiveChannels(tensor);
    }

    /// <summary>P and M at real live counts, as the relaxed gates give them.</summary>
    /// <param name="liveCounts">n_G by group index.</param>
    public (double Parameters, double Multiplications) Evaluate(ReadOnlySpan<double> liveCounts)
    {
        Check(liveCounts.Length);
        return (_parameters.Evaluate(liveCounts), _multiplications.Evaluate(liveCounts));
    }

    /// <summary>P and M in whole numbers: exactly <see cref="Complexity.Of"/> of the graph that surgery leaves.</summary>
    /// <param name="liveCounts">n_G by group index.</param>
    public (long Parameters, long Multiplications) Count(ReadOnlySpan<int> liveCounts)
    {
        Check(liveCounts.Length);
        return (_parameters.Count(liveCounts), _multiplications.Count(liveCounts));
    }

    /// <summary>
    /// Bounds of P for all live counts between two others whose M is in a range. They hold for each of those; not every size between them can be had.
    /// </summary>
    /// <param name="least">Least n_G by group index.</param>
    /// <param name="most">Greatest n_G by group index.</param>
    /// <param name="multiplications">Range of M.</param>
    public SizeRange ParametersWhere(ReadOnlySpan<double> least, ReadOnlySpan<double> most, SizeRange multiplications) =>
        Where(_parameters, _multiplications, least, most, multiplications);

    /// <summary>The same of M, where P is in a range.</summary>
    /// <param name="least">Least n_G by group index.</param>
    /// <param name="most">Greatest n_G by group index.</param>
    /// <param name="parameters">Range of P.</param>
    public SizeRange MultiplicationsWhere(ReadOnlySpan<double> least, ReadOnlySpan<double> most, SizeRange parameters) =>
        Where(_multiplications, _parameters, least, most, parameters);

    /// <summary>∂P/∂n_G and ∂M/∂n_G by group index.</summary>
    public (double[] Parameters, double[] Multiplications) Gradient(ReadOnlySpan<double> liveCounts)
    {
        var (parameters, multiplications) = (new double[DenseCounts.Count], new double[DenseCounts.Count]);
        Gradient(liveCounts, parameters, multiplications);
        return (parameters, multiplications);
    }

    /// <summary>As the other overload, into the caller's memory.</summary>
    public void Gradient(ReadOnlySpan<double> liveCounts, Span<double> parameters, Span<double> multiplications)
    {
        Check(liveCounts.Length);
        Check(parameters.Length);
        Check(multiplications.Length);
        _parameters.Gradient(liveCounts, parameters);
        _multiplications.Gradient(liveCounts, multiplications);
    }

    private SizeRange Where(Polynomial wanted, Polynomial known, ReadOnlySpan<double> least, ReadOnlySpan<double> most, SizeRange range)
    {
        Check(least.Length);
        Check(most.Length);
        var (low, high, fixedSize) = (least.ToArray(), most.ToArray(), known.Evaluate(least));
        var parts = Polynomial.Terms(wanted, known).Select(t => (t.Wanted, t.Known, Room: Product(high, t.I, t.J) - Product(low, t.I, t.J)))
            .Where(t => t.Room > 0).Select(t => new SizePart(t.Wanted * t.Room, t.Known * t.Room)).ToList();
        var gain = SizeBounds.Gain(parts, new SizeRange(range.Least - fixedSize, range.Most - fixedSize));
        var always = wanted.Evaluate(least);
        return SizeBounds.Whole(always + gain.Least, always + gain.Most);

        static double Product(double[] n, int i, int j) => (i == Polynomial.Constant ? 1 : n[i]) * n[j];
    }

    private void Check(int length)
    {
        if (length != DenseCounts.Count)
            throw new ArgumentException($"{length} values given for {DenseCounts.Count} channel groups");
    }
}
