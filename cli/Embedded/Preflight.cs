using System.Text.Json;
using Lathe.Cli.Sweeps;
using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Hosting;
using Lathe.NN.Checkpoints;
using Lathe.NN.Data;
using Lathe.NN.Graphs;
using Lathe.NN.Models;
using Lathe.NN.Training;
using Lathe.NN.Weights;
using Lathe.Pruner;
using Lathe.Pruner.Budget;
using Lathe.Quantizer;
using Lathe.Quantizer.Weights;
using Lathe.Trainer;

namespace Lathe.Cli.Embedded;

/// <summary>Finds what would fail later, before anything trains.</summary>
internal static class Preflight
{
    /// <summary>Checks the sweep against the stages that come with Lathe. One that names another stage is left to the coordinator.</summary>
    /// <exception cref="LatheException">All problems, one line each with its place.</exception>
    public static SweepPlan? Plan(SweepDocument sweep, bool onlyBuiltIn)
    {
        if (!onlyBuiltIn && sweep.Spec.Stages.Any(s => !BuiltInStages.ByName.ContainsKey(s.Stage))) return null;
        var plan = SweepPlanner.Plan(sweep.Spec, BuiltInStages.Manifests);
        List<SweepProblem> problems = [.. plan.Problems, .. UnknownModels(sweep.Spec)];
        return problems.Count == 0 ? plan : throw sweep.Sources.Fault(problems);
    }

    /// <summary>Builds every model for its data set, and asks the stages whether they can do with it what the sweep says.</summary>
    /// <param name="sweep">The sweep.</param>
    /// <param name="plan">Its tree.</param>
    /// <param name="store">Holds the networks and weights that trainings start from.</param>
    /// <param name="formOf">What is known of a data set here; null where that is nothing: then its workers will see.</param>
    /// <exception cref="LatheException">All problems, one line each with its place.</exception>
    public static void CheckNetworks(SweepDocument sweep, SweepPlan plan, CheckpointStore store, Func<string, ImageOptions, DataSetForm?> formOf)
    {
        var problems = new List<SweepProblem>();
        var misfits = new Dictionary<PlannedExecution, SweepProblem>(ReferenceEqualityComparer.Instance);
        var graphs = new Dictionary<(string, string, int), NetworkGraph?>();
        var targets = new Dictionary<NetworkGraph, TargetCheck>(ReferenceEqualityComparer.Instance);
        foreach (var execution in plan.Executions)
        {
            var side = First(execution, plan) is var first && first.Manifest.Name == TrainStage.Manifest.Name
                ? ParametersSchema.Read<TrainParameters>(first.Manifest.Name, first.Parameters).ImageSize
                : new ImageOptions().Side;
            var key = (execution.Model, execution.Dataset, side);
            if (!graphs.TryGetValue(key, out var graph))
                graphs.Add(key, graph = formOf(execution.Dataset, new ImageOptions(side)) is { } form ? Build(execution.Model, form, sweep.Spec, store, problems) : null);
            if (graph is null) continue;
            // Behind targets that cannot be reached there is nothing to say of further ones.
            if (IsPruning(execution) && Ancestors(execution, plan).Any(earlier => IsPruning(earlier) && misfits.ContainsKey(earlier))) continue;
            try
            {
                Check(execution, graph, store);
                if (IsPruning(execution)) TargetsOf(graph).Run(Prunings(execution, plan));
            }
            catch (LatheException problem)
            {
                misfits.Add(execution, Place(problem.Message, execution, plan, sweep.Spec));
            }
        }

        problems.AddRange(misfits.GroupBy(m => m.Value, m => m.Key).Select(same => Named(same.Key, [.. same], sweep.Spec)));
        if (problems.Count > 0) throw sweep.Sources.Fault(problems.Distinct().OrderBy(p => p.Path, StringComparer.Ordinal));

        TargetCheck TargetsOf(NetworkGraph graph)
        {
            if (!targets.TryGetValue(graph, out var check)) targets.Add(graph, check = new TargetCheck(graph));
            return check;
        }
    }

    /// <summary>Says which of several models and data sets it is that the sweep does not fit, where it fits others.</summary>
    private static SweepProblem Named(SweepProblem problem, List<PlannedExecution> where, SweepSpec spec)
    {
        var models = where.Select(e => e.Model).Distinct().ToList();
        var datasets = where.Select(e => e.Dataset).Distinct().ToList();
        var named = new List<string>();
        if (models.Count < spec.Models.Distinct().Count()) named.Add(string.Join(", ", models.Select(StoredModel.Shown)));
        if (datasets.Count < spec.Datasets.Distinct().Count()) named.Add("on " + string.Join(", ", datasets));
        return named.Count == 0 ? problem : problem with { Message = $"{string.Join(' ', named)}: {problem.Message}" };
    }

    /// <summary>What the prunings before it and it itself are to do, in order.</summary>
    private static List<PruneParameters> Prunings(PlannedExecution execution, SweepPlan plan) =>
    [
        .. Ancestors(execution, plan).Where(IsPruning).Reverse().Append(execution)
            .Select(e => ParametersSchema.Read<PruneParameters>(e.Manifest.Name, e.Parameters)),
    ];

    private static bool IsPruning(PlannedExecution execution) => execution.Manifest.Name == PruneStage.Manifest.Name;

    /// <summary>The executions whose checkpoints it comes from, its own first.</summary>
    private static IEnumerable<PlannedExecution> Ancestors(PlannedExecution execution, SweepPlan plan)
    {
        for (var parent = execution.Parent; parent is { } index; parent = plan.Executions[index].Parent) yield return plan.Executions[index];
    }

    private static PlannedExecution First(PlannedExecution execution, SweepPlan plan)
    {
        while (execution.Parent is { } parent) execution = plan.Executions[parent];
        return execution;
    }

    /// <summary>Behind a pruning the network is smaller and has the same layers, so names can be checked there as well.</summary>
    private static void Check(PlannedExecution execution, NetworkGraph graph, CheckpointStore store)
    {
        var name = execution.Manifest.Name;
        if (name == TrainStage.Manifest.Name)
        {
            var training = ParametersSchema.Read<TrainParameters>(name, execution.Parameters);
            TrainStage.Check(training);
            if (training.Init.Length > 0) WeightFitting.Match(graph, WeightFile.Shapes(store.PathOf(store.Find(training.Init))), $"{name}.init: the file");
        }

        if (name == QuantizeStage.Manifest.Name)
        {
            var quantization = ParametersSchema.Read<QuantizeParameters>(name, execution.Parameters);
            QuantizeStage.Check(quantization);
            StepSizes.CheckNames(graph, quantization);
        }

        if (BatchSize(execution) is { } batchSize) TrainingLoop.CheckBatches(graph, batchSize, $"{name}.batchSize");
    }

    /// <summary>Images in a batch of a stage that trains; null where it does not, or is not known to.</summary>
    private static int? BatchSize(PlannedExecution execution)
    {
        var (name, parameters) = (execution.Manifest.Name, execution.Parameters);
        if (name == TrainStage.Manifest.Name) return ParametersSchema.Read<TrainParameters>(name, parameters) is { Epochs: > 0 } train ? train.BatchSize : null;
        if (IsPruning(execution)) return ParametersSchema.Read<PruneParameters>(name, parameters).BatchSize;
        if (name != QuantizeStage.Manifest.Name) return null;
        return ParametersSchema.Read<QuantizeParameters>(name, parameters) is { Method: not QuantizeMethod.Naive } quantize ? quantize.BatchSize : null;
    }

    private static IEnumerable<SweepProblem> UnknownModels(SweepSpec spec)
    {
        for (var i = 0; i < spec.Models.Count; i++)
        {
            if (Fault(spec.Models[i]) is { } fault) yield return new SweepProblem($"/models/{i}", fault);
        }

        static string? Fault(string model)
        {
            try
            {
                if (StoredModel.TryParse(model) is null) Zoo.Entry(model);
                return null;
            }
            catch (LatheException problem)
            {
                return problem.Message;
            }
        }
    }

    private static NetworkGraph? Build(string model, DataSetForm data, SweepSpec spec, CheckpointStore store, List<SweepProblem> problems)
    {
        try
        {
            if (StoredModel.TryParse(model) is not { } stored) return Zoo.Build(model, data.Input, data.Classes);
            var graph = CheckpointHeader.Read(store.PathOf(store.Find(stored.Sha256))).Graph;
            OwnNetwork.CheckFits(graph, data.Input, data.Classes);
            return graph;
        }
        catch (LatheException problem)
        {
            problems.Add(new SweepProblem($"/models/{spec.Models.ToList().IndexOf(model)}", $"does not fit {data.Name}: {problem.Message}"));
            return null;
        }
    }

    /// <summary>A stage's messages begin with the parameter, <c>prune.multiplications: ...</c>; says where that value was written.</summary>
    private static SweepProblem Place(string message, PlannedExecution execution, SweepPlan plan, SweepSpec spec)
    {
        // Stages that make checkpoints are all in the line of ancestors; of the others only the first is known.
        var before = Ancestors(execution, plan).Count(e => e.Manifest.Name == execution.Manifest.Name);
        var stage = spec.Stages.Select((s, i) => (s, i)).Where(s => s.s.Stage == execution.Manifest.Name).ElementAt(before);
        var path = $"/stages/{stage.i}/{stage.s.Stage}";
        var colon = message.IndexOf(": ", StringComparison.Ordinal);
        var prefix = $"{stage.s.Stage}.";
        if (colon < 0) return new SweepProblem(path, message);
        var text = message[(colon + 2)..];
        if (!message.StartsWith(prefix, StringComparison.Ordinal)) return new SweepProblem(path, text);

        var name = message[prefix.Length..colon];
        path += $"/{name}";
        if (stage.s.Parameters.TryGetProperty(name, out var written) && written.ValueKind == JsonValueKind.Array
            && execution.Parameters.TryGetProperty(name, out var value))
        {
            var index = written.EnumerateArray().Select(CanonicalJson.Write).ToList().IndexOf(CanonicalJson.Write(value));
            if (index >= 0) path += $"/{index}";
        }

        return new SweepProblem(path, text);
    }
}
