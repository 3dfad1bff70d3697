using System.ComponentModel.DataAnnotations;
using System.Text;
using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Coordinator.Tests;

/// <summary>Stages with the names of the real ones, which compute nothing: for the commands of a guide.</summary>
public sealed class GuideTrain : IStage<GuideTrain.Parameters>
{
    private static readonly TaskCompletionSource Gate = new();

    public sealed record Parameters([SweepModel] string Model, int Epochs = 6);

    public static StageManifest Manifest { get; } = new("train", "1", "Trains.", StageInput.Model, Contracts.StageOutput.Checkpoint, ReadsData: false);

    /// <summary>Lets every training end.</summary>
    public static void Release() => Gate.TrySetResult();

    public StageOutcome Run(StageRun run, Parameters parameters)
    {
        Gate.Task.Wait(run.Stop);
        return new StageOutcome(run.Write(to => to.Write(Encoding.UTF8.GetBytes(parameters.Model))), new Dictionary<string, double>());
    }
}

public sealed class GuidePrune : IStage<GuidePrune.Parameters>
{
    public sealed record Parameters([Range(0.0, 1.0)] double Multiplications = 0.5);

    public static StageManifest Manifest { get; } = new("prune", "1", "Prunes.", StageInput.Checkpoint, Contracts.StageOutput.Checkpoint, ReadsData: false);

    public StageOutcome Run(StageRun run, Parameters parameters) =>
        new(run.Write(to => to.Write(BitConverter.GetBytes(parameters.Multiplications))), new Dictionary<string, double>());
}

public sealed class GuideEvaluate : IStage<GuideEvaluate.Parameters>
{
    public sealed record Parameters;

    public static StageManifest Manifest { get; } = new(
        "evaluate", "1", "Evaluates.", StageInput.Checkpoint, Contracts.StageOutput.Metrics, ReadsData: false, Metrics: [new("top1", "top-1")]);

    public StageOutcome Run(StageRun run, Parameters parameters) => new(run.Input!, new Dictionary<string, double> { ["top1"] = 0.75 });
}
