using Lathe.NN.Data;

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
    /// <param name="classifier">The network.</param>
    /// <param name="split">At least one image.</param>
    /// <param name="stop">Checked between batches.</param>
    /// <exception cref="OperationCanceledException"><paramref name="stop"/> was asked for.</exception>
    public static FixedPointResult Run(FixedPointClassifier classifier, Split split, CancellationToken stop = default)
    {
        var predictions = new List<int>(split.Count);
        var correct = 0;
        foreach (var batch in BatchLoader.InOrder(split, BatchSize))
        {
            using var owned = batch;
            stop.ThrowIfCancellationRequested();
            var classes = classifier.Classify(batch.Images);
            correct += classes.Zip(batch.Labels.data<long>()).Count(pair => pair.First == pair.Second);
            predictions.AddRange(classes);
        }

        return new FixedPointResult(correct / (double)split.Count, [.. predictions]);
    }
}
