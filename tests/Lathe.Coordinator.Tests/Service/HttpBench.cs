using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Lathe.Contracts;
using Lathe.Hosting;
using Lathe.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Lathe.Coordinator.Tests;

/// <summary>A coordinator on Kestrel with its stages in the same process, and a client of it.</summary>
internal sealed class HttpBench : IAsyncDisposable
{
    private readonly WebApplication _app;

    private HttpBench(WebApplication app, string home)
    {
        _app = app;
        Home = home;
        Client = new HttpClient(new HttpClientHandler { UseCookies = false }) { BaseAddress = new Uri(app.Urls.First().Replace("0.0.0.0", "127.0.0.1", StringComparison.Ordinal)) };
    }

    public HttpClient Client { get; }

    public string Home { get; }

    public T Service<T>()
        where T : notnull => _app.Services.GetRequiredService<T>();

    /// <param name="database">By default SQLite in the bench's home.</param>
    /// <param name="http">Address to listen on; port 0 takes a free one.</param>
    /// <param name="api">Changes who may use the interface and how much.</param>
    /// <param name="options">Changes intervals and limits.</param>
    /// <param name="stages">Three other stages.</param>
    /// <param name="broker">Address of a RabbitMQ; by default the bus is in memory.</param>
    public static async Task<HttpBench> StartAsync(
        string? database = null, string http = "http://127.0.0.1:0", Func<ApiSettings, ApiSettings>? api = null, Func<CoordinatorOptions, CoordinatorOptions>? options = null,
        Action<LatheBusBuilder>? stages = null, string? broker = null)
    {
        var home = Directory.CreateTempSubdirectory("lathe-rest-").FullName;
        var settings = HostingSettings.In(home) with { SlotFolder = Path.Combine(home, "slots"), Cpus = 4, Threads = 1, Broker = broker is null ? null : BrokerAddress.Parse(broker) };
        var data = Directory.CreateDirectory(Path.Combine(home, "data", "mnist")).FullName;
        foreach (var file in DataSetFiles.ByName["mnist"]) File.WriteAllText(Path.Combine(data, file), file);
        var common = new CoordinatorOptions { StageWait = TimeSpan.FromSeconds(30), CheckPatience = TimeSpan.FromSeconds(30) };
        var app = CoordinatorHost.Build(
            settings, database is null ? DatabaseAddress.In(home) : DatabaseAddress.Parse(database), http, options?.Invoke(common) ?? common,
            stages ?? (bus => bus.AddStage<MakeStage, MakeParameters>().AddStage<HoldStage, HoldParameters>().AddStage<MeasureStage, MeasureParameters>()),
            (api ?? (a => a))(new ApiSettings { Http = http }));
        await app.StartAsync();
        var bench = new HttpBench(app, home);
        await Eventually.True(() => bench.Service<StageCatalog>().Manifests.Count == 3, "every stage is announced");
        return bench;
    }

    public static StringContent Json(string text) => new(text, Encoding.UTF8, "application/json");

    /// <summary>A sweep of one stage that runs until its model is released.</summary>
    public static string Held(string model, string parameters = "{}", string name = "held", string more = "") => $$$"""
        {"spec": {"name": "{{{name}}}", "models": ["{{{model}}}"], "datasets": ["mnist"], "seeds": [0], "stages": [{"stage": "hold", "parameters": {{{parameters}}}}]}{{{more}}}}
        """;

    /// <summary>A sweep that ends by itself: a way for each of these numbers of epochs.</summary>
    public static string Quick(string epochs = "1", string name = "quick", string more = "") => $$$"""
        {"spec": {"name": "{{{name}}}", "models": ["tiny"], "datasets": ["mnist"], "seeds": [0], "stages": [
          {"stage": "make", "parameters": {"epochs": {{{epochs}}} }}, {"stage": "measure", "parameters": {}}]}{{{more}}}}
        """;

    public async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, string? json = null, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, path) { Content = json is null ? null : Json(json) };
        foreach (var (name, value) in headers) request.Headers.TryAddWithoutValidation(name, value);
        return await Client.SendAsync(request);
    }

    public Task<HttpResponseMessage> PostAsync(string path, string? json = null, params (string Name, string Value)[] headers) => SendAsync(HttpMethod.Post, path, json, headers);

    public async Task<Guid> SubmitAsync(string submission)
    {
        var answer = await PostAsync("/sweeps", submission);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        return (await JsonOf(answer)).GetProperty("id").GetGuid();
    }

    public async Task<T> GetAsync<T>(string path)
    {
        using var answer = await Client.GetAsync(path);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync<T>(LatheJson.Options))!;
    }

    public async Task<SweepStatus> ReachedAsync(Guid id, Func<SweepStatus, bool> condition, string what, double seconds = 30)
    {
        var status = await GetAsync<SweepStatus>($"/sweeps/{id}");
        await Eventually.True(
            () =>
            {
                status = GetAsync<SweepStatus>($"/sweeps/{id}").GetAwaiter().GetResult();
                return condition(status);
            },
            what,
            seconds);
        return status;
    }

    public Task<SweepStatus> EndedAsync(Guid id) => ReachedAsync(id, s => s.State is not (SweepState.Running or SweepState.Preparing), "the sweep is over");

    public Task<SweepStatus> RunsAsync(Guid id) => ReachedAsync(id, s => s.Executions.Any(e => e.Progress?.Phase == "holding"), "an execution runs");

    public static async Task<JsonElement> JsonOf(HttpResponseMessage response) => await response.Content.ReadFromJsonAsync<JsonElement>();

    /// <summary>Asserts that an answer is a problem in the form of RFC 9457, and gives it.</summary>
    public static async Task<ApiProblem> ProblemAsync(HttpResponseMessage response, int status)
    {
        var text = await response.Content.ReadAsStringAsync();
        Assert.True((int)response.StatusCode == status, $"{(int)response.StatusCode} instead of {status}: {text}");
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        var problem = JsonSerializer.Deserialize<ApiProblem>(text, LatheJson.Options)!;
        Assert.Equal(status, problem.Status);
        Assert.False(string.IsNullOrWhiteSpace(problem.Title));
        Assert.False(string.IsNullOrWhiteSpace(problem.Detail));
        return problem;
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        Directory.Delete(Home, recursive: true);
    }
}
