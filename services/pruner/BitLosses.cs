using Lathe.NN.Data;
using Lathe.NN.Execution;
using Lathe.NN.FixedPoint;
using Lathe.Pruner.Gates;
using static TorchSharp.torch;

namespace Lathe.Pruner;

/// <summary>By how much the loss rises when weights of a network that is being pruned are rounded.</summary>
internal static class BitLosses
{
    /// <summary>½ Σ F·δ² by layer and by bits, see <see cref="WeightSensitivity"/>; closed channels do not count.</summary>
    /// <param name="module">The network.</param>
    /// <param name="gates">Its gates.</param>
    /// <param name="layers">Names of the layers.</param>
    /// <param name="train">Training images.</param>
    /// <param name="seed">The run's.</param>
    public static IReadOnlyList<IReadOnlyList<double>> Of(GraphModule module, ChannelGates gates, IReadOnlyList<string> layers, Split train, long seed)
    {
        using var _ = no_grad();
        var felt = WeightSensitivity.Of(module, [.. layers.Select(layer => $"{layer}.weight")], train, seed, gates.View, gates.Outputs);
        var losses = new List<IReadOnlyList<double>>();
        foreach (var name in layers.Select(layer => $"{layer}.weight"))
        {
            losses.Add(WeightSensitivity.Losses(felt[name], name, module.Parameters[name], PlannedBits.Least, PlannedBits.Most));
            felt[name].Dispose();
        }

        return losses;
    }
}
