using Lathe.Contracts;
using Lathe.Evaluator.Latency;
using Lathe.Hosting;
using Lathe.NN.Checkpoints;
using Lathe.NN.Data;
using Lathe.NN.Runtime;
using Microsoft.Extensions.Logging;

namespace Lathe.Evaluator;

/// <summary>Measures a checkpoint on the test split, and its size, against its dense ancestor.</summary>
public sealed class EvaluateStage : IStage<EvaluateParameters>
{
    public static StageManifest Manifest { get; } = new(
        "evaluate", "5", "Accuracy on the test split, parameters, multiplications, stored size and latency", StageInput.Checkpoint, StageOutput.Metrics);

    public StageOutcome Run(StageRun run, EvaluateParameters parameters, CancellationToken stop)
    {
        var compute = ComputeSetup.Of(run.Threads, run.Device);
        if (compute.Warning is { } warning) run.Logger.LogWarning("{Warning}", warning);
        using var checkpoint = CheckpointFile.Read(run.InputPath!);
        var data = DataSets.Open(run.Data.Name, run.DataPlace, new ImageOptions(checkpoint.Graph.Input.Height));
        using var dense = checkpoint.Lineage.Dense is { } ancestor ? CheckpointFile.Read(run.PathOf(ancestor)) : null;

        run.Progress.Report(new StageProgress("evaluating"));
        var own = Measurement.Of(checkpoint, data, parameters.BatchSize, compute.Device, stop);
        var ofDense = dense is null ? own : Measurement.Of(dense, data, parameters.BatchSize, compute.Device, stop);
        if (data.DamageReport is { } damage) run.Logger.LogWarning("{Damage}", damage);
        var metrics = own.Metrics(ofDense);
        if (parameters.Latency)
        {
            run.Progress.Report(new StageProgress("taking times"));
            LatencyComparison.Measure(checkpoint, dense, run.Threads, stop).AddTo(metrics);
        }

        return new StageOutcome(run.Input!, metrics, own.Record().ToJson());
    }
}
