using System.Collections.Concurrent;
using System.Text;
using Lathe.Contracts;
using Lathe.Hosting;
using Lathe.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

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
public sealed class Losing_an_input : IAsyncDisposable
{
    private readonly string _home = Directory.CreateTempSubdirectory("lathe-input-").FullName;
    private WebApplication? _app;

    [Fact]
    public async Task A_checkpoint_that_is_deleted_while_its_sweep_is_paused_is_computed_again_and_the_sweep_ends_well()
    {
        var settings = HostingSettings.In(_home) with { SlotFolder = Path.Combine(_home, "slots"), Cpus = 4, Threads = 1 };
        var data = Directory.CreateDirectory(Path.Combine(_home, "data", "mnist")).FullName;
        foreach (var file in DataSetFiles.ByName["mnist"]) File.WriteAllText(Path.Combine(data, file), file);
        var options = new CoordinatorOptions { StageWait = TimeSpan.FromSeconds(30), CheckPatience = TimeSpan.FromSeconds(30) };
        _app = CoordinatorHost.Build(
            settings, DatabaseAddress.In(_home), "http://127.0.0.1:0", options,
            bus => bus.AddStage<MakeStage, MakeParameters>().AddStage<CopyStage, CopyParameters>().AddStage<MeasureStage, MeasureParameters>());
        await _app.StartAsync();
        var (orchestrator, queries) = (_app.Services.GetRequiredService<Orchestrator>(), _app.Services.GetRequiredService<SweepQueries>());
        var gate = Guid.NewGuid().ToString();
        var spec = new SweepSpec("lost", ["tiny"], ["mnist"], [0],
        [
            new StageSpec("make", Stages.Json("{}")), new StageSpec("copy", Stages.Json($$"""{"gate": "{{gate}}"}""")), new StageSpec("measure", Stages.Json("{}")),
        ]);
        var outcome = await orchestrator.SubmitAsync(new SweepSubmission(spec));
        Assert.Empty(outcome.Problems);
        var id = outcome.Id!.Value;
        await ReachedAsync(s => s.Executions[1] is { State: ExecutionState.Running, Progress.Phase: "copying" }, "the copy is under way");

        await orchestrator.PauseAsync(new ControlTarget(id));
        await ReachedAsync(s => s.State == SweepState.Paused, "the sweep is paused");
        await Eventually.True(() => CopyStage.Over.ContainsKey(gate), "the worker stopped the copy");
        var made = (await queries.StatusAsync(id.ToString())).Executions[0].Output!;
        File.Delete(new CheckpointStore(settings).PathOf(made));
        CopyStage.Gate(gate).SetResult();
        await orchestrator.ResumeAsync(new ControlTarget(id));

        var status = await ReachedAsync(s => s.State is not (SweepState.Running or SweepState.Paused or SweepState.Preparing), "the sweep is over");
        Assert.Equal(SweepState.Succeeded, status.State);
        Assert.True(new CheckpointStore(settings).Has(made));
        Assert.Equal("tiny 1 0 copied".Length, status.Executions[2].Metrics["bytes"]);

        async Task<SweepStatus> ReachedAsync(Func<SweepStatus, bool> condition, string what)
        {
            var status = await queries.StatusAsync(id.ToString());
            await Eventually.True(
                () =>
                {
                    status = queries.StatusAsync(id.ToString()).GetAwaiter().GetResult();
                    return condition(status);
                },
                what);
            return status;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_app is not null)
        {
            await _app.StopAsync();
            await _app.DisposeAsync();
        }

        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        Directory.Delete(_home, recursive: true);
    }
}
