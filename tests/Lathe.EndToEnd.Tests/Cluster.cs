using System.Net.Http.Json;
using Lathe.Contracts;
using Lathe.Testing;

namespace Lathe.EndToEnd.Tests;

/// <summary>A coordinator and four workers, each a process of its own on one broker.</summary>
public sealed class Cluster : IAsyncDisposable
{
    public static readonly IReadOnlyDictionary<string, string> Executables = new Dictionary<string, string>
    {
        ["train"] = "Lathe.Trainer",
        ["prune"] = "Lathe.Pruner",
        ["quantize"] = "Lathe.Quantizer",
        ["evaluate"] = "Lathe.Evaluator",
    };

    private readonly Dictionary<string, string> _environment;
    private readonly List<LatheProcess> _processes = [];
    private readonly HttpClient _http;

    private readonly bool _apart;

    private Cluster(Dictionary<string, string> environment, string url, bool apart)
    {
        _environment = environment;
        _apart = apart;
        Url = url;
        _http = new HttpClient { BaseAddress = new Uri(url) };
    }

    /// <summary>Address of the coordinator.</summary>
    public string Url { get; }

    /// <summary>The workers by stage.</summary>
    public Dictionary<string, LatheProcess> Workers { get; } = [];

    /// <param name="scene">Home, data and sweep.</param>
    /// <param name="broker">The broker.</param>
    /// <param name="more">Variables on top of the scene's.</param>
    /// <param name="apart">Each process has a home of its own, as on machines that share no disk.</param>
    public static async Task<Cluster> StartAsync(
        Scene scene, RabbitMqBroker broker, IReadOnlyDictionary<string, string>? more = null, bool apart = false)
    {
        var url = $"http://127.0.0.1:{PrivateServer.FreePort()}";
        var environment = scene.Environment;
        environment["LATHE_BROKER"] = broker.Address;
        environment["LATHE_HTTP"] = url;
        foreach (var (name, value) in more ?? new Dictionary<string, string>()) environment[name] = value;
        var cluster = new Cluster(environment, url, apart);
        cluster._processes.Add(LatheProcess.Start("Lathe.Coordinator", [], cluster.EnvironmentOf("coordinator")));
        foreach (var stage in Executables.Keys) cluster.StartWorker(stage);
        try
        {
            await Eventually.True(() => cluster.Answers("/health/ready"), "the coordinator is ready", seconds: 120);
        }
        catch (TimeoutException e)
        {
            await cluster.DisposeAsync();
            throw new TimeoutException($"{e.Message}\n{cluster.Output}");
        }

        return cluster;
    }

    public LatheProcess StartWorker(string stage)
    {
        var worker = LatheProcess.Start(Executables[stage], [], EnvironmentOf(stage));
        _processes.Add(worker);
        Workers[stage] = worker;
        return worker;
    }

    /// <summary>Submits the sweep with the command line, as a user would.</summary>
    public LatheProcess Submit(Scene scene) =>
        LatheProcess.Start("lathe", ["submit", scene.SweepFile, "--wait", "--coordinator", Url], EnvironmentOf("submit"));

    public async Task<IReadOnlyList<LeafResult>> ResultsAsync(string sweep) =>
        (await _http.GetFromJsonAsync<SweepResults>($"/sweeps/{sweep}/results", LatheJson.Options))?.Leaves ?? [];

    /// <summary>The sweep's status, or null while there is no such sweep.</summary>
    public async Task<SweepStatus?> StatusAsync(string sweep)
    {
        using var response = await _http.GetAsync(new Uri($"/sweeps/{sweep}", UriKind.Relative));
        return response.IsSuccessStatusCode ? await response.Content.ReadFromJsonAsync<SweepStatus>(LatheJson.Options) : null;
    }

    /// <summary>What every process has printed, for a failing test's message.</summary>
    public string Output => string.Join("\n---\n", _processes.Select(p => p.Output));

    public async ValueTask DisposeAsync()
    {
        foreach (var process in _processes) await process.DisposeAsync();
        _http.Dispose();
    }

    private Dictionary<string, string> EnvironmentOf(string process) => _apart
        ? new(_environment) { ["LATHE_HOME"] = Path.Combine(_environment["LATHE_HOME"], process) }
        : _environment;

    private bool Answers(string path)
    {
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, path);
            using var response = _http.Send(request);
            return response.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }
}
