using Lathe.Contracts;
using Lathe.NN.Data;
using Lathe.NN.Execution;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Lathe.NN.Training;

/// <summary>How well a network classifies.</summary>
/// <param name="Top1">Share of images classified right, a fraction of 1.</param>
/// <param name="Loss">Mean cross-entropy.</param>
/// <param name="Predictions">Class of each image, in the split's order.</param>
/// <param name="Labels">Label of each image, in the same order; a damaged image counts as the image that replaced it.</param>
/// <param name="Top5">Share of images whose class is among the five likeliest; null with five classes or fewer.</param>
public sealed record EvaluationResult(double Top1, double Loss, int[] Predictions, int[] Labels, double? Top5);

/// <summary>Classifies a split.</summary>
public static class Evaluation
{
    private const int Likeliest = 5;

    /// <summary>Runs every image through the network, in evaluation mode.</summary>
    /// <param name="module">The network.</param>
    /// <param name="split">At least one image.</param>
    /// <param name="batchSize">Images at a time.</param>
    /// <param name="view">Substitutes parameters; null uses them as they are.</param>
    /// <param name="outputs">Substitutes what nodes make; null uses it as it is.</param>
    /// <param name="stop">Checked between batches.</param>
    /// <exception cref="OperationCanceledException"><paramref name="stop"/> was asked for.</exception>
    public static EvaluationResult Run(
        GraphModule module, Split split, int batchSize = 500, ParameterView? view = null, ActivationView? outputs = null, CancellationToken stop = default)
    {
        if (split.Count == 0)
            throw new LatheException("The split has no images, so there is nothing to evaluate.");
        using var noGradient = no_grad();
        var predictions = new int[split.Count];
        var labels = new int[split.Count];
        var correct = 0;
        long? amongLikeliest = split.Classes > Likeliest ? 0 : null;
        var loss = 0.0;
        var index = 0;
        foreach (var batch in BatchLoader.InOrder(split, batchSize))
        {
            using var owned = batch;
            stop.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var logits = module.Forward(batch.Images, training: false, view, outputs: outputs).cpu();
            loss += F.cross_entropy(logits, batch.Labels).item<float>() * (double)batch.Count;
            if (amongLikeliest is not null)
                amongLikeliest += logits.topk(Likeliest, 1).indexes.eq(batch.Labels.unsqueeze(1)).sum().item<long>();
            // The batch's labels, not the split's: a damaged image has another in its place.
            foreach (var (prediction, label) in logits.argmax(1).data<long>().ToArray().Zip(batch.Labels.data<long>().ToArray()))
            {
                correct += prediction == label ? 1 : 0;
                labels[index] = (int)label;
                predictions[index++] = (int)prediction;
            }
        }

        return new EvaluationResult(
            correct / (double)split.Count, loss / split.Count, predictions, labels, amongLikeliest / (double)split.Count);
    }
}
