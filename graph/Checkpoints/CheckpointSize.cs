namespace Lathe.Graph.Checkpoints;

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

    /// <summary>Size of a network's tensors with these formats, as checkpoints store them.</summary>
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
