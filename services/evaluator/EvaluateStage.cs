using System.Text.Json;
using Lathe.Contracts;
using Lathe.Evaluator.Latency;
using Lathe.Graph;
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
        "evaluate", "6", "Accuracy on the test split, parameters, multiplications, stored size and latency",
        StageInput.Checkpoint, StageOutput.Metrics, Metrics: EvaluateMetrics.Described);

    public static IReadOnlyList<ParameterProblem> Check(EvaluateParameters parameters, StageCheck context) =>
        context.Input is { } input && DataSets.FormOf(context.Dataset) is { } data
        && Measurement.Misfit(NetworkForms.GraphOf(input), data.Name, data.Input, data.Classes) is { } misfit
            ? [new ParameterProblem("", misfit)]
            : [];

    /// <summary>Measures a checkpoint outside of a sweep.</summary>
    /// <param name="checkpoint">The network.</param>
    /// <param name="dense">Its dense ancestor; null: there is none, or it is not at hand, and what compares with it is left out.</param>
    /// <param name="data">The data set.</param>
    /// <param name="parameters">As in a sweep.</param>
    /// <param name="compute">What to compute with.</param>
    /// <param name="threads">CPU threads that times are taken with.</param>
    /// <param name="stop">Checked between batches.</param>
    /// <returns>Figures by name, and records as they stand with a result.</returns>
    public static (IReadOnlyDictionary<string, double> Figures, JsonElement Records) Measure(
        Checkpoint checkpoint, Checkpoint? dense, DataSet data, EvaluateParameters parameters, ComputeSetup compute, int threads, CancellationToken stop)
    {
        var own = Measurement.Of(checkpoint, data, parameters.BatchSize, compute.Device, stop);
        var metrics = own.Metrics(
            checkpoint.Lineage.Dense is null ? DenseFigures.Of(own)
            : dense is null ? null : DenseFigures.Of(Measurement.Of(dense, data, parameters.BatchSize, compute.Device, stop)));
        if (parameters.Latency) LatencyComparison.Measure(checkpoint, dense, threads, stop).AddTo(metrics);
        return (metrics, own.Record().ToJson());
    }

    public StageOutcome Run(StageRun run, EvaluateParameters parameters)
    {
        var compute = ComputeSetup.Of(run.Threads, run.Device);
        if (compute.Warning is { } warning) run.Logger.LogWarning("{Warning}", warning);
        using var checkpoint = CheckpointFile.Read(run.InputPath!);
        var data = DataSets.Open(run.Data.Name, run.DataPlace, new ImageOptions(checkpoint.Graph.Input.Height));
        run.Progress.Report(new StageProgress("evaluating"));
        var own = Measurement.Of(checkpoint, data, parameters.BatchSize, compute.Device, run.Stop);
        // Every network that comes from the same dense one compares with it, so it is measured once.
        var ancestor = checkpoint.Lineage.Dense;
        var dense = run.Share($"{(ancestor ?? run.Input!).Sha256} {run.Data.Fingerprint} {compute.Device.type}", () => DenseFigures.Of(ancestor is null ? own : Measure(ancestor)));
        if (data.DamageReport is { } damage) run.Logger.LogWarning("{Damage}", damage);
        var metrics = own.Metrics(dense);
        if (parameters.Latency)
        {
            run.Progress.Report(new StageProgress("taking times"));
            using var other = ancestor is null ? null : CheckpointFile.Read(run.PathOf(ancestor));
            LatencyComparison.Measure(checkpoint, other, run.Threads, run.Stop).AddTo(metrics);
        }

        var record = own.Record();
        return new StageOutcome(run.Input!, metrics, record.ToJson(), EvaluatePanels.Of(record, metrics, run.Data.Name));

        Measurement Measure(CheckpointRef reference)
        {
            using var network = CheckpointFile.Read(run.PathOf(reference));
            return Measurement.Of(network, data, parameters.BatchSize, compute.Device, run.Stop);
        }
    }
}
