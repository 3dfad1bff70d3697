using Lathe.Contracts;
using Lathe.Graph;
using TorchSharp;
using static TorchSharp.torch;

namespace Lathe.NN.Execution;

/// <summary><see cref="Surgery"/> of a network's tensors.</summary>
public static class TensorSurgery
{
    /// <summary>The smaller graph and its tensors, float32 on the CPU, newly made; nothing given is changed.</summary>
    /// <param name="graph">The network.</param>
    /// <param name="tensors">Its tensors by name.</param>
    /// <param name="groups">Its channel groups.</param>
    /// <param name="live">For each gate whether it stays.</param>
    /// <exception cref="LatheException">A whole group, or a gate that must stay, would be removed.</exception>
    public static (NetworkGraph Graph, IReadOnlyDictionary<string, Tensor> Tensors) Cut(
        NetworkGraph graph, IReadOnlyDictionary<string, Tensor> tensors, ChannelGroups groups, ReadOnlySpan<bool> live)
    {
        var small = Surgery.Shrink(graph, groups, live);
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var kept = Keep(graph, ParameterShapes.Of(graph).ToDictionary(p => p.Name, p => tensors[p.Name]), groups, live);
        return (small, kept.ToDictionary(p => p.Key, p => p.Value.MoveToOuterDisposeScope()));
    }

    /// <summary>
    /// Cuts tensors that are shaped like the network's, for example an optimizer's state. The results are new float32 tensors on the CPU; the
    /// given tensors are not changed.
    /// </summary>
    /// <param name="graph">The network.</param>
    /// <param name="tensors">By the names of the network's; not all of them need be there, and others are left out.</param>
    /// <param name="groups">Its channel groups.</param>
    /// <param name="live">For each gate whether it stays.</param>
    public static IReadOnlyDictionary<string, Tensor> Keep(
        NetworkGraph graph, IReadOnlyDictionary<string, Tensor> tensors, ChannelGroups groups, ReadOnlySpan<bool> live)
    {
        var result = new Dictionary<string, Tensor>();
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        foreach (var part in Surgery.Parts(graph, groups, live))
        {
            if (!tensors.TryGetValue(part.Parameter.Name, out var whole)) continue;
            var tensor = Select(whole.detach().cpu().to(ScalarType.Float32), 0, part.Rows);
            if (part.Columns is { } columns) tensor = Select(tensor, 1, columns);
            // A selection of everything is the caller's own memory still.
            result.Add(part.Parameter.Name, tensor.clone().MoveToOuterDisposeScope());
        }

        return result;
    }

    private static Tensor Select(Tensor tensor, long dimension, IReadOnlyList<int> positions) => tensor.shape[dimension] == positions.Count
        ? tensor
        : tensor.index_select(dimension, torch.tensor(positions.Select(p => (long)p).ToArray()));
}
