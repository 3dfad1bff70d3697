using Lathe.Cli.Sources;
using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Hosting;
using Lathe.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Time.Testing;

namespace Lathe.Cli.Tests.Commands;

public sealed record HeldParameters([SweepModel] string Model);

/// <summary>Runs until the test lets it end.</summary>
public sealed class HeldStage : IStage<HeldParameters>
{
    public static TaskCompletionSource Gate { get; } = new();

    public static StageManifest Manifest { get; } = new("held", "1", "Runs until it may end.", StageInput.Model, StageOutput.Checkpoint, ReadsData: false);

    public StageOutcome Run(StageRun run, HeldParameters parameters)
    {
        Gate.Task.Wait(run.Stop);
        return new StageOutcome(run.Write(to => to.Write([1])), new Dictionary<string, double>());
    }
}

/// <summary>Who waits for a sweep waits through what the sweep outlives.</summary>
public sealed class Waiting_through_an_outage : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lathe-test-").FullName;
    private readonly FakeTimeProvider _time = new();
    private readonly List<string?> _told = [];

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task A_coordinator_that_starts_again_is_waited_for()
    {
        var url = $"http://127.0.0.1:{PrivateServer.FreePort()}";
        File.WriteAllText(Path.Combine(_folder, "s.yaml"), "model: lenet5\ndataset: fashion-mnist\nstages:\n  - held: {}\n");
        var coordinator = await StartAsync(url);
        await using var submit = CliProcess.Start(_folder, "submit", "s.yaml", "--wait", "--coordinator", url);
        await submit.SaysAsync("held: started");
        await coordinator.StopAsync(Stop);
        await coordinator.DisposeAsync();
        await submit.SaysAsync("The sweep is not lost; this asks again for up to 30 minutes");
        Assert.Contains($"lathe: the coordinator at {url}/ does not answer: ", submit.Text);

        coordinator = await StartAsync(url);
        await submit.SaysAsync("lathe: there is an answer again");
        HeldStage.Gate.TrySetResult();

        Assert.True(await submit.EndAsync() == 0, submit.Text);
        await coordinator.StopAsync(Stop);
        await coordinator.DisposeAsync();
    }

    [Fact]
    public async Task Each_new_reason_is_told_once_and_the_end_of_the_outage_too()
    {
        var away = new LatheException("the database is away", FailureKind.Transient);
        var silent = new LatheException("nobody answers.", FailureKind.Transient);
        Assert.Equal(7, await ReadAsync(silent, silent, away, away, 7));
        const string rest = "The sweep is not lost; this asks again for up to 30 minutes";
        Assert.Equal([$"nobody answers. {rest}", $"the database is away. {rest}", null], _told);
    }

    [Fact]
    public async Task What_will_not_pass_is_told_at_once_and_half_an_hour_is_enough()
    {
        Assert.Equal("no such sweep", (await Assert.ThrowsAsync<LatheException>(() => ReadAsync(new LatheException("no such sweep")))).Message);
        Assert.Empty(_told);
        var began = _time.GetTimestamp();
        var gone = await Assert.ThrowsAsync<LatheException>(() => ReadAsync([.. Enumerable.Repeat<object>(new LatheException("nobody answers", FailureKind.Transient), 1000)]));
        Assert.Equal(("nobody answers. Nothing was heard of the sweep for 30 minutes", FailureKind.Transient), (gone.Message, gone.Kind));
        Assert.InRange(_time.GetElapsedTime(began).TotalMinutes, 30, 32);
    }

    private async Task<int> ReadAsync(params object[] answers)
    {
        var asked = 0;
        var task = PatientReading.ReadAsync(_ => answers[asked++] is Exception e ? Task.FromException<int>(e) : Task.FromResult((int)answers[asked - 1]), _told.Add, _time, Stop);
        while (!task.IsCompleted)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }

        return await task;
    }

    private async Task<WebApplication> StartAsync(string url)
    {
        var home = Path.Combine(_folder, "far");
        var settings = HostingSettings.In(home) with { SlotFolder = Path.Combine(_folder, "slots") };
        var app = CoordinatorHost.Build(settings, DatabaseAddress.In(home), url, new CoordinatorOptions { StageWait = TimeSpan.FromSeconds(30) }, bus => bus.AddStage<HeldStage, HeldParameters>());
        await app.StartAsync(Stop);
        return app;
    }
}
