using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Hosting;
using Lathe.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Lathe.Web.Tests;

/// <summary>A coordinator that serves the page, with three stages in the same process, and a client of it.</summary>
public sealed class WebBench : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly string _home;

    private WebBench(WebApplication app, string home)
    {
        (_app, _home) = (app, home);
        Address = app.Urls.First().Replace("0.0.0.0", "127.0.0.1", StringComparison.Ordinal);
        Client = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false }) { BaseAddress = new Uri(Address) };
    }

    public string Address { get; }

    public HttpClient Client { get; }

    public IServiceProvider Services => _app.Services;

    /// <param name="http">Address to listen on; another than a loopback one asks for keys.</param>
    public static async Task<WebBench> StartAsync(string http = "http://127.0.0.1:0")
    {
        var home = Directory.CreateTempSubdirectory("lathe-web-").FullName;
        var settings = HostingSettings.In(home) with { SlotFolder = Path.Combine(home, "slots"), Cpus = 4, Threads = 1, Device = new ComputeDevice(DeviceKind.Cpu) };
        var data = Directory.CreateDirectory(Path.Combine(home, "data", "mnist")).FullName;
        foreach (var file in DataSetFiles.ByName["mnist"]) await File.WriteAllTextAsync(Path.Combine(data, file), file);
        var app = CoordinatorHost.Build(
            settings, DatabaseAddress.In(home), http, new CoordinatorOptions { StageWait = TimeSpan.FromSeconds(30), CheckPatience = TimeSpan.FromSeconds(30) },
            bus => bus.AddStage<ShapeStage, ShapeParameters>().AddStage<CutStage, CutParameters>().AddStage<JudgeStage, JudgeParameters>(), new ApiSettings { Http = http });
        await app.StartAsync();
        var bench = new WebBench(app, home);
        await Eventually.True(() => app.Services.GetRequiredService<StageCatalog>().Manifests.Count == 3, "every stage is announced");
        return bench;
    }

    /// <summary>A sweep of five stages: shaped once, judged, cut in four ways, judged again.</summary>
    public static string Sweep(string name, string model = "net", string shares = "[0.5, 0.25]", string bits = "[2, 4]", int epochs = 3) => $$$"""
        {"spec": {"name": "{{{name}}}", "models": ["{{{model}}}"], "datasets": ["mnist"], "seeds": [1], "stages": [
          {"stage": "shape", "parameters": {"epochs": {{{epochs}}}}}, {"stage": "judge", "parameters": {}},
          {"stage": "cut", "parameters": {"share": {{{shares}}}, "bits": {{{bits}}}}}, {"stage": "judge", "parameters": {}}]}}
        """;

    /// <summary>A search for a small network: six trials, at most three at a time; one of three goes on after its first epoch.</summary>
    public static string Search(string name, string model, int trials = 6) => $$$"""
        {"spec": {"name": "{{{name}}}", "models": ["{{{model}}}"], "datasets": ["mnist"], "seeds": [1], "stages": [
          {"stage": "shape", "parameters": {"epochs": 3, "rate": {"uniform": [0.1, 5]} } }, {"stage": "cut", "parameters": {"share": {"uniform": [0.2, 0.9]} } }, {"stage": "judge", "parameters": {}}],
          "search": {"strategy": "sobol", "trials": {{{trials}}}, "parallel": 3, "objectives": [{"minimize": "space"}], "constraints": ["held >= 0.01"]}, "earlyStopping": {"strategy": "asha", "metric": "loss", "grace": 1, "reduction": 3} } }
        """;

    public async Task<Guid> SubmitAsync(string submission)
    {
        using var answer = await Client.PostAsync(new Uri("/sweeps", UriKind.Relative), new StringContent(submission, Encoding.UTF8, "application/json"));
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("id").GetGuid();
    }

    public async Task<SweepStatus> StatusAsync(Guid id) =>
        (await Client.GetFromJsonAsync<SweepStatus>(new Uri($"/sweeps/{id}", UriKind.Relative), LatheJson.Options))!;

    /// <summary>Submits a sweep and waits for its end.</summary>
    public async Task<Guid> RunAsync(string submission)
    {
        var id = await SubmitAsync(submission);
        await Eventually.TrueAsync(async () => (await StatusAsync(id)).FinishedAt is not null, "the sweep is over");
        return id;
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        Directory.Delete(_home, recursive: true);
    }
}
