using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Lathe.NN.FixedPoint;

/// <summary>Classifies batches of float images with <see cref="FixedPointEngine"/>.</summary>
/// <param name="network">The network.</param>
/// <param name="threads">Of the engine; the result is the same with any number.</param>
public sealed class FixedPointClassifier(FixedPointNetwork network, int threads = 1) : IDisposable
{
    private byte[] _bytes = [];
    private int[] _logits = [];

    /// <summary>What computes.</summary>
    public FixedPointEngine Engine { get; } = new(network, threads);

    /// <summary>Rounds images and runs them.</summary>
    /// <param name="images">Float32 [N, C, H, W] on the CPU, normalized.</param>
    /// <returns>Class of each; of equal logits the first.</returns>
    public int[] Classify(Tensor images)
    {
        var input = network.Tensors[network.Input];
        var count = (int)images.shape[0];
        if (_bytes.Length < count * input.Length) (_bytes, _logits) = (new byte[count * input.Length], new int[count * network.Classes]);
        using var contiguous = images.contiguous();
        var pixels = MemoryMarshal.Cast<byte, float>(contiguous.bytes);
        for (var i = 0; i < count; i++)
            ImageBytes.Quantize(input, pixels.Slice(i * input.Length, input.Length), _bytes.AsSpan(i * input.Length, input.Length));
        Engine.Run(_bytes.AsSpan(0, count * input.Length), _logits.AsSpan(0, count * network.Classes));
        return [.. Enumerable.Range(0, count).Select(i => IndexOfLargest(_logits.AsSpan(i * network.Classes, network.Classes)))];
    }

    /// <inheritdoc/>
    public void Dispose() => Engine.Dispose();

    private static int IndexOfLargest(ReadOnlySpan<int> logits)
    {
        var best = 0;
        for (var c = 1; c < logits.Length; c++)
        {
            if (logits[c] > logits[best]) best = c;
        }

        return best;
    }
}
