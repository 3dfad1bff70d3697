using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.Graph.Sizing;
using Lathe.NN.Checkpoints;
using Lathe.NN.Data;
using Lathe.NN.Execution;
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
        if (Misfit(graph, data.Name, data.Input, data.Classes) is { } misfit) throw new LatheException(misfit);
        using var module = GraphModule.FromTensors(graph, checkpoint.Tensors, device);
        var size = SizeFigures.Of(graph, checkpoint.Formats);
        size[PeakActivations] = ActivationMemory.PeakBytes(graph);
        var accuracy = Evaluation.Run(module, data.Test, batchSize, stop: stop);
        return new Measurement(accuracy, size, data.Classes, FixedPointMeasurement.Of(checkpoint, data.Test, accuracy.Predictions, stop));
    }

    /// <summary>Why a network cannot be measured on a data set; null where it can.</summary>
    /// <param name="graph">The network.</param>
    /// <param name="dataset">Name of the data set.</param>
    /// <param name="input">Shape of its images.</param>
    /// <param name="classes">Number of its classes.</param>
    public static string? Misfit(NetworkGraph graph, string dataset, TensorShape input, int classes)
    {
        var told = ShapeInference.Infer(graph)[graph.Output].Channels;
        return graph.Input == input && told == classes
            ? null
            : $"network {graph.Name} tells {told} classes of {graph.Input} images apart; data set {dataset} has {classes} classes of {input} images";
    }

    /// <summary>All figures by name.</summary>
    /// <param name="dense">The dense ancestor on the same images; null: unknown, and what compares with it is left out.</param>
    public Dictionary<string, double> Metrics(DenseFigures? dense)
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
        metrics["top1Dense"] = dense.Top1;
        if (dense.Top5 is { } top5Dense) metrics["top5Dense"] = top5Dense;
        metrics["lossDense"] = dense.Loss;
        metrics["changedPredictions"] = Changed(Accuracy.Predictions, dense.Predictions);
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

/// <summary>What others compare of the dense network that they come from.</summary>
/// <param name="Top1">Share of the test split classified right.</param>
/// <param name="Top5">The same for the five likeliest classes; null: too few classes.</param>
/// <param name="Loss">Mean cross-entropy.</param>
/// <param name="Predictions">Class by image.</param>
/// <param name="Size">Sizes by name.</param>
public sealed record DenseFigures(double Top1, double? Top5, double Loss, IReadOnlyList<int> Predictions, IReadOnlyDictionary<string, double> Size)
{
    public static DenseFigures Of(Measurement measured) => new(
        measured.Accuracy.Top1, measured.Accuracy.Top5, measured.Accuracy.Loss, measured.Accuracy.Predictions, measured.Size);
}
