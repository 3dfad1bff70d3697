using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Lathe.Contracts.Panels;
using Lathe.Evaluator;
using Lathe.Exports;
using Lathe.Graph.Checkpoints;
using Lathe.Hosting;
using Lathe.NN.Checkpoints;
using Lathe.NN.Data;
using Lathe.NN.Runtime;
using Lathe.NN.Training;
using Lathe.Pruner;
using Lathe.Quantizer;
using Lathe.Trainer;

namespace Lathe.Cli.Embedded;

/// <summary>A stage that comes with Lathe.</summary>
/// <param name="Declared">What it says of itself, without the schema of its parameters.</param>
/// <param name="Described">The same with the schema of its parameters, which takes a while to make.</param>
/// <param name="AddTo">Has a bus host it.</param>
/// <param name="RunAsync">Runs it as a service of its own; gives the exit code.</param>
/// <param name="PanelsOf">Its pictures and tables, from what it wrote down.</param>
/// <param name="Ask">What it says to parameters before anything runs.</param>
internal sealed record BuiltInStage(
    StageManifest Declared,
    Lazy<StageManifest> Described,
    Action<LatheBusBuilder> AddTo,
    Func<HostingSettings, CancellationToken, Task<int>> RunAsync,
    Func<StageNotes, IReadOnlyList<Panel>> PanelsOf,
    Func<JsonElement, StageCheck, StageForecast> Ask)
{
    public StageManifest Manifest => Described.Value;
}

/// <summary>Measures a checkpoint outside of a sweep.</summary>
/// <param name="checkpoint">The network.</param>
/// <param name="dense">Its dense ancestor; null: there is none, or it is not at hand.</param>
/// <param name="data">The data set.</param>
/// <param name="isTimed">True: times are taken too.</param>
/// <param name="compute">What to compute with.</param>
/// <param name="threads">CPU threads that times are taken with.</param>
/// <param name="stop">Cancels it.</param>
/// <returns>Figures by name, and the records of a result.</returns>
internal delegate (IReadOnlyDictionary<string, double> Figures, JsonElement Records) MeasureCheckpoint(
    Checkpoint checkpoint, Checkpoint? dense, DataSet data, bool isTimed, ComputeSetup compute, int threads, CancellationToken stop);

/// <summary>What a stage wrote down: in the lineage of the checkpoint that it made, or beside the figures of the one that it measured.</summary>
/// <param name="Step">Its step in the lineage; null for a stage that only measures.</param>
/// <param name="Dataset">Name of the data set.</param>
/// <param name="Figures">What it measured.</param>
/// <param name="Records">What it kept beside that.</param>
internal sealed record StageNotes(LineageStep? Step, string Dataset, IReadOnlyDictionary<string, double> Figures, JsonElement? Records);

/// <summary>The stages that come with Lathe.</summary>
internal static class BuiltInStages
{
    public static IReadOnlyDictionary<string, BuiltInStage> ByName { get; } = ((BuiltInStage[])
        [
            Of<TrainStage, TrainParameters>(notes => notes.Step is null ? [] : TrainPanels.Of(notes.Step)),
            Of<PruneStage, PruneParameters>(notes => notes.Step is null ? [] : PrunePanels.Of(notes.Step)),
            Of<QuantizeStage, QuantizeParameters>(notes => notes.Step is null ? [] : QuantizePanels.Of(notes.Step)),
            Of<EvaluateStage, EvaluateParameters>(notes => EvaluatePanels.Of(EvaluationRecord.TryRead(notes.Records), notes.Figures, notes.Dataset)),
        ]).ToDictionary(s => s.Declared.Name);

    private static readonly Lazy<IReadOnlyDictionary<string, StageManifest>> Described = new(() => ByName.ToDictionary(s => s.Key, s => s.Value.Manifest));

    public static IReadOnlyDictionary<string, StageManifest> Manifests => Described.Value;

    /// <summary>What the stages measure, each name once, by rank.</summary>
    public static IReadOnlyList<MetricDescriptor> Metrics { get; } =
        [.. ByName.Values.Reverse().SelectMany(s => s.Declared.Metrics ?? []).DistinctBy(m => m.Name).OrderBy(m => m.Rank)];

    /// <summary>How the stage that measures does so outside of a sweep.</summary>
    public static MeasureCheckpoint Measure { get; } = (checkpoint, dense, data, isTimed, compute, threads, stop) =>
        EvaluateStage.Measure(checkpoint, dense, data, new EvaluateParameters { Latency = isTimed }, compute, threads, stop);

    /// <summary>What people read of such a measurement, in order.</summary>
    public static IReadOnlyList<MetricDescriptor> Measured => EvaluateMetrics.All;

    /// <summary>Pictures and tables of such a measurement.</summary>
    public static IReadOnlyList<Panel> PanelsOf(IReadOnlyDictionary<string, double> figures, JsonElement records, string dataset) =>
        EvaluatePanels.Of(EvaluationRecord.TryRead(records), figures, dataset);

    private static readonly HashSet<string> Measuring = [.. ByName.Values.Where(s => s.Declared.Output == StageOutput.Metrics).Select(s => s.Declared.Name)];

    /// <summary>The first metric by which what a stage measured is judged so; null: it measured none.</summary>
    /// <param name="execution">An execution.</param>
    /// <param name="better">Which values are better.</param>
    /// <param name="format">How it is written; null: however.</param>
    public static MetricDescriptor? Judging(ExecutionStatus execution, Better better, MetricFormat? format = null) => !Measuring.Contains(execution.Stage) ? null
        : Metrics.FirstOrDefault(m => m.Better == better && (format is null || m.Format == format) && execution.Metrics.ContainsKey(m.Name));

    /// <summary>Pictures and tables of a step in a lineage; of a stage from outside those that every stage that trains has.</summary>
    public static IReadOnlyList<Panel> PanelsOf(LineageStep step) => ByName.TryGetValue(step.Stage, out var stage)
        ? stage.PanelsOf(new StageNotes(step, step.Data?.Name ?? "", step.Facts, step.Records))
        : TrainingPanels.Of(TrainingRecord.TryRead(step.Records)?.Training, step.Stage, "", step.Parameters);

    /// <summary>Pictures and tables of a stage that only measured.</summary>
    public static IReadOnlyList<Panel> PanelsOf(LeafResult leaf, StageResult result) => ByName.TryGetValue(result.Stage, out var stage)
        ? stage.PanelsOf(new StageNotes(null, leaf.Dataset, result.Metrics, result.Records))
        : [];

    private static BuiltInStage Of<TStage, TParameters>(Func<StageNotes, IReadOnlyList<Panel>> panels)
        where TStage : class, IStage<TParameters>, new() =>
        new(
            TStage.Manifest, new(Hosting.Manifests.Of<TStage, TParameters>), bus => bus.AddStage<TStage, TParameters>(),
            (settings, stop) => StageHost.RunAsync<TStage, TParameters>(settings, bus => bus.AddExporter(new CheckpointExporter()), stop), panels, StageCheck.Ask<TStage, TParameters>);
}
