using System.Collections.Concurrent;
using System.ComponentModel.DataAnnotations;
using System.Text;
using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Coordinator.Tests;

public sealed record HoldParameters([SweepModel] string Model, [Range(0.0, 1.0)] double Share = 1, [WeightsFile] string Init = "");

/// <summary>Starts from a model, tells one epoch, and runs until the test lets it end; a share below a half fails.</summary>
public sealed class HoldStage : IStage<HoldParameters>
{
    private static readonly ConcurrentDictionary<string, TaskCompletionSource> Gates = new();

    public static StageManifest Manifest { get; } = new("hold", "1", "Runs until it may end.", StageInput.Model, Contracts.StageOutput.Checkpoint, ReadsData: false);

    /// <summary>Model whose check waits for its release, too.</summary>
    public const string Asked = "asked";

    /// <summary>Ends when <see cref="Asked"/> is being checked.</summary>
    public static TaskCompletionSource IsAsked { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public static void Release(string model) => Gate(model).TrySetResult();

    public static IReadOnlyList<ParameterProblem> Check(HoldParameters parameters, StageCheck context)
    {
        if (parameters.Model == Asked)
        {
            IsAsked.TrySetResult();
            Gate(Asked).Task.Wait(TimeSpan.FromSeconds(20));
        }

        return parameters.Share == 0.125 ? [ParameterProblem.Of("share", "an eighth leaves nothing")] : [];
    }

    public StageOutcome Run(StageRun run, HoldParameters parameters)
    {
        if (parameters.Share < 0.5) throw new LatheException("the share is too small");
        run.Progress.Report(new StageProgress("holding", 1, 2, LastEpoch: new EpochFigures(1, 0.5, 0.75)));
        Gate(parameters.Model).Task.Wait(run.Stop);
        return new StageOutcome(run.Write(to => to.Write(Encoding.UTF8.GetBytes($"{parameters.Model} {parameters.Share} {run.Seed}"))), new Dictionary<string, double>());
    }

    private static TaskCompletionSource Gate(string model) => Gates.GetOrAdd(model, _ => new TaskCompletionSource());
}
