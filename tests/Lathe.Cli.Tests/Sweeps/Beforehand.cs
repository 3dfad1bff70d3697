using System.Text.Json;
using Lathe.Cli.Embedded;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Lathe.Coordinator;
using Lathe.Evaluator;
using Lathe.Hosting;
using Lathe.Pruner;
using Lathe.Quantizer;
using Lathe.Trainer;

namespace Lathe.Cli.Tests.Sweeps;

/// <summary>Asks the built-in stages about a sweep as a coordinator does, without a bus.</summary>
internal static class Beforehand
{
    private static readonly Dictionary<string, Func<JsonElement, StageCheck, StageForecast>> Stages = new()
    {
        [TrainStage.Manifest.Name] = StageCheck.Ask<TrainStage, TrainParameters>,
        [PruneStage.Manifest.Name] = StageCheck.Ask<PruneStage, PruneParameters>,
        [QuantizeStage.Manifest.Name] = StageCheck.Ask<QuantizeStage, QuantizeParameters>,
        [EvaluateStage.Manifest.Name] = StageCheck.Ask<EvaluateStage, EvaluateParameters>,
    };

    /// <exception cref="LatheException">Everything that the schemas refuse.</exception>
    public static SweepPlan Plan(SweepDocument sweep)
    {
        var plan = SweepPlanner.Plan(sweep.Spec, BuiltInStages.Manifests);
        return plan.Problems.Count == 0 ? plan : throw sweep.Sources.Fault(plan.Problems);
    }

    /// <exception cref="LatheException">Everything that the stages refuse.</exception>
    public static async Task CheckAsync(SweepDocument sweep, string store)
    {
        var settings = HostingSettings.In(store) with { Store = store };
        var verdict = await new SweepCheck((request, _) => Task.FromResult(new StageChecked(
        [
            .. request.Questions.Select(q => Stages[request.Stage](
                q.Parameters, new StageCheck(q.Dataset, q.Input is { } input ? request.Inputs[input] : null, settings))),
        ]))).RunAsync(sweep.Spec, Plan(sweep));
        Assert.Empty(verdict.Notes);
        if (verdict.Problems.Count > 0) throw sweep.Sources.Fault(verdict.Problems);
    }
}
