using System.Text.Json;
using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.Hosting;
using Lathe.NN.Checkpoints;
using Lathe.NN.Data;
using Lathe.NN.Execution;
using Lathe.NN.Runtime;
using Lathe.NN.Training;
using Lathe.Pruner.Budget;
using Microsoft.Extensions.Logging;

namespace Lathe.Pruner;

/// <summary>Prunes a network's filters to an exact budget while it trains, then cuts them out.</summary>
public sealed class PruneStage : IStage<PruneParameters>
{
    public static StageManifest Manifest { get; } = new(
        "prune", "10", "Holistic filter pruning: filters removed to an exact budget while training",
        StageInput.Checkpoint, StageOutput.Checkpoint, Metrics:
        [
            .. SizeMetrics.All,
            new("parametersRatio", "params left", Format: MetricFormat.Ratio, Better: Better.Lower, Description: "Parameters over those of the network that entered."),
            new("multiplicationsRatio", "mults left", Format: MetricFormat.Ratio, Better: Better.Lower, Description: "Multiplications over those of the network that entered."),
            new("validationTop1", "validation top-1", "%", MetricFormat.Percent, Better.Higher, Description: "Accuracy on the held-out training images.") { Split = DataSplit.Validation, EachEpoch = true },
            new("bytesPlanned", "KiB at bits", Format: MetricFormat.Bytes, Better: Better.Lower, Description: "With a target for bytes: bytes of the stored tensors once weights have 'bits'."),
            new("bytesPlannedRatio", "bytes left", Format: MetricFormat.Ratio, Better: Better.Lower, Description: "The same over those of the network that entered, with the same bits."),
            new("ramBytesPlanned", "RAM KiB", Format: MetricFormat.Bytes, Better: Better.Lower, Description: "With a target for memory: bytes of the activations of one image at their peak, once they have 'activations'."),
            new("ramBytesPlannedRatio", "RAM left", Format: MetricFormat.Ratio, Better: Better.Lower, Description: "The same over those of the network that entered."),
            new("gatesClosed", "gates closed", Format: MetricFormat.Count, Description: "Times that training closed a channel's gate."),
            new("gatesReopened", "gates reopened", Format: MetricFormat.Count, Description: "Times that training opened a closed gate again."),
            new("gatesClosedByFinish", "closed by finish", Format: MetricFormat.Count, Description: "Channels that the exact finish closed to meet the budget."),
            new("gatesReopenedByFinish", "reopened by finish", Format: MetricFormat.Count, Description: "Channels that the exact finish opened because the budget had room."),
            new("surgeryImages", "proof images", Format: MetricFormat.Count, Description: "Images on which the cut network was compared with the gated one."),
            new("surgeryLogitDifference", "logit difference", Better: Better.Lower, Description: "Largest difference of a logit that cutting the channels made."),
            new("surgeryAgreement", "same class", "%", MetricFormat.Percent, Better.Higher, Description: "Share of the proof's images that both networks take for the same class."),
            new("oneMoreChannelParameters", "params of one more", Format: MetricFormat.Count, Description: "Parameters that the cheapest closed channel would add."),
            new("oneMoreChannelMultiplications", "mults of one more", Format: MetricFormat.Count, Description: "Multiplications that the cheapest closed channel would add."),
            new("oneMoreChannelBytes", "bytes of one more", Format: MetricFormat.Count, Description: "With a target for bytes: what the cheapest closed channel would add."),
            new("oneMoreChannelRamBytes", "RAM of one more", Format: MetricFormat.Count, Description: "With a target for memory: bytes that the cheapest closed channel would add to the peak."),
        ]);

    public static IReadOnlyList<ParameterProblem> Check(PruneParameters parameters, StageCheck context)
    {
        if (SizeBudget.Missing(parameters) is { } missing) return [missing];
        if (parameters.Bits.IsFree && parameters.Method != PruneMethod.Hfp)
            return [ParameterProblem.Of("bits", $"is free, but method {JsonNamingPolicy.CamelCase.ConvertName(parameters.Method.ToString())} does not measure what the loss feels; expected a number from 2 to 8, or method hfp")];
        if (context.Input is not { } input) return [];
        var problems = new List<ParameterProblem>(TargetCheck.Of(input).Problems(parameters));
        if (TrainingLoop.BatchFault(NetworkForms.GraphOf(input), parameters.BatchSize) is { } fault) problems.Add(ParameterProblem.Of("batchSize", fault));
        return problems;
    }

    public static NetworkForm? Predict(PruneParameters parameters, StageCheck context) =>
        context.Input is { } input ? TargetCheck.Of(input).Leaves(parameters) : null;

    public StageOutcome Run(StageRun run, PruneParameters parameters)
    {
        var compute = ComputeSetup.Of(run.Threads, run.Device, parameters.Precision);
        if (compute.Warning is { } warning) run.Logger.LogWarning("{Warning}", warning);
        using var checkpoint = CheckpointFile.Read(run.InputPath!);
        var data = DataSets.Open(run.Data.Name, run.DataPlace, new ImageOptions(checkpoint.Graph.Input.Height));
        var (train, validation) = data.Train.Validation(parameters.Validation, run.Seed);
        using var module = GraphModule.FromTensors(checkpoint.Graph, checkpoint.Tensors, compute.Device);
        Pruning? gated = null;
        using var pruning = gated = new Pruning(checkpoint.Graph, module.Parameters, parameters, run.Seed, layers => BitLosses.Of(module, gated!.Gates, layers, train, run.Seed));
        using var distillation = Distillation.By(
            checkpoint.Graph, checkpoint.Tensors, parameters.Distill, parameters.DistillTemperature, compute.Precision, compute.Device);

        using var cut = new EarlyCut(module, pruning, train);
        var hooks = cut.Around(pruning.Hooks(_ => run.CountImages(parameters.BatchSize))) with
        {
            TaskLoss = distillation is null ? null : distillation.Loss,
        };
        // Until channels are chosen, those that are closed by now count as closed.
        if (validation.Count > 0)
            hooks = hooks with { Measure = step => new Dictionary<string, double> { ["validationTop1"] = Evaluation.Run(step.Module, validation, parameters.BatchSize, hooks.View, hooks.Outputs, run.Stop).Top1 } };
        var training = TrainingLoop.Run(module, train, parameters.Recipe(data.UsualAugmentation, compute.Precision), run.Seed, hooks, run.State, run.Progress, run.Stop);

        var finished = pruning.Finished ?? throw new InvalidOperationException("training ended before the exact finish");
        var small = cut.Module ?? throw new InvalidOperationException("training ended before the cut");
        using var pruned = new Checkpoint(small.Graph, small.Snapshot(), checkpoint.Lineage, new Dictionary<string, WeightFormat>());
        var facts = Facts(finished, pruning.Reach, cut.Proof!);
        facts["gatesClosed"] = pruning.Path.Sum(p => p.Closed);
        facts["gatesReopened"] = pruning.Path.Sum(p => p.Reopened);
        foreach (var (name, (now, dense)) in pruning.Others) (facts[$"{name}Planned"], facts[$"{name}PlannedRatio"]) = (now, now / dense);
        foreach (var (name, more) in pruning.OneMoreChannel ?? new Dictionary<string, double>()) facts[$"oneMoreChannel{char.ToUpperInvariant(name[0])}{name[1..]}"] = more;

        if (validation.Count > 0) facts["validationTop1"] = Evaluation.Run(small, validation, parameters.BatchSize, stop: run.Stop).Top1;
        if (data.DamageReport is { } damage) run.Logger.LogWarning("{Damage}", damage);
        var step = new LineageStep(
            run.Stage, run.Version, run.Parameters, run.Seed, run.Input, run.Data, compute.Versions(), facts,
            PruningRecord.Of(checkpoint.Graph, pruned.Graph, pruning.Path, training, pruning.FreeBits).ToJson());
        var output = run.Write(stream => CheckpointFile.Write(
            stream, pruned with { Lineage = checkpoint.Lineage.Then(step, compresses: true) }));
        return new StageOutcome(output, facts.With(pruned.Graph, pruned.Formats), Panels: PrunePanels.Of(step));
    }

    private static Dictionary<string, double> Facts(FinishedGates finished, ReachableSizes reach, SurgeryProof proof) => new()
    {
        ["parameters"] = finished.Parameters,
        ["parametersRatio"] = finished.Parameters / reach.DenseParameters,
        ["multiplications"] = finished.Multiplications,
        ["multiplicationsRatio"] = finished.Multiplications / reach.DenseMultiplications,
        ["gatesClosedByFinish"] = finished.Closed,
        ["gatesReopenedByFinish"] = finished.Reopened,
        ["surgeryImages"] = proof.Images,
        ["surgeryLogitDifference"] = proof.LogitDifference,
        ["surgeryAgreement"] = proof.Agreement,
    };
}
