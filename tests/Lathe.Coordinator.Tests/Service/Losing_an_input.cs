using System.Collections.Concurrent;
using System.Text;
using Lathe.Contracts;
using Lathe.Hosting;
using Lathe.Testing;

namespace Lathe.Coordinator.Tests;

public sealed record CopyParameters(string Gate = "");

/// <summary>Starts from a checkpoint, waits until the test lets it go on, and makes another.</summary>
public sealed class CopyStage : IStage<CopyParameters>
{
    /// <summary>Runs that are over, by the name of their gate.</summary>
    public static readonly ConcurrentDictionary<string, int> Over = new();

    private static readonly ConcurrentDictionary<string, TaskCompletionSource> Gates = new();

    public static StageManifest Manifest { get; } = new("copy", "1", "Copies.", StageInput.Checkpoint, Contracts.StageOutput.Checkpoint);

    public static TaskCompletionSource Gate(string name) => Gates.GetOrAdd(name, _ => new TaskCompletionSource());

    public StageOutcome Run(StageRun run, CopyParameters parameters)
    {
        run.Progress.Report(new StageProgress("copying"));
        try
        {
            Gate(parameters.Gate).Task.Wait(run.Stop);
        }
        finally
        {
            Over.AddOrUpdate(parameters.Gate, 1, (_, count) => count + 1);
        }

        var content = File.ReadAllText(run.InputPath!) + " copied";
        return new StageOutcome(run.Write(to => to.Write(Encoding.UTF8.GetBytes(content))), new Dictionary<string, double>());
    }
}

/// <summary>A coordinator and its stages in one process, on a real store.</summary>
public sealed class Losing_an_input
{
    [Fact]
    public async Task A_checkpoint_that_is_deleted_while_its_sweep_is_paused_is_computed_again_and_the_sweep_ends_well()
    {
        await using var bench = await HttpBench.StartAsync(
            stages: bus => bus.AddStage<MakeStage, MakeParameters>().AddStage<CopyStage, CopyParameters>().AddStage<MeasureStage, MeasureParameters>());
        var store = bench.Service<CheckpointStore>();
        var gate = Guid.NewGuid().ToString();
        var id = await bench.SubmitAsync($$$"""
            {"spec": {"name": "lost", "models": ["tiny"], "datasets": ["mnist"], "seeds": [0], "stages": [
              {"stage": "make", "parameters": {}}, {"stage": "copy", "parameters": {"gate": "{{{gate}}}"}}, {"stage": "measure", "parameters": {}}]}}
            """);
        await bench.ReachedAsync(id, s => s.Executions[1] is { State: ExecutionState.Running, Progress.Phase: "copying" }, "the copy is under way");

        await bench.PostAsync($"/sweeps/{id}/pause");
        await Eventually.True(() => CopyStage.Over.ContainsKey(gate), "the worker stopped the copy");
        var made = (await bench.GetAsync<SweepStatus>($"/sweeps/{id}")).Executions[0].Output!;
        File.Delete(store.PathOf(made));
        CopyStage.Gate(gate).SetResult();
        await bench.PostAsync($"/sweeps/{id}/resume");

        var status = await bench.EndedAsync(id);
        Assert.Equal(SweepState.Succeeded, status.State);
        Assert.True(store.Has(made));
        Assert.Equal("tiny 1 0 copied".Length, status.Executions[2].Metrics["bytes"]);
    }
}
