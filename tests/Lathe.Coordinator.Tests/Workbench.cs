using System.Text;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Lathe.Hosting;
using Lathe.Testing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

[assembly: AssemblyFixture(typeof(PostgreSqlServer))]

namespace Lathe.Coordinator.Tests;

public enum DatabaseKind
{
    Sqlite,
    PostgreSql,
}

/// <summary>A coordinator on a real database and real stores, with a bus whose other end is the test.</summary>
internal sealed class Workbench : IDisposable
{
    private readonly string _home = Directory.CreateTempSubdirectory("lathe-coordinator-").FullName;

    private Workbench(DatabaseAddress? address)
    {
        Address = address ?? DatabaseAddress.In(_home);
        Checkpoints = new CheckpointStore(new FolderBlobs(Path.Combine(_home, "checkpoints")));
        Results = new ResultStore(new FolderBlobs(Path.Combine(_home, "checkpoints", "results")));
        Store = new CoordinatorStore(Address);
        Queries = new SweepQueries(Store, Time);
        Orchestrator = null!;
    }

    public DatabaseAddress Address { get; }

    public FakeTimeProvider Time { get; } = new(new DateTimeOffset(2030, 1, 1, 12, 0, 0, TimeSpan.Zero));

    public RecordingBus Bus { get; } = new();

    /// <summary>Folder of the store.</summary>
    public string Folder => Path.Combine(_home, "checkpoints");

    /// <summary>The whole store.</summary>
    public IBlobs Blobs => new FolderBlobs(Folder);

    public CheckpointStore Checkpoints { get; }

    public ResultStore Results { get; }

    public TrainingStateStore States => new(new FolderBlobs(Path.Combine(Folder, "states")));

    public CoordinatorStore Store { get; }

    public SweepQueries Queries { get; }

    public Orchestrator Orchestrator { get; private set; }

    /// <summary>The usual ones, but everything is sent at once, as far as the backlog allows.</summary>
    public CoordinatorOptions Options { get; private set; } = new() { LeastBacklog = 64 };

    public static async Task<Workbench> StartAsync(DatabaseKind kind = DatabaseKind.Sqlite) =>
        await StartAsync(kind == DatabaseKind.Sqlite ? null : DatabaseAddress.Parse(await PostgreSqlAsync()));

    public static async Task<Workbench> StartAsync(DatabaseAddress? address)
    {
        var bench = new Workbench(address);
        await bench.Store.PrepareAsync();
        await bench.RestartAsync();
        return bench;
    }

    /// <summary>A new process on the same database: nothing but what was written is left.</summary>
    public async Task RestartAsync(CoordinatorOptions? options = null, bool knowsStages = true)
    {
        Orchestrator?.Dispose();
        Options = options ?? Options;
        var catalog = new StageCatalog(Store, Time);
        if (knowsStages)
        {
            foreach (var manifest in Stages.All.Values) await catalog.AddAsync(manifest);
        }

        Catalog = catalog;
        Orchestrator = new Orchestrator(
            Store, catalog, Bus, Checkpoints, Results, name => OnFingerprint(name), Options, Time, Log, States);
        await Orchestrator.ResumeAsync();
        await Orchestrator.DispatchAsync();
    }

    /// <summary>Where the next process writes its log.</summary>
    public ILoggerFactory Log { get; set; } = NullLoggerFactory.Instance;

    /// <summary>Reads a data set.</summary>
    public Func<string, DataRef> OnFingerprint { get; set; } = name => new DataRef(name, new string('d', 64));

    /// <summary>What the coordinator's loops do, until nothing is left to do.</summary>
    public async Task PumpAsync()
    {
        await Orchestrator.DoChoresAsync();
        await Orchestrator.DispatchAsync();
    }

    /// <summary>One round of housekeeping, and what follows from it.</summary>
    public async Task ReconcileAsync()
    {
        await Orchestrator.ReconcileAsync();
        await PumpAsync();
    }

    public StageCatalog Catalog { get; private set; } = null!;

    public Task<Guid> SubmitAsync(SweepSpec spec, bool fresh = false, string? traceParent = null) => SubmitAsync(new SweepSubmission(spec, fresh), traceParent);

    public async Task<Guid> SubmitAsync(SweepSubmission submission, string? traceParent = null)
    {
        var outcome = await Orchestrator.SubmitAsync(submission, traceParent);
        Assert.Empty(outcome.Problems);
        await PumpAsync();
        return outcome.Id!.Value;
    }

    /// <summary>What a worker leaves behind: checkpoint and result in the stores.</summary>
    public StageCompleted Work(ExecuteStage command, string? traceParent = null)
    {
        var output = command.Stage == "evaluate" ? command.Input! : Checkpoints.Write(to => to.Write(Encoding.UTF8.GetBytes(command.Key)));
        var metrics = command.Stage == "evaluate"
            ? new Dictionary<string, double> { ["top1"] = 0.9, ["loss"] = 0.3, ["parameters"] = 100, ["bits"] = 2, ["bytes"] = 25 }
            : new Dictionary<string, double> { ["loss"] = 0.1, ["parameters"] = command.Stage == "train" ? 200 : 100 };
        Results.Commit(new StoredResult(command.Key, command.Stage, output, metrics, 1.5, command.SweepId, traceParent));
        return new StageCompleted(command.ExecutionId, command.Attempt, command.Key, command.Stage, output, metrics, 1.5);
    }

    public Task FinishAsync(ExecuteStage command, string? traceParent = null) => ReportAsync(Work(command, traceParent), traceParent);

    /// <summary>Hands in a report, and lets the coordinator do what follows from it.</summary>
    public async Task ReportAsync(IStageReport report, string? traceParent = null)
    {
        await Orchestrator.ReportAsync([new Report(report, traceParent)]);
        await PumpAsync();
    }

    /// <summary>Does all work until none is left. Returns what was done.</summary>
    public async Task<List<ExecuteStage>> FinishAllAsync(int most = int.MaxValue)
    {
        var done = new List<ExecuteStage>();
        while (done.Count < most && Bus.Take() is { Count: > 0 } commands)
        {
            foreach (var command in commands) await FinishAsync(command);
            done.AddRange(commands);
        }

        return done;
    }

    public Task FailAsync(ExecuteStage command, FailureKind kind, string message = "no memory") =>
        ReportAsync(new StageFailed(command.ExecutionId, command.Attempt, command.Key, command.Stage, kind, message));

    public Task HearAsync(ExecuteStage command) => ReportAsync(new StageProgressed(
        command.ExecutionId, command.Attempt, command.Key, command.Stage, "host:1:" + command.Stage, new StageProgress("training", 0.5, 2)));

    /// <summary>The kept counts are what counting gives, and every active execution is wanted by a node.</summary>
    public async Task AssertCountedAsync()
    {
        await using var database = Store.Open();
        var executions = database.Executions.ToDictionary(e => e.Id);
        var points = database.Points.ToDictionary(p => (p.SweepId, p.Number));
        var nodes = database.Nodes.ToList();
        foreach (var count in database.StepCounts.ToList())
        {
            var states = nodes.Where(n => n.SweepId == count.SweepId && points[(n.SweepId, n.Point)].Step == count.Step)
                .GroupBy(n => NodeStates.Of(n, n.ExecutionId is { } id ? executions[id] : null)).ToDictionary(g => g.Key, g => g.Count());
            Assert.Equal(
                Enum.GetValues<NodeState>().Select(s => states.GetValueOrDefault(s)),
                [
                    count.Waiting, count.Ready, count.Queued, count.Running, count.Completed, count.Cached, count.Failed, count.Skipped, count.Paused, count.Cancelled,
                ]);
        }

        Assert.All(executions.Values.Where(e => e.IsActive), e => Assert.Contains(nodes, n => n.ExecutionId == e.Id && (n.SweepId, n.Index) == (e.SweepId, e.NodeIndex)));
    }

    /// <summary>No worker is on record as holding an execution.</summary>
    public async Task AssertNothingHeldAsync()
    {
        await using var database = Store.Open();
        Assert.Empty(database.Leases.ToList());
    }

    public async Task<SweepStatus> StatusAsync(Guid id) => await Queries.StatusAsync(id.ToString());

    public async Task<List<ExecutionState>> StatesAsync(Guid id) => [.. (await StatusAsync(id)).Executions.Select(e => e.State)];

    public void Damage(CheckpointRef checkpoint) => File.WriteAllText(Checkpoints.PathOf(checkpoint), "damaged");

    public void Dispose()
    {
        Orchestrator?.Dispose();
        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        Directory.Delete(_home, recursive: true);
    }

    /// <summary>What PostgreSQL wrote into its log about a database.</summary>
    public static async Task<IReadOnlyList<string>> LogAsync(DatabaseAddress address) =>
        ((PostgreSqlServer)(await TestContext.Current.GetFixture(typeof(PostgreSqlServer)))!).LogOf(address.ToString().Split('/')[^1]);

    /// <summary>An empty database of PostgreSQL.</summary>
    public static async Task<string> PostgreSqlAsync() =>
        await ((PostgreSqlServer)(await TestContext.Current.GetFixture(typeof(PostgreSqlServer)))!).CreateDatabaseAsync();
}
