using System.Text.Json;
using Lathe.Cli.Sources;
using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Hosting;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Cli.Tests.Status;

/// <summary>What <c>lathe pause</c> and the others write, in the name of the coordinator that runs the sweep.</summary>
public sealed class Orders_in_the_database : IAsyncLifetime
{
    private readonly string _home = Directory.CreateTempSubdirectory("lathe-test-").FullName;
    private DatabaseControl _control = null!;
    private DatabaseReader _reader = null!;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var settings = HostingSettings.Load(["--home", _home], _ => null);
        await ManyExecutions.MakeAsync(DatabaseAddress.In(_home), 30);
        _control = new DatabaseControl(settings);
        _reader = new DatabaseReader(settings);
    }

    public ValueTask DisposeAsync()
    {
        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        Directory.Delete(_home, recursive: true);
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task A_paused_sweep_has_nothing_under_way_and_its_workers_are_told()
    {
        var before = await _reader.StatusAsync("many", Stop);
        var moved = (await _control.PauseAsync("many", null, null, Stop)).Executions;
        Assert.Equal(Open(before), moved);
        var paused = await _reader.StatusAsync("many", Stop);
        Assert.Equal(SweepState.Paused, paused.State);
        Assert.Equal(0, paused.Steps!.Sum(s => s.In(ExecutionState.Running) + s.In(ExecutionState.Queued) + s.In(ExecutionState.Ready)));
        await using (var database = new CoordinatorStore(DatabaseAddress.In(_home)).Open())
        {
            var told = await database.Outbox.Where(o => o.CancelReason == "paused" && o.Owner == "lathe.coordinator").CountAsync(Stop);
            Assert.InRange(told, before.Steps!.Sum(s => s.In(ExecutionState.Running)), int.MaxValue);
        }

        Assert.Equal(moved, (await _control.ResumeAsync("many", null, null, Stop)).Executions);
        Assert.Equal(SweepState.Running, (await _reader.StatusAsync("many", Stop)).State);

        static int Open(SweepStatus status) => status.Steps!.Sum(s => s.In(ExecutionState.Waiting) + s.In(ExecutionState.Ready) + s.In(ExecutionState.Queued) + s.In(ExecutionState.Running));
    }

    [Fact]
    public async Task A_retry_runs_what_failed_and_what_hung_on_it_with_other_parameters()
    {
        var before = await _reader.StatusAsync("many", Stop);
        var failed = before.Steps!.Single(s => s.Stage == "quantize").In(ExecutionState.Failed);
        var set = new Dictionary<string, JsonElement> { ["quantize"] = JsonDocument.Parse("""{"epochs":3}""").RootElement };
        Assert.True(failed > 0);

        var refused = await Assert.ThrowsAsync<LatheException>(() => _control.RetryAsync(
            "many", "quantize", null, new Dictionary<string, JsonElement> { ["quantize"] = JsonDocument.Parse("""{"bits":99}""").RootElement }, Stop));
        Assert.StartsWith("--set quantize.bits: ", refused.Message);
        Assert.Equal(failed, (await _control.RetryAsync("many", "quantize", null, set, Stop)).Executions);

        var after = await _reader.StatusAsync("many", Stop);
        Assert.Equal(0, after.Steps!.Single(s => s.Stage == "quantize").In(ExecutionState.Failed));
        Assert.InRange(after.Steps!.Single(s => s.Stage == "evaluate").In(ExecutionState.Skipped), 0, before.Steps!.Single(s => s.Stage == "evaluate").In(ExecutionState.Skipped) - failed);
        var first = before.Failures!.First(f => f.Stage == "quantize").First;
        var mended = (await _reader.PageAsync("many", new PageRequest(first - 1, 1), Stop)).Executions[0];
        Assert.Equal(3, mended.Parameters.GetProperty("epochs").GetInt32());

        // Nothing of it failed any more.
        var nothing = await Assert.ThrowsAsync<LatheException>(() => _control.RetryAsync("many", null, null, set, Stop));
        Assert.Contains("can get other parameters", nothing.Message);
    }

    [Fact]
    public async Task A_sweep_is_deleted_once_it_is_over_and_no_longer_pinned()
    {
        await _control.PriorityAsync("many", 5, Stop);
        await _control.PinAsync("many", true, Stop);
        var sweep = await _reader.StatusAsync("many", Stop);
        Assert.Equal((5, true), (sweep.Priority, sweep.Pinned));
        Assert.Equal("sweep many is running and pinned; first: lathe cancel many, then lathe unpin many", (await Assert.ThrowsAsync<LatheException>(() => _control.DeleteAsync("many", Stop))).Message);
        await _control.CancelAsync("many", null, null, Stop);
        Assert.Equal("sweep many is pinned; first: lathe unpin many", (await Assert.ThrowsAsync<LatheException>(() => _control.DeleteAsync("many", Stop))).Message);
        await _control.PinAsync("many", false, Stop);
        await _control.DeleteAsync("many", Stop);
        Assert.Empty(await _reader.ListAsync(null, Stop));
    }

    [Fact]
    public async Task A_sweep_of_a_run_that_is_over_or_gone_has_nobody_who_carries_out_an_order()
    {
        var (sweep, steps) = await _control.FindAsync("many", Stop);
        Assert.Equal(["train", "prune", "quantize", "evaluate"], steps.Select(s => s.Stage));
        Assert.False(DatabaseControl.IsWithoutOwner(sweep));

        sweep.Owner = CoordinatorHost.OwnQueue();
        Assert.False(DatabaseControl.IsWithoutOwner(sweep));
        sweep.OwnerSeenAt = DateTimeOffset.UtcNow.AddMinutes(-2);
        Assert.True(DatabaseControl.IsWithoutOwner(sweep));
        sweep.OwnerSeenAt = DateTimeOffset.UtcNow;
        sweep.State = SweepState.Cancelled;
        Assert.True(DatabaseControl.IsWithoutOwner(sweep));
        sweep.State = SweepState.Paused;
        sweep.Owner = $"lathe.run.{Environment.MachineName}.{int.MaxValue}.{Guid.NewGuid():N}";
        Assert.True(DatabaseControl.IsWithoutOwner(sweep));
        sweep.Owner = $"lathe.run.other.{int.MaxValue}.{Guid.NewGuid():N}";
        Assert.False(DatabaseControl.IsWithoutOwner(sweep));
    }
}
