using System.Text.Json;
using Lathe.Cli.Sweeps;
using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Hosting;
using Lathe.NN.Checkpoints;
using Lathe.NN.Data;
using Lathe.NN.Graphs;
using Lathe.NN.Models;
using Lathe.NN.Weights;
using Lathe.Pruner;
using Lathe.Quantizer;
using Lathe.Quantizer.Weights;
using Lathe.Trainer;

namespace Lathe.Cli.Embedded;

/// <summary>Finds what would fail later, before anything trains.</summary>
internal static class Preflight
{
    /// <summary>Checks the sweep against the stages that come with Lathe. One that names another stage is left to the coordinator.</summary>
    /// <exception cref="LatheException">Everything that is wrong, one line each with its place.</exception>
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
    /// <exception cref="LatheException">Everything that is wrong, one line each with its place.</exception>
    public static void CheckNetworks(SweepDocument sweep, SweepPlan plan, CheckpointStore store, Func<string, ImageOptions, DataSetForm?> formOf)
    {
        var problems = new List<SweepProblem>();
        var graphs = new Dictionary<(string, string, int), NetworkGraph?>();
        foreach (var execution in plan.Executions)
        {
            var side = First(execution, plan) is var first && first.Manifest.Name == TrainStage.Manifest.Name
                ? ParametersSchema.Read<TrainParameters>(first.Manifest.Name, first.Parameters).ImageSize
                : new ImageOptions().Side;
            var key = (execution.Model, execution.Dataset, side);
            if (!graphs.TryGetValue(key, out var graph))
                graphs.Add(key, graph = formOf(execution.Dataset, new ImageOptions(side)) is { } form ? Build(execution.Model, form, sweep.Spec, store, problems) : null);
            if (graph is null) continue;
            try
            {
                Check(execution, graph, plan, store);
            }
            catch (LatheException problem)
            {
                problems.Add(Place(problem.Message, execution, sweep.Spec));
            }
        }

        if (problems.Count > 0) throw sweep.Sources.Fault(problems.Distinct().OrderBy(p => p.Path, StringComparer.Ordinal));
    }

    private static PlannedExecution First(PlannedExecution execution, SweepPlan plan)
    {
        while (execution.Parent is { } parent) execution = plan.Executions[parent];
        return execution;
    }

    /// <summary>Behind a pruning the network is smaller and has the same layers, so targets cannot be checked there and names can.</summary>
    private static void Check(PlannedExecution execution, NetworkGraph graph, SweepPlan plan, CheckpointStore store)
    {
        var name = execution.Manifest.Name;
        if (name == TrainStage.Manifest.Name)
        {
            var training = ParametersSchema.Read<TrainParameters>(name, execution.Parameters);
            TrainStage.Check(training);
            if (training.Init.Length > 0) WeightFitting.Match(graph, WeightFile.Shapes(store.PathOf(store.Find(training.Init))), $"{name}.init: the file");
        }

        if (name == PruneStage.Manifest.Name && !IsPruned(execution, plan))
            Pruning.CheckTargets(graph, ParametersSchema.Read<PruneParameters>(name, execution.Parameters));
        if (name == QuantizeStage.Manifest.Name)
            StepSizes.CheckNames(graph, ParametersSchema.Read<QuantizeParameters>(name, execution.Parameters));
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
            var graph = CheckpointFile.ReadHeader(store.PathOf(store.Find(stored.Sha256))).Graph;
            OwnNetwork.CheckFits(graph, data.Input, data.Classes);
            return graph;
        }
        catch (LatheException problem)
        {
            problems.Add(new SweepProblem($"/models/{spec.Models.ToList().IndexOf(model)}", $"does not fit {data.Name}: {problem.Message}"));
            return null;
        }
    }

    private static bool IsPruned(PlannedExecution execution, SweepPlan plan)
    {
        for (var parent = execution.Parent; parent is { } index; parent = plan.Executions[index].Parent)
        {
            if (plan.Executions[index].Manifest.Name == PruneStage.Manifest.Name) return true;
        }

        return false;
    }

    /// <summary>A stage's messages begin with the parameter, <c>prune.multiplications: ...</c>; says where that value was written.</summary>
    private static SweepProblem Place(string message, PlannedExecution execution, SweepSpec spec)
    {
        var stage = spec.Stages.Select((s, i) => (s, i)).First(s => s.s.Stage == execution.Manifest.Name);
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
