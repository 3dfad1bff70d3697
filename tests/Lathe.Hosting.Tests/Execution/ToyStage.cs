using System.Collections.Concurrent;
using System.ComponentModel.DataAnnotations;
using Lathe.Contracts;

namespace Lathe.Hosting.Tests;

/// <param name="Steps">Steps to take; the state is saved after each.</param>
/// <param name="Hook">Name of what the test does at each step.</param>
public sealed record ToyCounting([Range(1, 1000)] int Steps = 3, string Hook = "");

/// <summary>Counts: its checkpoint is the list of its steps, each a function of the one before, so a lost or doubled step shows.</summary>
public sealed class ToyStage : IStage<ToyCounting>
{
    /// <summary>What a test does at each step, by name: gets the number of the step and the token that tells the stage to go.</summary>
    public static ConcurrentDictionary<string, Action<int, CancellationToken>> Hooks { get; } = new();

    public static StageManifest Manifest => new("toy", "1", "Counts.", StageInput.Model, StageOutput.Checkpoint, Metrics: [new("steps", "steps"), new("threads", "threads"), new("device", "device")]);

    public StageOutcome Run(StageRun run, ToyCounting parameters)
    {
        var (step, value) = (0, (ulong)run.Seed);
        using (var saved = run.State.Open())
        {
            if (saved is not null)
            {
                using var reader = new BinaryReader(saved);
                (step, value) = (reader.ReadInt32(), reader.ReadUInt64());
            }
        }

        while (step < parameters.Steps)
        {
            if (Hooks.TryGetValue(parameters.Hook, out var hook)) hook(step, run.Stop);
            run.Stop.ThrowIfCancellationRequested();
            value = (value * 6364136223846793005) + 1442695040888963407;
            step++;
            run.CountImages(10);
            run.Progress.Report(new StageProgress("training", step, parameters.Steps, ImagesPerSecond: 1000));
            run.State.Save(stream =>
            {
                using var writer = new BinaryWriter(stream);
                writer.Write(step);
                writer.Write(value);
            });
        }

        var output = run.Write(stream => stream.Write(BitConverter.GetBytes(value)));
        return new StageOutcome(output, new Dictionary<string, double> { ["steps"] = step, ["threads"] = run.Threads, ["device"] = (int)run.Device.Kind });
    }
}
