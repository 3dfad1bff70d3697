using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Lathe.Contracts;
using Lathe.Hosting;
using Lathe.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Hosting;

namespace Lathe.Coordinator.Tests;

/// <summary>
/// An activity listener hears the whole process, and spans come to life that tests without one do not expect: what listens runs alone.
/// </summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;

/// <summary>A whole coordinator on Kestrel, with its stages in the same process or behind a real broker.</summary>
[Collection(nameof(Alone))]
public sealed class The_http_interface : IAsyncDisposable
{
    private readonly string _home = Directory.CreateTempSubdirectory("lathe-coordinator-").FullName;
    private readonly List<IHost> _workers = [];
    private WebApplication? _app;
    private HttpClient _client = new();

    [Fact]
    public async Task A_sweep_is_posted_run_and_read()
    {
        await StartAsync();

        var posted = await PostAsync("""[1, 2]""");
        Assert.Equal(HttpStatusCode.Created, posted.StatusCode);
        var id = (await JsonOf(posted)).GetProperty("id").GetGuid();
        Assert.Equal($"/sweeps/{id}", posted.Headers.Location!.OriginalString);

        var status = await EndedAsync(id.ToString());
        Assert.Equal((SweepState.Succeeded, 4), (status.State, status.Executions.Count));
        var results = await GetAsync<SweepResults>($"/sweeps/{id}/results");
        Assert.Equal([8.0, 8.0], results.Leaves.Select(l => l.Figure("bytes")!.Value));
        Assert.Equal(["bytes", "top1"], results.Metrics.Select(m => m.Name));
        Assert.Equal(id, Assert.Single(await GetAsync<List<SweepSummary>>("/sweeps")).Id);
        Assert.Equal(["make", "measure"], (await GetAsync<List<StageManifest>>("/stages")).Select(s => s.Name));
        Assert.Equal(id, (await GetAsync<SweepStatus>("/sweeps/http")).Id);
    }

    [Fact]
    public async Task The_same_sweep_over_a_broker_gives_the_same_results()
    {
        await using var broker = new RabbitMqBroker();
        await broker.InitializeAsync();
        await StartAsync(broker.Address);

        var id = (await JsonOf(await PostAsync("1"))).GetProperty("id").GetString()!;

        Assert.Equal(SweepState.Succeeded, (await EndedAsync(id)).State);
        Assert.Equal(8.0, Assert.Single((await GetAsync<SweepResults>($"/sweeps/{id}/results")).Leaves).Figure("bytes"));
    }

    [Fact]
    public async Task What_a_stage_cannot_do_ends_the_sweep_as_failed_with_the_reason()
    {
        await StartAsync();

        var id = (await JsonOf(await PostAsync("1", model: "impossible"))).GetProperty("id").GetString()!;

        var status = await EndedAsync(id);
        Assert.Equal(SweepState.Failed, status.State);
        Assert.Contains("no such model", status.Executions[0].Error);
        Assert.Equal(ExecutionState.Skipped, status.Executions[1].State);
    }

    [Fact]
    public async Task Problems_are_told_by_place()
    {
        await StartAsync();

        var refused = await PostAsync("\"many\"");

        Assert.Equal(HttpStatusCode.UnprocessableEntity, refused.StatusCode);
        var problem = (await JsonOf(refused)).GetProperty("problems")[0];
        Assert.Equal("/stages/0/make/epochs", problem.GetProperty("path").GetString());
        Assert.Empty(await GetAsync<List<SweepSummary>>("/sweeps"));
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("null")]
    [InlineData("""{"spec": {"name": 3}}""")]
    public async Task What_is_no_submission_is_refused(string body)
    {
        await StartAsync();

        var refused = await _client.PostAsync("/sweeps", new StringContent(body, Encoding.UTF8, "application/json"));

        Assert.Equal(HttpStatusCode.UnprocessableEntity, refused.StatusCode);
        Assert.NotEqual(0, (await JsonOf(refused)).GetProperty("problems").GetArrayLength());
    }

    [Fact]
    public async Task Missing_data_is_told_before_anything_runs()
    {
        await StartAsync();

        var refused = await PostAsync("1", dataset: "cifar-10");

        Assert.Equal(HttpStatusCode.UnprocessableEntity, refused.StatusCode);
        const string Why = "data set 'cifar-10' cannot be read where this coordinator looks for data";
        Assert.Contains(Why, await refused.Content.ReadAsStringAsync());

        // The same is said by who only checks, or plans.
        foreach (var route in (string[])["/sweeps/check", "/sweeps/plan"])
        {
            var problem = Assert.Single((await JsonOf(await PostAsync("1", dataset: "cifar-10", to: route))).GetProperty("problems").EnumerateArray());
            Assert.Equal("/datasets/0", problem.GetProperty("path").GetString());
            Assert.StartsWith(Why, problem.GetProperty("message").GetString());
        }
    }

    [Fact]
    public async Task An_unknown_sweep_is_not_found()
    {
        await StartAsync();

        Assert.Equal(HttpStatusCode.NotFound, (await _client.GetAsync("/sweeps/nothing")).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await _client.GetAsync("/sweeps/nothing/results")).StatusCode);
    }

    [Fact]
    public async Task Health_says_alive_and_ready()
    {
        await StartAsync();

        Assert.Equal(HttpStatusCode.OK, (await _client.GetAsync("/health/live")).StatusCode);
        var waited = Stopwatch.StartNew();
        while ((await _client.GetAsync("/health/ready")).StatusCode != HttpStatusCode.OK && waited.Elapsed.TotalSeconds < 20) await Task.Delay(20);
        Assert.Equal(HttpStatusCode.OK, (await _client.GetAsync("/health/ready")).StatusCode);
    }

    [Fact]
    public async Task One_trace_leads_from_the_request_through_every_stage()
    {
        var spans = new List<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name.StartsWith("Lathe.", StringComparison.Ordinal),
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = span =>
            {
                lock (spans) spans.Add(span);
            },
        };
        ActivitySource.AddActivityListener(listener);
        await StartAsync();
        var trace = ActivityTraceId.CreateRandom().ToHexString();
        _client.DefaultRequestHeaders.Add("traceparent", $"00-{trace}-b7ad6b7169203331-01");

        await EndedAsync((await JsonOf(await PostAsync("1"))).GetProperty("id").GetString()!);

        Activity[] ours = [];
        await Eventually.True(
            () =>
            {
                lock (spans) ours = [.. spans.Where(s => s.TraceId.ToHexString() == trace)];
                return ours.Length == 3;
            },
            "three spans in the trace");
        var sweep = ours.Single(s => s.OperationName == "sweep http");
        var make = ours.Single(s => s.ParentSpanId == sweep.SpanId);
        Assert.Single(ours, s => s.ParentSpanId == make.SpanId);
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        foreach (var worker in _workers)
        {
            await worker.StopAsync();
            worker.Dispose();
        }

        if (_app is not null)
        {
            await _app.StopAsync();
            await _app.DisposeAsync();
        }

        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        Directory.Delete(_home, recursive: true);
    }

    private async Task StartAsync(string? broker = null)
    {
        var settings = HostingSettings.In(_home) with
        {
            Broker = broker is null ? null : BrokerAddress.Parse(broker),
            SlotFolder = Path.Combine(_home, "slots"),
        };
        var data = Directory.CreateDirectory(Path.Combine(_home, "data", "mnist")).FullName;
        foreach (var file in DataSetFiles.ByName["mnist"]) File.WriteAllText(Path.Combine(data, file), file);

        Action<LatheBusBuilder> stages = bus => bus.AddStage<MakeStage, MakeParameters>().AddStage<MeasureStage, MeasureParameters>();
        _app = CoordinatorHost.Build(
            settings, DatabaseAddress.In(_home), "http://127.0.0.1:0",
            new CoordinatorOptions { StageWait = TimeSpan.FromSeconds(30) }, broker is null ? stages : null);
        await _app.StartAsync();
        _client = new HttpClient { BaseAddress = new Uri(_app.Urls.First()) };
        if (broker is null) return;
        _workers.Add(StageHost.Build<MakeStage, MakeParameters>(settings));
        _workers.Add(StageHost.Build<MeasureStage, MeasureParameters>(settings));
        foreach (var worker in _workers) await worker.StartAsync();
    }

    private Task<HttpResponseMessage> PostAsync(string epochs, string model = "tiny", string dataset = "mnist", string to = "/sweeps") => _client.PostAsync(
        to,
        new StringContent($$$"""
            {"spec": {"name": "http", "models": ["{{{model}}}"], "datasets": ["{{{dataset}}}"], "seeds": [0], "stages": [
              {"stage": "make", "parameters": {"epochs": {{{epochs}}} }}, {"stage": "measure", "parameters": {}}]}}
            """, Encoding.UTF8, "application/json"));

    private async Task<SweepStatus> EndedAsync(string id)
    {
        var waited = Stopwatch.StartNew();
        while (true)
        {
            var status = await GetAsync<SweepStatus>($"/sweeps/{id}");
            if (status.State != SweepState.Running) return status;
            Assert.True(waited.Elapsed.TotalSeconds < 30, $"still running: {JsonSerializer.Serialize(status, LatheJson.Options)}");
            await Task.Delay(20);
        }
    }

    private async Task<T> GetAsync<T>(string path) => (await _client.GetFromJsonAsync<T>(path, LatheJson.Options))!;

    private static async Task<JsonElement> JsonOf(HttpResponseMessage response) => await response.Content.ReadFromJsonAsync<JsonElement>();
}
