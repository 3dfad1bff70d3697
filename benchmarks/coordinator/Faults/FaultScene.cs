using System.Net.Http.Json;
using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Hosting;
using Lathe.Testing;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Benchmarks.Coordinator;

/// <summary>Two coordinators and three workers on a broker and a PostgreSQL of their own, and what they wrote to their logs.</summary>
internal sealed class FaultScene : IAsyncDisposable
{
    private readonly List<PartVictim> _parts = [];
    private readonly Cluster _cluster;
    private readonly ChaosCheck _check;
    private readonly HttpClient _client;
    private readonly Dictionary<string, string> _environment;
    private readonly string _log = Path.Combine(Path.GetTempPath(), $"lathe-faults-{Environment.ProcessId}.log");

    private FaultScene(Cluster cluster, HttpClient client, Dictionary<string, string> environment)
    {
        (_cluster, _client, _environment) = (cluster, client, environment);
        _check = new ChaosCheck(cluster);
        lock (_log) File.WriteAllText(_log, "");
    }

    public HostingSettings Settings => HostingSettings.In(_cluster.Home);

    /// <summary>Those that were there from the start.</summary>
    public IReadOnlyList<PartVictim> FirstWorkers { get; private set; } = [];

    /// <param name="environment">Of all parts.</param>
    /// <param name="coordinator">Besides, of the first coordinator.</param>
    /// <param name="worker">Besides, of the first worker.</param>
    public static async Task<FaultScene> StartAsync(Dictionary<string, string> environment, Dictionary<string, string>? coordinator = null, Dictionary<string, string>? worker = null)
    {
        var cluster = await Cluster.StartAsync();
        string[] addresses = [.. Enumerable.Range(0, 2).Select(_ => $"http://127.0.0.1:{PrivateServer.FreePort()}")];
        // Asked about is the second one, with which nothing is wrong.
        var scene = new FaultScene(cluster, cluster.Client(addresses[1]), environment);
        var database = new Dictionary<string, string> { [DatabaseAddress.Variable] = cluster.Database };
        for (var i = 0; i < addresses.Length; i++)
        {
            var http = addresses[i];
            await scene.AddAsync(new PartVictim(
                "coordinator", $"coordinator {i + 1}", _ => ["coordinator", cluster.Broker.Address, cluster.Home, http, "impatient"], Merged(environment, database, i == 0 ? coordinator : null), scene._log));
        }

        await scene._check.WatchAsync();
        List<PartVictim> workers = [await scene.WorkerAsync(worker), await scene.WorkerAsync(null), await scene.WorkerAsync(null)];
        scene.FirstWorkers = workers;
        return scene;
    }

    public async Task<PartVictim> WorkerAsync(Dictionary<string, string>? environment)
    {
        var number = _parts.Count;
        var part = new PartVictim(
            "worker", $"worker {number}", start => ["chaos-worker", _cluster.Broker.Address, _cluster.Home, Path.Combine(_cluster.Home, $"journal-{number}-{start}")], Merged(_environment, environment), _log);
        await AddAsync(part);
        return part;
    }

    public Task<Guid> SubmitAsync(string name, int executions, int from = 0) =>
        Sweeps.SubmitAsync(_client, new SweepSubmission(Sweeps.Of(name, from, executions / 2, hasSecond: true)));

    public Task<SweepStatus> StatusAsync(Guid sweep) => Sweeps.StatusAsync(_client, sweep);

    /// <summary>Waits until so many executions of a sweep are done.</summary>
    public Task FinishedAsync(Guid sweep, int executions, TimeSpan patience) =>
        Eventually.TrueAsync(async () => (await StatusAsync(sweep)).Steps!.Sum(s => s.In(ExecutionState.Completed)) >= executions, $"{executions} executions", patience.TotalSeconds);

    /// <summary>Waits until a sweep is over.</summary>
    public Task EndAsync(Guid sweep, TimeSpan patience) =>
        Eventually.TrueAsync(async () => (await StatusAsync(sweep)).State is not (SweepState.Running or SweepState.Preparing), "the end of the sweep", patience.TotalSeconds);

    /// <summary>Waits until a log says something.</summary>
    public Task LogAsync(string text, TimeSpan patience) => Eventually.True(() => Count(text) > 0, text, patience.TotalSeconds);

    /// <summary>Lines of the logs that say something.</summary>
    public int Count(string text)
    {
        lock (_log) return File.ReadLines(_log).Count(line => line.Contains(text, StringComparison.Ordinal));
    }

    /// <summary>Waits until the coordinator knows a version of the stages.</summary>
    public Task AnnouncedAsync(string version, TimeSpan patience) => Eventually.TrueAsync(
        async () => (await _client.GetFromJsonAsync<List<StageManifest>>("stages", LatheJson.Options))!.Count(s => s.Version == version) == 2, $"stages of version {version}", patience.TotalSeconds);

    /// <summary>Number of executions by sweep and version of their stage.</summary>
    public async Task<IReadOnlyList<string>> VersionsAsync()
    {
        await using var database = new CoordinatorStore(DatabaseAddress.Parse(_cluster.Database)).Open();
        var sweeps = await database.Sweeps.ToDictionaryAsync(s => s.Id, s => s.Name);
        var executions = await database.Executions.Select(e => new { e.SweepId, e.StageVersion }).ToListAsync();
        return [.. executions.CountBy(e => $"{sweeps[e.SweepId]} {e.StageVersion}").Select(c => $"{c.Key}: {c.Value}").Order(StringComparer.Ordinal)];
    }

    /// <summary>Looks whether everything is there and whole, and says so.</summary>
    /// <returns>Exit code.</returns>
    public async Task<int> VerdictAsync(IReadOnlyList<Guid> sweeps, int executions, HostingSettings settings)
    {
        var problems = await _check.ProblemsAsync(sweeps, executions, [], Directory.GetFiles(_cluster.Home, "journal-*"), settings, mayRepeat: true);
        Console.WriteLine($"{executions} executions, {_check.Computations} computations");
        foreach (var problem in problems) Console.WriteLine($"FAULT: {problem}");
        Console.WriteLine(problems.Count == 0 ? "nothing is lost, nothing is half" : $"{problems.Count} faults; logs: {_log}");
        return problems.Count == 0 ? 0 : 1;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var part in _parts.Where(p => p.Processes.Count > 0)) await part.KillAsync();
        await _cluster.DisposeAsync();
    }

    private async Task AddAsync(PartVictim part)
    {
        _parts.Add(part);
        await part.StartAsync();
    }

    private static Dictionary<string, string> Merged(params Dictionary<string, string>?[] environments)
    {
        var all = new Dictionary<string, string>();
        foreach (var (name, value) in environments.OfType<Dictionary<string, string>>().SelectMany(e => e)) all[name] = value;
        return all;
    }
}
