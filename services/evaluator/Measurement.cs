using Lathe.Contracts;
using Lathe.NN.Checkpoints;
using Lathe.NN.Data;
using Lathe.NN.Execution;
using Lathe.NN.Graphs;
using Lathe.NN.Sizing;
using Lathe.NN.Training;

namespace Lathe.Evaluator;

/// <summary>What was measured of one checkpoint on one split.</summary>
/// <param name="Accuracy">How well it classifies.</param>
/// <param name="Size">Parameters, multiplications, bytes, bits and peak activation memory.</param>
/// <param name="Classes">Number of classes.</param>
/// <param name="FixedPoint">The same without floats; null where weights or activations are float.</param>
public sealed record Measurement(
    EvaluationResult Accuracy, IReadOnlyDictionary<string, double> Size, int Classes, FixedPointMeasurement? FixedPoint)
{
    private const string PeakActivations = "peakActivationBytes";

    /// <summary>Runs all images of the test split through a checkpoint.</summary>
    /// <param name="checkpoint">The network.</param>
    /// <param name="data">The data set.</param>
    /// <param name="batchSize">Images at a time.</param>
    /// <param name="device">What to compute on.</param>
    /// <param name="stop">Checked between batches.</param>
    /// <exception cref="LatheException">The network is made for other images or another number of classes.</exception>
    public static Measurement Of(Checkpoint checkpoint, DataSet data, int batchSize, TorchSharp.torch.Device device, CancellationToken stop)
    {
        stop.ThrowIfCancellationRequested();
        var graph = checkpoint.Graph;
        var classes = ShapeInference.Infer(graph)[graph.Output].Channels;
        if (graph.Input != data.Input || classes != data.Classes)
        {
            throw new LatheException(
                $"network {graph.Name} tells {classes} classes of {graph.Input} images apart; data set {data.Name} has {data.Classes} classes of {data.Input} images");
        }

        using var module = GraphModule.FromTensors(graph, checkpoint.Tensors, device);
        var size = SizeFigures.Of(graph, checkpoint.Formats);
        size[PeakActivations] = ActivationMemory.PeakBytes(graph);
        var accuracy = Evaluation.Run(module, data.Test, batchSize, stop: stop);
        return new Measurement(accuracy, size, classes, FixedPointMeasurement.Of(checkpoint, data.Test, accuracy.Predictions, stop));
    }

    /// <summary>All figures by name.</summary>
    /// <param name="dense">The dense ancestor on the same images; null: unknown, and what compares with it is left out.</param>
    public Dictionary<string, double> Metrics(Measurement? dense)
    {
        var (low, high) = WilsonInterval.Of(Accuracy.Top1, Accuracy.Predictions.Length);
        var metrics = new Dictionary<string, double>(Size)
        {
            ["images"] = Accuracy.Predictions.Length,
            ["top1"] = Accuracy.Top1,
            ["top1Low"] = low,
            ["top1High"] = high,
            ["loss"] = Accuracy.Loss,
        };
        if (Accuracy.Top5 is { } top5) metrics["top5"] = top5;
        FixedPoint?.AddTo(metrics);
        if (dense is null) return metrics;
        metrics["top1Dense"] = dense.Accuracy.Top1;
        if (dense.Accuracy.Top5 is { } top5Dense) metrics["top5Dense"] = top5Dense;
        metrics["lossDense"] = dense.Accuracy.Loss;
        metrics["changedPredictions"] = Changed(Accuracy.Predictions, dense.Accuracy.Predictions);
        metrics["parametersRatio"] = Size["parameters"] / dense.Size["parameters"];
        metrics["multiplicationsRatio"] = Size["multiplications"] / dense.Size["multiplications"];
        metrics["bytesDense"] = dense.Size["bytes"];
        metrics["peakActivationBytesDense"] = dense.Size[PeakActivations];
        return metrics;
    }

    /// <summary>Accuracy of each class, and what was taken for what.</summary>
    public EvaluationRecord Record() => EvaluationRecord.Of(Accuracy, Classes);

    /// <summary>Share of images whose top-1 differs.</summary>
    internal static double Changed(IReadOnlyList<int> own, IReadOnlyList<int> dense) =>
        own.Zip(dense).Count(pair => pair.First != pair.Second) / (double)Math.Max(1, own.Count);
}
