using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.Graph.Models;
using Lathe.Hosting;
using Lathe.NN.Checkpoints;
using Lathe.NN.Data;
using Lathe.NN.Execution;
using Lathe.NN.Runtime;
using Lathe.NN.Training;
using Lathe.NN.Weights;
using Microsoft.Extensions.Logging;

namespace Lathe.Trainer;

/// <summary>Trains a network of the zoo from seeded weights or those of a file, or a user's own from where it stands.</summary>
public sealed class TrainStage : IStage<TrainParameters>
{
    public static StageManifest Manifest { get; } = new(
        "train", "4", "Training from seeded weights, or from those of a file", StageInput.Model, StageOutput.Checkpoint, Metrics:
        [
            .. SizeMetrics.All,
            new("trainingLoss", "training loss", Better: Better.Lower, Description: "Mean loss over the training images of the last epoch.") { Split = DataSplit.Training },
            new("trainingTop1", "training top-1", "%", MetricFormat.Percent, Better.Higher, Description: "Accuracy on the training images of the last epoch.") { Split = DataSplit.Training },
            new("validationTop1", "validation top-1", "%", MetricFormat.Percent, Better.Higher, Description: "Accuracy on the held-out training images.") { Split = DataSplit.Validation, EachEpoch = true },
        ]);

    public static IReadOnlyList<ParameterProblem> Check(TrainParameters parameters, StageCheck context)
    {
        var problems = new List<ParameterProblem>();
        if (parameters.Epochs > 0) problems.AddRange(parameters.Recipe(new Augmentation(), Precision.Float32).Problems());
        NetworkGraph? graph = null;
        problems.AddRange(StageCheck.Try("model", () => graph = StartingNetwork.Of(parameters, context)));
        if (graph is null) return problems;
        if (parameters.Init.Length > 0)
            problems.AddRange(StageCheck.Try("init", () => WeightFitting.Match(graph, WeightFile.Shapes(context.PathOf(parameters.Init)), "the file")));
        if (parameters.Epochs > 0 && TrainingLoop.BatchFault(graph, parameters.BatchSize) is { } fault) problems.Add(ParameterProblem.Of("batchSize", fault));
        return problems;
    }

    public static NetworkForm? Predict(TrainParameters parameters, StageCheck context) =>
        StartingNetwork.Of(parameters, context) is { } graph ? NetworkForms.Of(graph) : null;

    public StageOutcome Run(StageRun run, TrainParameters parameters)
    {
        var compute = ComputeSetup.Of(run.Threads, run.Device, parameters.Precision);
        if (compute.Warning is { } warning) run.Logger.LogWarning("{Warning}", warning);
        var data = DataSets.Open(run.Data.Name, run.DataPlace, new ImageOptions(parameters.ImageSize));
        var (train, validation) = data.Train.Validation(parameters.Validation, run.Seed);
        using var module = Start(run, parameters, data, compute.Device);

        var hooks = new TrainingHooks
        {
            AfterStep = _ => run.CountImages(parameters.BatchSize),
            Remedy = "Try a smaller learningRate, or some warmupEpochs.",
            Measure = validation.Count == 0 ? null
                : step => new Dictionary<string, double> { ["validationTop1"] = Evaluation.Run(step.Module, validation, parameters.BatchSize, stop: run.Stop).Top1 },
        };
        var history = parameters.Epochs == 0
            ? new TrainingHistory([])
            : TrainingLoop.Run(module, train, parameters.Recipe(data.UsualAugmentation, compute.Precision), run.Seed, hooks, run.State, run.Progress, run.Stop);

        var facts = new Dictionary<string, double>();
        if (history.Epochs is [.., var last]) (facts["trainingLoss"], facts["trainingTop1"]) = (last.Loss, last.Accuracy);
        if (validation.Count > 0) facts["validationTop1"] = Evaluation.Run(module, validation, parameters.BatchSize, stop: run.Stop).Top1;
        if (data.DamageReport is { } damage) run.Logger.LogWarning("{Damage}", damage);
        var step = new LineageStep(
            run.Stage, run.Version, run.Parameters, run.Seed, run.Input, run.Data, compute.Versions(), facts,
            new TrainingRecord(TrainingCourse.Of(history)).ToJson());
        using var checkpoint = new Checkpoint(
            module.Graph, module.Snapshot(), Lineage.Empty.Then(step, compresses: false), new Dictionary<string, WeightFormat>());
        return new StageOutcome(run.Write(stream => CheckpointFile.Write(stream, checkpoint)), facts.With(checkpoint.Graph, checkpoint.Formats), Panels: TrainPanels.Of(step));
    }

    /// <summary>The network where training starts: the zoo's from the seed or a file's weights, a network of the store from its own or a file's.</summary>
    private static GraphModule Start(StageRun run, TrainParameters parameters, DataSet data, TorchSharp.torch.Device device)
    {
        using var own = StoredModel.IsDigest(parameters.Model) ? CheckpointFile.Read(run.PathOf(parameters.Model)) : null;
        if (own is not null) OwnNetwork.CheckFits(own.Graph, data.Input, data.Classes);
        var graph = own?.Graph ?? Zoo.Build(parameters.Model, data.Input, data.Classes);
        if (parameters.Init.Length > 0) return StartFrom(run, run.PathOf(parameters.Init), graph, device);
        return own is null ? GraphModule.Create(graph, run.Seed, device) : GraphModule.FromTensors(graph, own.Tensors, device);
    }

    private static GraphModule StartFrom(StageRun run, string path, NetworkGraph graph, TorchSharp.torch.Device device)
    {
        using var scope = TorchSharp.torch.NewDisposeScope();
        using var file = SafeTensorsFile.Read(path);
        if (WeightFitting.Match(graph, WeightFile.Shapes(path), path).Fresh is { Count: > 0 } fresh)
            run.Logger.LogWarning("{Tensors} start from the seed: the weights are for another number of classes", string.Join(" and ", fresh));
        return WeightFitting.Create(graph, file.Tensors, run.Seed, path, device);
    }
}
