using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.Hosting;
using Lathe.NN.Checkpoints;
using Lathe.NN.Data;
using Lathe.NN.Execution;
using Lathe.NN.Runtime;
using Lathe.NN.Training;
using Microsoft.Extensions.Logging;

namespace Lathe.Examples.Distiller;

/// <summary>
/// Trains the network that enters on the answers of a larger one. After Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network"
/// (2015, arXiv 1503.02531).
/// </summary>
public sealed class DistillStage : IStage<DistillParameters>
{
    public static StageManifest Manifest { get; } = new(
        "distill", "1", "Training on the answers of a teacher", StageInput.Checkpoint, StageOutput.Checkpoint, Metrics:
        [
            .. SizeMetrics.All,
            new("validationTop1", "validation top-1", "%", MetricFormat.Percent, Better.Higher, Description: "Accuracy on the held-out training images."),
            new("validationTop1Before", "validation top-1 before", "%", MetricFormat.Percent, Better.Higher, Description: "The same of the network that entered."),
            new("teacherTop1", "teacher top-1", "%", MetricFormat.Percent, Better.Higher, Description: "The same of the teacher."),
        ]);

    public static IReadOnlyList<ParameterProblem> Check(DistillParameters parameters, StageCheck context)
    {
        var problems = new List<ParameterProblem>(parameters.Recipe(new Augmentation(), Precision.Float32).Problems());
        if (context.Input is not { } input) return problems;
        var graph = NetworkForms.GraphOf(input);
        if (TrainingLoop.BatchFault(graph, parameters.BatchSize) is { } fault) problems.Add(ParameterProblem.Of("batchSize", fault));
        if (parameters.Teacher.Length > 0) problems.AddRange(StageCheck.Try("teacher", () => CheckFits(CheckpointHeader.Read(context.PathOf(parameters.Teacher)).Graph, graph)));
        return problems;
    }

    /// <summary>Layers and sizes stay.</summary>
    public static NetworkForm? Predict(DistillParameters parameters, StageCheck context) => context.Input;

    public StageOutcome Run(StageRun run, DistillParameters parameters)
    {
        var compute = ComputeSetup.Of(run.Threads, run.Device, parameters.Precision);
        if (compute.Warning is { } warning) run.Logger.LogWarning("{Warning}", warning);
        using var student = CheckpointFile.Read(run.InputPath!);
        if (student.Formats.Count > 0) throw new LatheException("distill: the weights of the network are fixed-point numbers, and would not stay so; put distill before the stage that quantizes, or give that stage its own 'distill'");
        using var teacher = CheckpointFile.Read(TeacherOf(run, student, parameters));
        CheckFits(teacher.Graph, student.Graph);
        var data = DataSets.Open(run.Data.Name, run.DataPlace, new ImageOptions(student.Graph.Input.Height));
        var (train, validation) = data.Train.Validation(parameters.Validation, run.Seed);
        using var module = GraphModule.FromTensors(student.Graph, student.Tensors, compute.Device);
        using var distillation = Distillation.By(teacher.Graph, teacher.Tensors, parameters.Share, parameters.Temperature, compute.Precision, compute.Device)!;

        var facts = new Dictionary<string, double>();
        if (validation.Count > 0)
        {
            using var master = GraphModule.FromTensors(teacher.Graph, teacher.Tensors, compute.Device);
            facts["teacherTop1"] = Evaluation.Run(master, validation, parameters.BatchSize, stop: run.Stop).Top1;
            facts["validationTop1Before"] = Evaluation.Run(module, validation, parameters.BatchSize, stop: run.Stop).Top1;
        }

        var hooks = new TrainingHooks { TaskLoss = distillation.Loss, AfterStep = _ => run.CountImages(parameters.BatchSize), Phase = _ => "distilling" };
        var history = TrainingLoop.Run(module, train, parameters.Recipe(data.UsualAugmentation, compute.Precision), run.Seed, hooks, run.State, run.Progress, run.Stop);
        if (validation.Count > 0) facts["validationTop1"] = Evaluation.Run(module, validation, parameters.BatchSize, stop: run.Stop).Top1;

        var record = new TrainingRecord(TrainingCourse.Of(history));
        var step = new LineageStep(run.Stage, run.Version, run.Parameters, run.Seed, run.Input, run.Data, compute.Versions(), facts, record.ToJson());
        using var taught = new Checkpoint(student.Graph, module.Snapshot(), student.Lineage.Then(step, compresses: false), student.Formats);
        return new StageOutcome(
            run.Write(stream => CheckpointFile.Write(stream, taught)), facts.With(taught.Graph, taught.Formats), Panels: TrainingPanels.Of(record.Training, run.Stage, "Distillation", run.Parameters));
    }

    /// <summary>File of the teacher: the one named, else the dense ancestor; a network that is dense itself learns from what it was.</summary>
    private static string TeacherOf(StageRun run, Checkpoint student, DistillParameters parameters) =>
        parameters.Teacher.Length > 0 ? run.PathOf(parameters.Teacher) : student.Lineage.Dense is { } dense ? run.PathOf(dense) : run.InputPath!;

    private static void CheckFits(NetworkGraph teacher, NetworkGraph student)
    {
        if (teacher.Input != student.Input) throw new LatheException($"the teacher takes images of {teacher.Input}, the network {student.Input}; expected the same");
        var (its, own) = (Classes(teacher), Classes(student));
        if (its != own) throw new LatheException($"the teacher knows {its} classes, the network {own}; expected the same");
    }

    private static int Classes(NetworkGraph graph) => ShapeInference.Infer(graph)[graph.Output].Channels;
}
