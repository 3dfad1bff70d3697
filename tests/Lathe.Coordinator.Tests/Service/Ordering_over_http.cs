using System.Net;
using Lathe.Contracts;
using Lathe.Testing;

namespace Lathe.Coordinator.Tests;

/// <summary>Submitting and controlling sweeps over HTTP.</summary>
public sealed class Ordering_over_http
{
    [Fact]
    public async Task A_sweep_is_paused_resumed_and_cancelled_and_every_order_may_come_twice()
    {
        await using var bench = await HttpBench.StartAsync();
        var id = await bench.SubmitAsync(HttpBench.Held("paused"));
        await bench.RunsAsync(id);

        foreach (var _ in (int[])[1, 2]) Assert.Equal(HttpStatusCode.OK, (await bench.PostAsync($"/sweeps/{id}/pause")).StatusCode);
        Assert.Equal(SweepState.Paused, (await bench.GetAsync<SweepStatus>($"/sweeps/{id}")).State);
        foreach (var _ in (int[])[1, 2]) Assert.Equal(HttpStatusCode.OK, (await bench.PostAsync($"/sweeps/{id}/resume")).StatusCode);
        await bench.RunsAsync(id);
        foreach (var _ in (int[])[1, 2]) Assert.Equal(HttpStatusCode.OK, (await bench.PostAsync($"/sweeps/{id}/cancel")).StatusCode);

        Assert.Equal(SweepState.Cancelled, (await bench.GetAsync<SweepStatus>($"/sweeps/{id}")).State);
        var problem = await HttpBench.ProblemAsync(await bench.PostAsync($"/sweeps/{id}/pause"), 409);
        Assert.Contains("cancelled", problem.Detail);
    }

    [Fact]
    public async Task One_execution_or_one_stage_is_cancelled_and_the_answer_says_how_many()
    {
        await using var bench = await HttpBench.StartAsync();
        var id = await bench.SubmitAsync(HttpBench.Held("partly", """{"share": [0.6, 0.7, 0.8]}"""));
        await bench.RunsAsync(id);

        Assert.Equal(1, (await HttpBench.JsonOf(await bench.PostAsync($"/sweeps/{id}/cancel?execution=2"))).GetProperty("executions").GetInt32());
        Assert.Equal(2, (await HttpBench.JsonOf(await bench.PostAsync($"/sweeps/{id}/cancel?stage=hold"))).GetProperty("executions").GetInt32());

        await HttpBench.ProblemAsync(await bench.PostAsync($"/sweeps/{id}/cancel?stage=prune"), 404);
        await HttpBench.ProblemAsync(await bench.PostAsync($"/sweeps/{id}/cancel?execution=3"), 404);
        await HttpBench.ProblemAsync(await bench.PostAsync($"/sweeps/{id}/cancel?execution=many"), 400);
        await HttpBench.ProblemAsync(await bench.PostAsync("/sweeps/nothing/cancel"), 404);
    }

    [Fact]
    public async Task What_failed_runs_again_with_a_mended_parameter()
    {
        await using var bench = await HttpBench.StartAsync();
        HoldStage.Release("mended");
        var id = await bench.SubmitAsync(HttpBench.Held("mended", """{"share": [0.25, 0.75]}"""));
        Assert.Equal(SweepState.Failed, (await bench.EndedAsync(id)).State);

        var retried = await bench.PostAsync($"/sweeps/{id}/retry", """{"set": {"hold": {"share": 0.5}}}""");

        Assert.Equal(1, (await HttpBench.JsonOf(retried)).GetProperty("executions").GetInt32());
        var status = await bench.EndedAsync(id);
        Assert.Equal(SweepState.Succeeded, status.State);
        Assert.Equal([0.5, 0.75], status.Executions.Select(e => e.Parameters.GetProperty("share").GetDouble()));
    }

    [Theory]
    [InlineData("""{"set": {"hold": {"share": 2}}}""", "/set/hold/share")]
    [InlineData("""{"set": {"hold": {"share": 0.125}}}""", "/set/hold/share")]
    [InlineData("""{"set": {"hold": {"size": 1}}}""", "/set/hold/size")]
    [InlineData("""{"set": {"hold": {"model": "other"}}}""", "/set/hold/model")]
    [InlineData("""{"set": {"hold": {"init": "/etc/passwd"}}}""", "/set/hold/init")]
    [InlineData("""{"set": {"hold": 3}}""", "/set/hold")]
    [InlineData("""{"set": {"prune": {}}}""", "/set/prune")]
    [InlineData("""{"set": 3}""", "/set")]
    [InlineData("""{"sett": {}}""", "/sett")]
    public async Task A_mend_that_a_stage_refuses_changes_nothing(string order, string place)
    {
        await using var bench = await HttpBench.StartAsync();
        var id = await bench.SubmitAsync(HttpBench.Held("refused", """{"share": 0.25}"""));
        await bench.EndedAsync(id);

        var problem = await HttpBench.ProblemAsync(await bench.PostAsync($"/sweeps/{id}/retry", order), 422);

        Assert.Equal(place, Assert.Single(problem.Problems!).Path);
        Assert.Equal(0.25, Assert.Single((await bench.GetAsync<SweepStatus>($"/sweeps/{id}")).Executions).Parameters.GetProperty("share").GetDouble());
    }

    [Fact]
    public async Task Priority_and_pin_are_set_and_a_pinned_or_running_sweep_is_not_deleted()
    {
        await using var bench = await HttpBench.StartAsync();
        var id = await bench.SubmitAsync(HttpBench.Held("pinned"));
        await bench.RunsAsync(id);

        Assert.Equal(HttpStatusCode.NoContent, (await bench.PostAsync($"/sweeps/{id}/priority", """{"priority": 5}""")).StatusCode);
        Assert.Equal("/priority", Assert.Single((await HttpBench.ProblemAsync(await bench.PostAsync($"/sweeps/{id}/priority", """{"priority": 6}"""), 422)).Problems!).Path);
        Assert.Equal(HttpStatusCode.NoContent, (await bench.SendAsync(HttpMethod.Put, $"/sweeps/{id}/pin")).StatusCode);
        var status = await bench.GetAsync<SweepStatus>($"/sweeps/{id}");
        Assert.Equal((5, true), (status.Priority, status.Pinned));

        await HttpBench.ProblemAsync(await bench.SendAsync(HttpMethod.Delete, $"/sweeps/{id}"), 409);
        await bench.PostAsync($"/sweeps/{id}/cancel");
        await HttpBench.ProblemAsync(await bench.SendAsync(HttpMethod.Delete, $"/sweeps/{id}"), 409);
        Assert.Equal(HttpStatusCode.NoContent, (await bench.SendAsync(HttpMethod.Delete, $"/sweeps/{id}/pin")).StatusCode);
        Assert.Equal(HttpStatusCode.NoContent, (await bench.SendAsync(HttpMethod.Delete, $"/sweeps/{id}")).StatusCode);
        await HttpBench.ProblemAsync(await bench.SendAsync(HttpMethod.Delete, $"/sweeps/{id}"), 404);
    }

    [Fact]
    public async Task A_check_tells_the_size_of_a_sweep_and_records_nothing()
    {
        await using var bench = await HttpBench.StartAsync();

        var good = await HttpBench.JsonOf(await bench.PostAsync("/sweeps/check", HttpBench.Quick("[1, 2, 3]")));
        var bad = await HttpBench.JsonOf(await bench.PostAsync("/sweeps/check", HttpBench.Held("checked", """{"share": 0.125}""", more: """, "priority": 9""")));

        Assert.Equal((6, 0), (good.GetProperty("executions").GetInt32(), good.GetProperty("problems").GetArrayLength()));
        Assert.Equal(["/priority", "/stages/0/hold/share"], bad.GetProperty("problems").EnumerateArray().Select(p => p.GetProperty("path").GetString()!));
        Assert.Empty(await bench.GetAsync<List<SweepSummary>>("/sweeps"));
    }

    [Fact]
    public async Task A_client_that_leaves_during_its_submission_loses_nothing()
    {
        await using var bench = await HttpBench.StartAsync();
        var sweep = HttpBench.Held(HoldStage.Asked);
        using var leaving = new CancellationTokenSource();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/sweeps") { Content = HttpBench.Json(sweep) };
        request.Headers.Add("Idempotency-Key", "once");

        var sent = bench.Client.SendAsync(request, leaving.Token);
        await HoldStage.IsAsked.Task.WaitAsync(TimeSpan.FromSeconds(30));
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => sent);
        HoldStage.Release(HoldStage.Asked);
        // It is recorded although nobody waits for it.
        await Eventually.True(() => bench.GetAsync<List<SweepSummary>>("/sweeps").GetAwaiter().GetResult().Count == 1, "the sweep is recorded");
        var again = await bench.PostAsync("/sweeps", sweep, ("Idempotency-Key", "once"));

        var recorded = Assert.Single(await bench.GetAsync<List<SweepSummary>>("/sweeps"));
        Assert.Equal(recorded.Id, (await HttpBench.JsonOf(again)).GetProperty("id").GetGuid());
    }

    [Fact]
    public async Task Two_submissions_of_one_request_at_one_time_are_one_sweep()
    {
        await using var bench = await HttpBench.StartAsync();

        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => bench.PostAsync("/sweeps", HttpBench.Quick(), ("Idempotency-Key", "twins"))));

        Assert.All(answers, a => Assert.Equal(HttpStatusCode.Created, a.StatusCode));
        Assert.Single((await Task.WhenAll(answers.Select(HttpBench.JsonOf))).Select(a => a.GetProperty("id").GetGuid()).Distinct());
        Assert.Single(await bench.GetAsync<List<SweepSummary>>("/sweeps"));
    }
}
