using Lathe.Graph;
using Lathe.NN.Runtime;
using static TorchSharp.torch;
using Parameter = TorchSharp.Modules.Parameter;

namespace Lathe.Pruner.Gates;

/// <summary>
/// How much the task's loss feels each gate: the running mean of (∂L/∂g_c)² over the batches of the pruning part, where a gate g_c multiplies
/// scale and shift of its channel in every batch norm of the group, so that ∂L/∂g_c = Σ_k (γ_k·∂L/∂γ_k + β_k·∂L/∂β_k). By it the loss rises, to
/// first order, when the channel goes everywhere at once; it has the loss's unit in every layer, so that groups compare. After Molchanov et
/// al., "Importance Estimation for Neural Network Pruning" (CVPR 2019, arXiv 1906.10771), there for single batch norms; the sum over tied
/// ones is ours.
/// </summary>
/// <param name="groups">Channel groups.</param>
/// <param name="sources">Batch norms and own gates that decide about them.</param>
/// <param name="ownGate">Gate vector of a group without batch norm.</param>
public sealed class GateSensitivity(ChannelGroups groups, GateSources sources, Func<int, Parameter> ownGate)
{
    // Of the mean, what a batch keeps: about a hundred batches count, for weights move on.
    private const double Memory = 0.99;

    private double[][]? _mean;

    /// <summary>By group and gate; null before the first batch.</summary>
    public IReadOnlyList<double[]>? Mean => _mean;

    /// <summary>Takes in the gradients of a batch; before anything is added to the task's.</summary>
    /// <param name="parameters">The network's parameters, with gradients.</param>
    public void Observe(IReadOnlyDictionary<string, Parameter> parameters)
    {
        var slopes = groups.Groups.Select(g => new double[g.Gates.Count]).ToArray();
        using (NewDisposeScope())
        using (no_grad())
        {
            foreach (var norm in sources.BatchNorms)
                Add(slopes, norm.Places, Slope(parameters[$"{norm.Node}.weight"]).Plus(Slope(parameters[$"{norm.Node}.bias"])));
            foreach (var group in sources.OwnGates)
                Add(slopes, [.. Enumerable.Range(0, slopes[group].Length).Select(i => (group, i))], Slope(ownGate(group)));
        }

        var first = _mean is null;
        _mean ??= [.. slopes.Select(s => new double[s.Length])];
        for (var g = 0; g < slopes.Length; g++)
        {
            for (var c = 0; c < slopes[g].Length; c++)
            {
                var square = slopes[g][c] * slopes[g][c];
                _mean[g][c] = first ? square : (Memory * _mean[g][c]) + ((1 - Memory) * square);
            }
        }
    }

    /// <summary>What <see cref="Restore"/> takes: the means one after the other; empty before the first batch.</summary>
    public double[] Save() => _mean is null ? [] : [.. _mean.SelectMany(m => m)];

    /// <summary>Goes on from a saved mean.</summary>
    public void Restore(double[] saved)
    {
        if (saved.Length == 0) return;
        var start = 0;
        _mean = [.. groups.Groups.Select(g => saved[start..(start += g.Gates.Count)])];
    }

    private static Tensor Slope(Parameter parameter) =>
        parameter * (parameter.grad ?? throw new InvalidOperationException("a gate's scale has no gradient: backward did not reach it"));

    private static void Add(double[][] slopes, IReadOnlyList<(int Group, int Index)> places, Tensor slope)
    {
        var values = slope.detach().cpu().data<float>();
        for (var c = 0; c < places.Count; c++)
        {
            if (places[c].Group >= 0) slopes[places[c].Group][places[c].Index] += values[c];
        }
    }
}
