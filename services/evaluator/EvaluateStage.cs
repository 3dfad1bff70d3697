using Lathe.Contracts;
using Lathe.Hosting;
using Lathe.NN.Checkpoints;
using Lathe.NN.Data;
using Lathe.NN.Execution;
using Lathe.NN.Runtime;
using Lathe.NN.Training;
using Microsoft.Extensions.Logging;

namespace Lathe.Evaluator;

/// <summary>Measures a checkpoint on the test split, and its size, against its dense ancestor.</summary>
public sealed class EvaluateStage : IStage<EvaluateParameters>
{
    public static StageManifest Manifest { get; } = new(
        "evaluate", "2", "Accuracy on the test split, parameters, multiplications and stored size", StageInput.Checkpoint, StageOutput.Metrics);

    public StageOutcome Run(StageRun run, EvaluateParameters parameters, CancellationToken stop)
    {
        var compute = ComputeSetup.Of(run.Threads, run.Device);
        using var checkpoint = CheckpointFile.Read(run.InputPath!);
        var data = DataSets.Open(run.Data.Name, run.DataPlace, new ImageOptions(checkpoint.Graph.Input.Height));
        using var dense = checkpoint.Lineage.Dense is { } ancestor ? CheckpointFile.Read(run.PathOf(ancestor)) : null;

        run.Progress.Report(new StageProgress("evaluating"));
        var figures = Measure(checkpoint, data.Test, parameters.BatchSize, compute, stop);
        var denseFigures = dense is null ? figures : Measure(dense, data.Test, parameters.BatchSize, compute, stop);
        if (data.DamageReport is { } damage) run.Logger.LogWarning("{Damage}", damage);
        return new StageOutcome(run.Input!, Metrics(figures, denseFigures));
    }

    private static Figures Measure(Checkpoint checkpoint, Split images, int batchSize, ComputeSetup compute, CancellationToken stop)
    {
        stop.ThrowIfCancellationRequested();
        using var module = GraphModule.FromTensors(checkpoint.Graph, checkpoint.Tensors, compute.Device);
        return new Figures(Evaluation.Run(module, images, batchSize, stop: stop), SizeFigures.Of(checkpoint.Graph, checkpoint.Formats));
    }

    private static Dictionary<string, double> Metrics(Figures own, Figures dense) => new(own.Size)
    {
        ["top1"] = own.Accuracy.Top1,
        ["top1Dense"] = dense.Accuracy.Top1,
        ["loss"] = own.Accuracy.Loss,
        ["changedPredictions"] = Changed(own.Accuracy.Predictions, dense.Accuracy.Predictions),
        ["parametersRatio"] = own.Size["parameters"] / dense.Size["parameters"],
        ["multiplicationsRatio"] = own.Size["multiplications"] / dense.Size["multiplications"],
        ["bytesDense"] = dense.Size["bytes"],
    };

    /// <summary>Share of images whose top-1 differs.</summary>
    private static double Changed(IReadOnlyList<int> own, IReadOnlyList<int> dense) =>
        own.Zip(dense).Count(pair => pair.First != pair.Second) / (double)Math.Max(1, own.Count);

    private sealed record Figures(EvaluationResult Accuracy, Dictionary<string, double> Size);
}
