using Lathe.NN.Graphs;
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

/// <summary>What a checkpoint's file says without its data.</summary>
/// <param name="Graph">The network.</param>
/// <param name="Lineage">How it came about.</param>
/// <param name="Formats">Fixed-point formats by tensor name.</param>
/// <param name="Stored">Tensors as stored, in the order of their data.</param>
/// <param name="Size">Their bytes by kind.</param>
/// <param name="Text">Bytes of the file before them.</param>
/// <param name="FileBytes">Length of the file.</param>
public sealed record CheckpointHeader(
    NetworkGraph Graph,
    Lineage Lineage,
    IReadOnlyDictionary<string, WeightFormat> Formats,
    IReadOnlyList<SafeTensorEntry> Stored,
    CheckpointSize Size,
    CheckpointText Text,
    long FileBytes);

/// <summary>Bytes of a checkpoint's header: its whole file is these and <see cref="CheckpointSize.Total"/>.</summary>
/// <param name="Graph">The network.</param>
/// <param name="History">How it came about, with what each stage recorded of its course.</param>
/// <param name="Index">Names, shapes and places of the tensors, formats of the packed ones, and what aligns the data.</param>
public sealed record CheckpointText(long Graph, long History, long Index);

/// <summary>Bytes of a checkpoint's stored tensors by kind; headers and metadata are not counted.</summary>
/// <param name="PackedWeights">N-bit weights.</param>
/// <param name="StepSizes">Their step sizes.</param>
/// <param name="FloatWeights">Weights that have no fixed-point format.</param>
/// <param name="BatchNorm">γ, β and running statistics.</param>
/// <param name="Bias">Biases of convolutions and linear layers.</param>
public sealed record CheckpointSize(long PackedWeights, long StepSizes, long FloatWeights, long BatchNorm, long Bias)
{
    /// <summary>Sum of all kinds.</summary>
    public long Total => PackedWeights + StepSizes + FloatWeights + BatchNorm + Bias;

    /// <summary>Size of a network's tensors with these formats, as <see cref="CheckpointFile"/> stores them.</summary>
    public static CheckpointSize Of(NetworkGraph graph, IReadOnlyDictionary<string, WeightFormat> formats) => Of(ParameterShapes.Of(graph), formats);

    /// <summary>Size of some tensors.</summary>
    public static CheckpointSize Of(IEnumerable<ParameterShape> tensors, IReadOnlyDictionary<string, WeightFormat> formats)
    {
        var size = new CheckpointSize(0, 0, 0, 0, 0);
        foreach (var tensor in tensors)
        {
            var bytes = tensor.Values * sizeof(float);
            size = tensor.Kind switch
            {
                ParameterKind.Weight when formats.TryGetValue(tensor.Name, out var format) => size with
                {
                    PackedWeights = size.PackedWeights + format.PackedBytes(tensor.Values),
                    StepSizes = size.StepSizes + 1,
                },
                ParameterKind.Weight => size with { FloatWeights = size.FloatWeights + bytes },
                ParameterKind.Bias => size with { Bias = size.Bias + bytes },
                _ => size with { BatchNorm = size.BatchNorm + bytes },
            };
        }

        return size;
    }
}
