using Lathe.Graph;
using Lathe.NN.Checkpoints;
using Lathe.NN.Data;
using Lathe.NN.FixedPoint;
using Lathe.NN.Runtime;

namespace Lathe.Evaluator;

/// <summary>How a network does in whole numbers alone.</summary>
/// <param name="Top1">Share of images classified right, a fraction of 1.</param>
/// <param name="Changed">Share of images that the network as trained, in floats, takes for another class.</param>
/// <param name="ModelBytes">Weights, maps and tables in the engine's memory.</param>
/// <param name="WorkspaceBytes">Activations and scratch of one thread.</param>
public sealed record FixedPointMeasurement(double Top1, double Changed, long ModelBytes, long WorkspaceBytes)
{
    /// <summary>Runs all images through the fixed-point engine.</summary>
    /// <param name="checkpoint">The network.</param>
    /// <param name="images">The test split.</param>
    /// <param name="simulated">What it was taken for in floats.</param>
    /// <param name="stop">Checked between batches.</param>
    /// <returns>Null where weights or activations are float.</returns>
    public static FixedPointMeasurement? Of(Checkpoint checkpoint, Split images, IReadOnlyList<int> simulated, CancellationToken stop)
    {
        if (!IsFixedPoint(checkpoint)) return null;
        using var classifier = new FixedPointClassifier(FixedPointCompiler.Compile(checkpoint), TorchRuntime.Threads);
        var result = FixedPointEvaluation.Run(classifier, images, stop);
        return new FixedPointMeasurement(
            result.Top1, Measurement.Changed(result.Predictions, simulated), classifier.Engine.ModelBytes, classifier.Engine.WorkspaceBytes);
    }

    /// <summary>Adds its figures.</summary>
    public void AddTo(Dictionary<string, double> metrics)
    {
        metrics["top1FixedPoint"] = Top1;
        metrics["changedFixedPoint"] = Changed;
        metrics["modelBytesFixedPoint"] = ModelBytes;
        metrics["workspaceBytesFixedPoint"] = WorkspaceBytes;
    }

    /// <summary>All weights of layers are fixed-point numbers, and activations are rounded.</summary>
    internal static bool IsFixedPoint(Checkpoint checkpoint) =>
        checkpoint.Graph.Nodes.Any(node => node is Quantize)
        && checkpoint.Graph.Nodes.All(node => node is not (Conv2d or Linear) || checkpoint.Formats.ContainsKey($"{node.Name}.weight"));
}
