using System.Text;
using Lathe.Contracts;
using Lathe.Hosting;
using Lathe.Testing;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging.Abstractions;
using static Lathe.Coordinator.Tests.Stages;

namespace Lathe.Coordinator.Tests;

/// <summary>Deletions in a real store beside a real database. The bench's clock is years ahead of the files'.</summary>
public sealed class Collecting_a_store
{
    private static readonly RetentionRule KeepNone = new(KeepLast: 0);

    [Theory, CombinatorialDatabases]
    public async Task What_a_paused_sweep_goes_on_from_stays_until_it_is_over(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        var id = await bench.SubmitAsync(Sweep(("train", "{}"), ("prune", """{"multiplications": [0.5, 0.25]}"""), ("quantize", "{}"), ("evaluate", "{}")));
        await bench.FinishAsync(Assert.Single(bench.Bus.Take()));
        await bench.Orchestrator.PauseAsync(new ControlTarget(id));
        var trained = (await bench.StatusAsync(id)).Executions[0].Output!;

        await Collector(bench).CollectAsync(KeepNone with { Budget = 0 }, isDryRun: false);
        Assert.True(bench.Checkpoints.Has(trained));

        await bench.Orchestrator.ResumeAsync(new ControlTarget(id));
        await bench.PumpAsync();
        await bench.FinishAllAsync();
        var status = await bench.StatusAsync(id);
        Assert.Equal(SweepState.Succeeded, status.State);
        var dry = await Collector(bench).CollectAsync(KeepNone, isDryRun: true);
        var pruned = status.Executions.Where(e => e.Stage == "prune").Select(e => e.Output!).ToList();
        Assert.All(pruned, p => Assert.True(bench.Checkpoints.Has(p)));
        var report = await Collector(bench).CollectAsync(KeepNone, isDryRun: false);
        Assert.Equal(dry.Lines, report.Lines);
        Assert.All(pruned, p => Assert.False(bench.Checkpoints.Has(p)));
        // Both leaves measure the same, so that neither beats the other, and an evaluation compares them with the trained network.
        Assert.All(status.Executions.Where(e => e.Stage == "evaluate").Select(e => e.Output!).Append(trained), c => Assert.True(bench.Checkpoints.Has(c)));
        Assert.Contains(report.Lines, l => l is { Goes: false, Count: 1, Why: "what a result on a Pareto front is compared with" });
        Assert.All(status.Executions, e => Assert.NotNull(bench.Results.Find(e.Key!)));
        Assert.Equal((2, pruned.Sum(p => p.Bytes)), report.Lines.Where(l => l.Goes).Select(l => (l.Count, l.Bytes)).Single());
        Assert.Equal(report.Before - pruned.Sum(p => p.Bytes), report.After);
    }

    [Theory, CombinatorialDatabases]
    public async Task A_sweep_takes_no_more_than_it_says_and_others_lose_nothing(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        var spec = Sweep(("train", "{}"), ("prune", """{"multiplications": [0.5, 0.25]}"""), ("quantize", "{}"), ("evaluate", "{}"));
        Assert.Equal("/limits/keepDays", Assert.Single((await bench.Orchestrator.SubmitAsync(new SweepSubmission(spec, Limits: new SweepLimits(KeepDays: -1)))).Problems).Path);
        var frugal = await bench.SubmitAsync(new SweepSubmission(spec, Limits: new SweepLimits(BudgetBytes: 0)));
        var other = await bench.SubmitAsync(spec with { Seeds = [9] });
        await bench.FinishAllAsync();

        var report = await Collector(bench).CollectAsync(RetentionRule.OfSweeps, isDryRun: false);

        Assert.All((await bench.StatusAsync(frugal)).Executions.Where(e => e.Stage == "prune"), e => Assert.False(bench.Checkpoints.Has(e.Output!)));
        Assert.All((await bench.StatusAsync(other)).Executions, e => Assert.True(bench.Checkpoints.Has(e.Output!)));
        Assert.Equal("over the budget of its sweep", Assert.Single(report.Lines, l => l.Goes).Why);
    }

    [Fact]
    public async Task A_result_whose_checkpoint_was_deleted_is_computed_again_and_not_found()
    {
        using var bench = await Workbench.StartAsync();
        var spec = Sweep(("train", "{}"), ("prune", "{}"), ("quantize", "{}"), ("evaluate", "{}"));
        await bench.SubmitAsync(spec);
        await bench.FinishAllAsync();
        await Collector(bench).CollectAsync(KeepNone, isDryRun: false);

        var again = await bench.SubmitAsync(spec);

        Assert.Equal("prune", Assert.Single(await bench.FinishAllAsync()).Stage);
        Assert.Equal([ExecutionState.Cached, ExecutionState.Completed, ExecutionState.Cached, ExecutionState.Cached], await bench.StatesAsync(again));
    }

    [Fact]
    public async Task Of_a_pinned_sweep_nothing_goes()
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(Sweep(("train", "{}"), ("prune", "{}")));
        await bench.FinishAllAsync();
        await bench.Orchestrator.PinAsync(id, isPinned: true);

        var report = await Collector(bench).CollectAsync(KeepNone with { Budget = 0 }, isDryRun: false);

        Assert.DoesNotContain(report.Lines, l => l.Goes);
        Assert.False(report.MeetsBudget);
        Assert.Equal("of a pinned sweep", report.Lines.First(l => l.What.StartsWith("checkpoint", StringComparison.Ordinal)).Why);
    }

    [Fact]
    public async Task A_leaf_that_another_beats_goes_before_the_front()
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(Sweep(("train", "{}"), ("prune", """{"multiplications": [0.5, 0.25]}"""), ("evaluate", "{}")));
        var top1 = 0.8;
        while (bench.Bus.Take() is { Count: > 0 } commands)
        {
            foreach (var command in commands)
            {
                var work = bench.Work(command);
                if (command.Stage == "evaluate") work = work with { Metrics = new Dictionary<string, double> { ["top1"] = top1 += 0.05, ["bytes"] = 25 } };
                await bench.ReportAsync(work);
            }
        }

        await Collector(bench).CollectAsync(KeepNone, isDryRun: false);

        var measured = (await bench.StatusAsync(id)).Executions.Where(e => e.Stage == "evaluate").ToDictionary(e => e.Metrics["top1"], e => bench.Checkpoints.Has(e.Output!));
        Assert.Equal([false, true], measured.OrderBy(m => m.Key).Select(m => m.Value));
    }

    [Fact]
    public async Task Networks_that_a_sweep_starts_from_stay()
    {
        using var bench = await Workbench.StartAsync();
        var own = bench.Checkpoints.Write(to => to.Write(Encoding.UTF8.GetBytes("mine")));
        await bench.SubmitAsync(Sweep(("train", "{}")) with { Models = [$"mine:{own.Sha256}"] });
        await bench.FinishAllAsync();
        await Collector(bench).CollectAsync(KeepNone with { Orphans = true }, isDryRun: false);
        Assert.True(bench.Checkpoints.Has(own));
    }

    [Fact]
    public async Task What_no_record_names_is_listed_and_goes_only_on_request()
    {
        using var bench = await Workbench.StartAsync();
        var orphan = bench.Checkpoints.Write(to => to.Write(Encoding.UTF8.GetBytes("nobody's")));
        var refused = await Assert.ThrowsAsync<LatheException>(() => Collector(bench).CollectAsync(new RetentionRule(Orphans: true), isDryRun: false));
        Assert.Contains("is it the right database", refused.Message, StringComparison.OrdinalIgnoreCase);
        await bench.SubmitAsync(Sweep(("train", "{}")));

        var report = await Collector(bench).CollectAsync(KeepNone, isDryRun: false);
        Assert.Contains(report.Lines, l => l is { Goes: false, Count: 1 } && l.Why.Contains("--orphans", StringComparison.Ordinal) && l.Bytes == orphan.Bytes);
        Assert.True(bench.Checkpoints.Has(orphan));
        await Collector(bench).CollectAsync(new RetentionRule(Orphans: true), isDryRun: false);
        Assert.False(bench.Checkpoints.Has(orphan));
    }

    [Theory, CombinatorialDatabases]
    public async Task Training_states_go_once_their_execution_has_a_result(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        var states = new TrainingStateStore(new FolderBlobs(Path.Combine(bench.Folder, "states")));
        await bench.SubmitAsync(Sweep(("train", """{"epochs": [1, 2]}""")));
        var trains = bench.Bus.Take();
        foreach (var train in trains) states.Begin(train.Key, null, TimeProvider.System).Save(to => to.WriteByte(1));
        bench.Blobs.Write(to => ".0123.writing");
        await bench.FinishAsync(trains[0]);

        var report = await Collector(bench).CollectAsync(new RetentionRule(), isDryRun: false);

        // Each has a record beside it.
        Assert.Equal(
            [("file on its way", 1), ("training state", 2)],
            report.Lines.Where(l => l.Goes).Select(l => (l.What, l.Count)).Order());
        Assert.Equal([false, true], trains.Select(t => File.Exists(Path.Combine(bench.Folder, "states", t.Key + ".state"))));
    }

    [Theory, CombinatorialDatabases]
    public async Task Training_states_go_with_the_sweep_that_is_deleted_unless_another_wants_them(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        var deleted = await bench.SubmitAsync(Sweep(("train", """{"epochs": [1, 2]}""")));
        var trains = bench.Bus.Take();
        await bench.SubmitAsync(Sweep(("train", """{"epochs": [2, 3]}""")));
        var all = trains.Concat(bench.Bus.Take()).ToList();
        foreach (var train in all) bench.States.Begin(train.Key, null, TimeProvider.System).Save(to => to.WriteByte(1));
        bench.States.Begin(trains[0].Key, deleted, TimeProvider.System).Save(to => to.WriteByte(1));
        await bench.Orchestrator.CancelAsync(new ControlTarget(deleted));

        await bench.Orchestrator.DeleteAsync(deleted);

        // The second is wanted by the other sweep, and the third is its own.
        Assert.Equal(all[1..].Select(t => t.Key).Order(), Directory.GetFiles(Path.Combine(bench.Folder, "states"), "*.state").Select(f => Path.GetFileNameWithoutExtension(f)).Order());
    }

    [Fact]
    public async Task What_was_just_written_stays()
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(Sweep(("train", "{}"), ("prune", "{}")));
        await bench.FinishAllAsync();
        var output = (await bench.StatusAsync(id)).Executions[0].Output!;

        var report = await new StoreCollector(bench.Store, new WrittenAgain(bench.Blobs, bench.Time.GetUtcNow()), bench.Time).CollectAsync(KeepNone, isDryRun: false);
        Assert.DoesNotContain(report.Lines, l => l.Goes);
        Assert.Contains(report.Lines, l => l.Why == "written again meanwhile");
        Assert.True(bench.Checkpoints.Has(output));

        File.SetLastWriteTimeUtc(bench.Checkpoints.PathOf(output), bench.Time.GetUtcNow().UtcDateTime.AddMinutes(-50));
        await Collector(bench).CollectAsync(KeepNone, isDryRun: false);
        Assert.True(bench.Checkpoints.Has(output));
    }

    [Fact]
    public async Task A_collection_over_http_refuses_what_makes_no_sense()
    {
        await using var bench = await HttpBench.StartAsync();
        await bench.EndedAsync(await bench.SubmitAsync(HttpBench.Quick()));

        var report = await HttpBench.JsonOf(await bench.PostAsync("/gc", """{"keepLast": 0, "budgetBytes": 0, "dryRun": true}"""));

        // All of it is young.
        Assert.DoesNotContain(report.GetProperty("lines").EnumerateArray(), l => l.GetProperty("goes").GetBoolean());
        Assert.False(report.GetProperty("meetsBudget").GetBoolean());
        Assert.Equal("/keepDays", Assert.Single((await HttpBench.ProblemAsync(await bench.PostAsync("/gc", """{"keepDays": -1}"""), 422)).Problems!).Path);
        Assert.Equal("/budget", Assert.Single((await HttpBench.ProblemAsync(await bench.PostAsync("/gc", """{"budget": 1}"""), 422)).Problems!).Path);
    }

    [Fact]
    public async Task A_coordinator_applies_its_rule_at_the_start_and_every_hour()
    {
        using var bench = await Workbench.StartAsync();
        using var lifetime = new Started();
        using var loop = new RetentionLoop(Collector(bench), new RetentionRule(), lifetime, bench.Time, NullLogger<RetentionLoop>.Instance);
        var left = Path.Combine(bench.Folder, ".0123.writing");
        Directory.CreateDirectory(bench.Folder);
        File.WriteAllText(left, "left");

        await loop.StartAsync(TestContext.Current.CancellationToken);
        await Eventually.True(() => !File.Exists(left), "what a process left is deleted");
        File.WriteAllText(left, "left again");
        await Eventually.True(
            () =>
            {
                bench.Time.Advance(TimeSpan.FromMinutes(30));
                return !File.Exists(left);
            },
            "it is deleted again");
        await loop.StopAsync(TestContext.Current.CancellationToken);
    }

    private static StoreCollector Collector(Workbench bench) => new(bench.Store, bench.Blobs, bench.Time);

    private sealed class Started : IHostApplicationLifetime, IDisposable
    {
        private readonly CancellationTokenSource _stopping = new();

        public CancellationToken ApplicationStarted { get; } = new(canceled: true);

        public CancellationToken ApplicationStopping => _stopping.Token;

        public CancellationToken ApplicationStopped => _stopping.Token;

        public void StopApplication() => _stopping.Cancel();

        public void Dispose() => _stopping.Dispose();
    }

    /// <summary>A store in which everything was written again since it was listed.</summary>
    private sealed class WrittenAgain(IBlobs blobs, DateTimeOffset at) : IBlobs
    {
        public string Place => blobs.Place;

        public bool IsRemote => blobs.IsRemote;

        public string PlaceOf(string name) => blobs.PlaceOf(name);

        public string? FileOf(string name, bool again = false) => blobs.FileOf(name, again);

        public Stream? Open(string name) => blobs.Open(name);

        public void Write(Func<Stream, string> write) => blobs.Write(write);

        public void Delete(string name) => blobs.Delete(name);

        public void SetAside(string name, string newName) => blobs.SetAside(name, newName);

        public IReadOnlyList<(string Name, long Bytes)> List(string start) => blobs.List(start);

        public StoredBlob? Find(string name) => blobs.Find(name) is { } there ? there with { WrittenAt = at } : null;

        public IEnumerable<StoredBlob> ListAll() => blobs.ListAll();
    }
}
