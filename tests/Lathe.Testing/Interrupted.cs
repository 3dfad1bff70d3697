using System.Text.Json;
using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Testing;

/// <summary>Runs a stage that is told to stop in mid-training, again and again, and goes on each time from what it saved.</summary>
public static class Interrupted
{
    /// <summary>Runs the stage to its end.</summary>
    /// <param name="settings">Home and data; the home must be new to this execution.</param>
    /// <param name="parameters">Of the stage.</param>
    /// <param name="data">Data set name.</param>
    /// <param name="input">Checkpoint to start from, or null.</param>
    /// <param name="stops">Training steps before each stop, counted from the last one.</param>
    /// <returns>What it made, and how often it was really stopped.</returns>
    public static (StageOutcome Outcome, int Stops) Run<TStage, TParameters>(
        HostingSettings settings, JsonElement parameters, string data, CheckpointRef? input, params IReadOnlyList<int> stops)
        where TStage : class, IStage<TParameters>, new()
    {
        for (var stopped = 0; ; stopped++)
        {
            using var stop = new CancellationTokenSource();
            var left = stopped < stops.Count ? stops[stopped] : int.MaxValue;
            var trial = new StageTrial(settings) { OnImages = _ => { if (--left == 0) stop.Cancel(); } };
            try
            {
                return (trial.Run<TStage, TParameters>(parameters, data, input, stop: stop.Token), stopped);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                // On to the next turn, which finds the state.
            }
        }
    }
}
