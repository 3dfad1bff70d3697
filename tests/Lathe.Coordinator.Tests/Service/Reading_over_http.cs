using System.Net;
using System.Net.ServerSentEvents;
using System.Text.Json;
using Lathe.Contracts;

namespace Lathe.Coordinator.Tests;

/// <summary>Pages, versions and events over HTTP.</summary>
public sealed class Reading_over_http
{
    [Fact]
    public async Task Lists_come_in_pages()
    {
        await using var bench = await HttpBench.StartAsync();
        var ids = new List<Guid>();
        foreach (var name in (string[])["a", "b", "c"]) ids.Insert(0, await bench.SubmitAsync(HttpBench.Quick("[1, 2, 3]", name)));
        await bench.EndedAsync(ids[0]);

        Assert.Equal(ids[..2], (await bench.GetAsync<List<SweepSummary>>("/sweeps?limit=2")).Select(s => s.Id));
        Assert.Equal(ids[2..], (await bench.GetAsync<List<SweepSummary>>($"/sweeps?limit=2&before={ids[1]}")).Select(s => s.Id));

        var sweep = $"/sweeps/{ids[0]}";
        var first = await bench.GetAsync<ExecutionPage>($"{sweep}/executions?limit=4");
        var rest = await bench.GetAsync<ExecutionPage>($"{sweep}/executions?limit=4&after={first.Next}");
        Assert.Equal(Enumerable.Range(0, 6), first.Executions.Concat(rest.Executions).Select(e => e.Index));
        Assert.Null(rest.Next);
        Assert.Equal([1, 3, 5], (await bench.GetAsync<ExecutionPage>($"{sweep}/executions?stage=measure&state=cached")).Executions.Concat(
            (await bench.GetAsync<ExecutionPage>($"{sweep}/executions?stage=measure&state=completed")).Executions).Select(e => e.Index).Order());
        Assert.Equal(2, (await bench.GetAsync<SweepStatus>($"{sweep}?limit=2")).Executions.Count);
        Assert.Equal(2, (await bench.GetAsync<SweepResults>($"{sweep}/results?limit=2")).Leaves.Count);
        Assert.Single((await bench.GetAsync<SweepResults>($"{sweep}/results?limit=2&after=3")).Leaves);
        Assert.Equal(3, (await bench.GetAsync<SweepResults>($"{sweep}/results")).Leaves.Count);
        foreach (var wrong in (string[])["/sweeps?limit=0", "/sweeps?limit=x", $"{sweep}/executions?state=odd", $"{sweep}/executions?state=99", $"{sweep}/results?limit=1001", $"{sweep}?limit=-1"])
            await HttpBench.ProblemAsync(await bench.Client.GetAsync(wrong), 400);
    }

    [Fact]
    public async Task A_name_may_have_a_slash_or_what_looks_like_one()
    {
        await using var bench = await HttpBench.StartAsync();
        foreach (var name in (string[])["team/exp", "team%2Fexp", "50% of/50%25"])
        {
            var id = await bench.SubmitAsync(HttpBench.Quick(name: name));
            var place = $"/sweeps/{Uri.EscapeDataString(name)}";
            Assert.Equal(id, (await bench.GetAsync<SweepStatus>(place)).Id);
            await bench.EndedAsync(id);
            Assert.Equal(0, (await bench.GetAsync<ExecutionDetail>($"{place}/executions/0")).Execution.Index);
            Assert.Equal(System.Net.HttpStatusCode.NoContent, (await bench.SendAsync(HttpMethod.Put, $"{place}/pin")).StatusCode);
            Assert.True((await bench.GetAsync<SweepStatus>($"/sweeps/{id}")).Pinned);
        }

        Assert.Contains("'team/none'", (await HttpBench.ProblemAsync(await bench.Client.GetAsync("/sweeps/team%2fnone"), 404)).Detail);
    }

    [Fact]
    public async Task Sweeps_are_found_by_state_and_by_what_is_in_their_names()
    {
        await using var bench = await HttpBench.StartAsync();
        var held = await bench.SubmitAsync(HttpBench.Held("sought", name: "Held-LeNet"));
        await bench.RunsAsync(held);
        var done = await bench.SubmitAsync(HttpBench.Quick(name: "lenet_done"));
        await bench.EndedAsync(done);

        Assert.Equal([held], await IdsAsync("state=running"));
        Assert.Equal([done, held], await IdsAsync("state=running,Succeeded"));
        Assert.Empty(await IdsAsync("state=interrupted"));
        Assert.Equal([done, held], await IdsAsync("search=LENET"));
        Assert.Equal([done], await IdsAsync("search=t_d"));
        Assert.Empty(await IdsAsync("search=%25&state=running"));
        await HttpBench.ProblemAsync(await bench.Client.GetAsync("/sweeps?state=odd"), 400);

        async Task<IEnumerable<Guid>> IdsAsync(string query) => (await bench.GetAsync<List<SweepSummary>>($"/sweeps?{query}")).Select(s => s.Id);
    }

    [Fact]
    public async Task Event_streams_are_limited_in_number_and_can_begin_now()
    {
        await using var bench = await HttpBench.StartAsync(api: a => a with { Streams = 1 });
        var id = await bench.SubmitAsync(HttpBench.Held("stream"));
        await bench.RunsAsync(id);
        using (var open = await OpenAsync())
        {
            var refused = await OpenAsync();
            Assert.Contains("1 event streams are open", (await HttpBench.ProblemAsync(refused, 503)).Detail);
            Assert.NotNull(refused.Headers.RetryAfter);
            HoldStage.Release("stream");
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
            await using var body = await open.Content.ReadAsStreamAsync();
            await foreach (var first in SseParser.Create(body, (_, data) => JsonSerializer.Deserialize<SweepEvent>(data, LatheJson.Options)!).EnumerateAsync(patience.Token))
            {
                Assert.NotEqual("running", first.Data.Data.TryGetProperty("state", out var state) ? state.GetString() : null);
                break;
            }
        }

        await Lathe.Testing.Eventually.True(() => OpenAsync().GetAwaiter().GetResult().IsSuccessStatusCode, "a stream that was closed makes room");

        Task<HttpResponseMessage> OpenAsync() => bench.Client.SendAsync(new HttpRequestMessage(HttpMethod.Get, $"/sweeps/{id}/events?since=-1"), HttpCompletionOption.ResponseHeadersRead);
    }

    [Fact]
    public async Task How_far_executions_are_comes_to_who_asked_for_it()
    {
        await using var bench = await HttpBench.StartAsync();
        var id = await bench.SubmitAsync(HttpBench.Held("progressing"));
        await bench.RunsAsync(id);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        using var answer = await bench.Client.SendAsync(new HttpRequestMessage(HttpMethod.Get, $"/sweeps/{id}/events?since=-1&progress=true"), HttpCompletionOption.ResponseHeadersRead, patience.Token);
        await using var body = await answer.Content.ReadAsStreamAsync(patience.Token);
        await foreach (var item in SseParser.Create(body, (_, data) => JsonSerializer.Deserialize<JsonElement>(data)).EnumerateAsync(patience.Token))
        {
            if (item.EventType != "progress") continue;
            Assert.Null(item.EventId);
            var said = Assert.Single(item.Data.GetProperty("executions").EnumerateArray());
            Assert.Equal(0, said.GetProperty("index").GetInt32());
            // It was taken before it computed.
            if (said.GetProperty("progress").GetProperty("epoch") is not { ValueKind: JsonValueKind.Number } epoch) continue;
            Assert.Equal(1, epoch.GetDouble());
            break;
        }

        var line = Assert.Single(await bench.GetAsync<List<SweepSummary>>("/sweeps"));
        Assert.Equal((1, 0, 0, 0), (line.Running, line.Resting, line.Queued, line.Ready));
        HoldStage.Release("progressing");
    }

    [Fact]
    public async Task One_execution_is_read_with_the_figures_of_its_epochs()
    {
        await using var bench = await HttpBench.StartAsync();
        var id = await bench.SubmitAsync(HttpBench.Held("curve"));
        await bench.RunsAsync(id);

        var detail = await bench.GetAsync<ExecutionDetail>($"/sweeps/{id}/executions/0");

        Assert.Equal((ExecutionState.Running, "hold"), (detail.Execution.State, detail.Execution.Stage));
        var epoch = Assert.Single(detail.Epochs);
        Assert.Equal((1, 0.5, 0.75), (epoch.Epoch, epoch.Loss, epoch.Accuracy));
        await HttpBench.ProblemAsync(await bench.Client.GetAsync($"/sweeps/{id}/executions/1"), 404);
    }

    [Theory]
    [InlineData("")]
    [InlineData("/results")]
    public async Task What_a_client_has_is_not_sent_again(string below)
    {
        await using var bench = await HttpBench.StartAsync();
        var id = await bench.SubmitAsync(HttpBench.Held("tagged" + below.Length));
        await bench.RunsAsync(id);
        var tag = (await bench.Client.GetAsync($"/sweeps/{id}{below}")).Headers.ETag!.ToString();

        var same = await bench.SendAsync(HttpMethod.Get, $"/sweeps/{id}{below}", null, ("If-None-Match", tag));
        await bench.PostAsync($"/sweeps/{id}/priority", """{"priority": 1}""");
        var other = await bench.SendAsync(HttpMethod.Get, $"/sweeps/{id}{below}", null, ("If-None-Match", tag));

        Assert.Equal((HttpStatusCode.NotModified, ""), (same.StatusCode, await same.Content.ReadAsStringAsync()));
        Assert.Equal(HttpStatusCode.OK, other.StatusCode);
        Assert.NotEqual(tag, other.Headers.ETag!.ToString());
        Assert.StartsWith("W/", tag);
    }

    [Fact]
    public async Task Events_come_as_they_happen_and_go_on_after_the_last_one_that_a_watcher_has()
    {
        await using var bench = await HttpBench.StartAsync();
        var id = await bench.SubmitAsync(HttpBench.Held("watched"));
        await bench.RunsAsync(id);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        SseItem<SweepEvent> seen = default;
        await foreach (var item in EventsAsync(bench, id, null, patience.Token))
        {
            seen = item;
            Assert.Equal($"{item.Data.Sequence}", item.EventId);
            Assert.Equal(item.Data.Kind, item.EventType);
            // While it is watched, the sweep goes on.
            HoldStage.Release("watched");
            if (item.Data.Kind == "sweep" && item.Data.Data.GetProperty("state").GetString() == "succeeded") break;
        }

        await bench.PostAsync($"/sweeps/{id}/priority", """{"priority": 2}""");
        await foreach (var next in EventsAsync(bench, id, seen.EventId, patience.Token))
        {
            Assert.True(next.Data.Sequence > seen.Data.Sequence);
            break;
        }

        await HttpBench.ProblemAsync(await bench.Client.GetAsync("/sweeps/nothing/events"), 404);
        await HttpBench.ProblemAsync(await bench.SendAsync(HttpMethod.Get, $"/sweeps/{id}/events", null, ("Last-Event-ID", "x")), 400);
    }

    private static async IAsyncEnumerable<SseItem<SweepEvent>> EventsAsync(
        HttpBench bench, Guid id, string? last, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken stop)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/sweeps/{id}/events");
        if (last is not null) request.Headers.Add("Last-Event-ID", last);
        using var response = await bench.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, stop);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.MediaType);
        await using var body = await response.Content.ReadAsStreamAsync(stop);
        await foreach (var item in SseParser.Create(body, (_, data) => JsonSerializer.Deserialize<SweepEvent>(data, LatheJson.Options)!).EnumerateAsync(stop)) yield return item;
    }
}
