namespace Lathe.Graph.Sizing;

/// <summary>
/// Bytes of the activations of one image at their peak, see <see cref="ActivationMemory"/>: the greatest of Σ channels·height·width·bytes over the tensors that live at a moment, a linear form for each moment.
/// Where surgery leaves one channel of a tensor that is then flattened, the real peak may be lower, as such a tensor needs no second copy.
/// </summary>
public sealed class PeakCost : ICost
{
    private readonly Polynomial[] _moments;
    private readonly double _bytes;

    private PeakCost(Polynomial[] moments, double bytes) => (_moments, _bytes) = (moments, bytes);

    /// <inheritdoc/>
    public int Forms => _moments.Length;

    /// <summary>Builds the cost of a graph.</summary>
    /// <param name="graph">A valid graph.</param>
    /// <param name="groups">Its channel groups.</param>
    /// <param name="bytes">Bytes of a value: 4 for floats, 1 with 8-bit activations.</param>
    public static PeakCost Of(NetworkGraph graph, ChannelGroups groups, int bytes)
    {
        var shapes = ShapeInference.Infer(graph);
        var moments = new List<Polynomial>();
        foreach (var live in ActivationMemory.Moments(graph))
        {
            var builder = new PolynomialBuilder(groups.Groups.Count);
            foreach (var tensor in live)
            {
                var shape = tensor == NetworkGraph.InputName ? graph.Input : shapes[tensor];
                builder.AddLinear(groups.LiveChannels(tensor), (long)shape.Height * shape.Width);
            }

            var moment = builder.Build();
            if (moments.Exists(other => other.Covers(moment))) continue;
            moments.RemoveAll(moment.Covers);
            moments.Add(moment);
        }

        return new PeakCost([.. moments], bytes);
    }

    /// <inheritdoc/>
    public void Evaluate(ReadOnlySpan<double> liveCounts, Span<double> forms)
    {
        for (var i = 0; i < _moments.Length; i++) forms[i] = _bytes * _moments[i].Evaluate(liveCounts);
    }

    /// <inheritdoc/>
    public void AddGradient(ReadOnlySpan<double> liveCounts, int form, double factor, Span<double> gradient) =>
        _moments[form].AddGradient(liveCounts, _bytes * factor, gradient);
}
