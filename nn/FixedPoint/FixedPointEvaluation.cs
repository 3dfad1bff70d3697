using System.Runtime.InteropServices;
using Lathe.NN.Data;
using static TorchSharp.torch;

namespace Lathe.NN.FixedPoint;

/// <summary>How well a network of whole numbers classifies.</summary>
/// <param name="Top1">Share of images classified right, a fraction of 1.</param>
/// <param name="Predictions">Class of each image, in the split's order; of equal logits the first.</param>
public sealed record FixedPointResult(double Top1, int[] Predictions);

/// <summary>Classifies a split with <see cref="FixedPointEngine"/>.</summary>
public static class FixedPointEvaluation
{
    private const int BatchSize = 64;

    /// <summary>Runs every image through the network.</summary>
    /// <param name="network">The network.</param>
    /// <param name="split">At least one image.</param>
    /// <param name="threads">Of the engine; the result is the same with any number.</param>
    /// <param name="stop">Checked between batches.</param>
    /// <exception cref="OperationCanceledException"><paramref name="stop"/> was asked for.</exception>
    public static FixedPointResult Run(FixedPointNetwork network, Split split, int threads = 1, CancellationToken stop = default)
    {
        using var engine = new FixedPointEngine(network, threads);
        var input = network.Tensors[network.Input];
        var (bytes, logits) = (new byte[BatchSize * input.Length], new int[BatchSize * network.Classes]);
        var predictions = new List<int>(split.Count);
        var correct = 0;
        foreach (var batch in BatchLoader.InOrder(split, BatchSize))
        {
            using var owned = batch;
            stop.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var pixels = MemoryMarshal.Cast<byte, float>(batch.Images.contiguous().bytes);
            for (var i = 0; i < batch.Count; i++)
                ImageBytes.Quantize(input, pixels.Slice(i * input.Length, input.Length), bytes.AsSpan(i * input.Length, input.Length));
            engine.Run(bytes.AsSpan(0, batch.Count * input.Length), logits.AsSpan(0, batch.Count * network.Classes));
            foreach (var (i, label) in batch.Labels.data<long>().ToArray().Index())
            {
                var own = logits.AsSpan(i * network.Classes, network.Classes);
                var prediction = 0;
                for (var c = 1; c < own.Length; c++)
                {
                    if (own[c] > own[prediction]) prediction = c;
                }

                predictions.Add(prediction);
                correct += prediction == label ? 1 : 0;
            }
        }

        return new FixedPointResult(correct / (double)split.Count, [.. predictions]);
    }
}
