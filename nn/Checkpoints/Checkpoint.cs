using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using static TorchSharp.torch;

namespace Lathe.NN.Checkpoints;

/// <summary>A network with its weights and its history.</summary>
/// <param name="Graph">The network.</param>
/// <param name="Tensors">
/// Exactly the tensors of <see cref="ParameterShapes.Of(NetworkGraph)"/>, float32, on the CPU. Whoever holds the checkpoint disposes
/// them, directly or by TorchSharp's dispose scope.
/// </param>
/// <param name="Lineage">Its history.</param>
/// <param name="Formats">
/// Fixed-point formats by tensor name (<c>conv1.weight</c>), for the weights of convolutions and linear layers that have one.
/// </param>
public sealed record Checkpoint(
    NetworkGraph Graph,
    IReadOnlyDictionary<string, Tensor> Tensors,
    Lineage Lineage,
    IReadOnlyDictionary<string, WeightFormat> Formats) : IDisposable
{
    public void Dispose()
    {
        foreach (var tensor in Tensors.Values) tensor.Dispose();
    }
}
