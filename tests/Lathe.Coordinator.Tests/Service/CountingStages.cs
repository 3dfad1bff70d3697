using System.Text;
using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Coordinator.Tests;

public sealed record MakeParameters([SweepModel] string Model, int Epochs = 1);

/// <summary>Starts from a model: writes it down.</summary>
public sealed class MakeStage : IStage<MakeParameters>
{
    public static StageManifest Manifest { get; } = new("make", "1", "Writes the model's name.", StageInput.Model, Contracts.StageOutput.Checkpoint);

    public StageOutcome Run(StageRun run, MakeParameters parameters)
    {
        if (parameters.Model == "impossible") throw new LatheException("no such model");
        return new StageOutcome(
            run.Write(to => to.Write(Encoding.UTF8.GetBytes($"{parameters.Model} {parameters.Epochs} {run.Seed}"))), new Dictionary<string, double>());
    }
}

public sealed record MeasureParameters(int Batch = 10);

/// <summary>Starts from a checkpoint: measures its length.</summary>
public sealed class MeasureStage : IStage<MeasureParameters>
{
    public static StageManifest Manifest { get; } = new("measure", "1", "Measures.", StageInput.Checkpoint, Contracts.StageOutput.Metrics, Metrics:
        [new("bytes", "length", Format: MetricFormat.Bytes, IsColumn: true), new("top1", "top-1", "%", MetricFormat.Percent, Better.Higher, IsColumn: true)]);

    public StageOutcome Run(StageRun run, MeasureParameters parameters) =>
        new(run.Input!, new Dictionary<string, double> { ["bytes"] = new FileInfo(run.InputPath!).Length, ["top1"] = 0.75 });
}
