using Lathe.Contracts;
using Lathe.Testing;

namespace Lathe.Coordinator.Tests;

/// <summary>Requests that nearly say what was meant: none of them is taken for another one.</summary>
public sealed class Mistyped_requests
{
    [Fact]
    public async Task A_query_that_a_route_does_not_know_or_cannot_read_changes_nothing()
    {
        await using var bench = await HttpBench.StartAsync();
        var id = await bench.SubmitAsync(HttpBench.Held("mistyped", """{"share": [0.6, 0.7]}"""));
        await bench.RunsAsync(id);

        var problem = await HttpBench.ProblemAsync(await bench.PostAsync($"/sweeps/{id}/cancel?exection=0"), 400);
        Assert.Equal("there is no query key 'exection' here; this address takes stage, execution", problem.Detail);
        foreach (var query in (string[])["execution=", "execution=0&execution=1", "execution=0&Execution=1", "execution=0x1", "stage=&bogus", "=0", "execution=0&stage=hold&bogus=1"])
        {
            foreach (var order in (string[])["pause", "resume", "cancel", "retry"]) await HttpBench.ProblemAsync(await bench.PostAsync($"/sweeps/{id}/{order}?{query}"), 400);
        }

        // In the body instead of the query.
        foreach (var order in (string[])["pause", "resume", "cancel"])
        {
            problem = await HttpBench.ProblemAsync(await bench.PostAsync($"/sweeps/{id}/{order}", """{"execution": 0}"""), 400);
            Assert.Equal("this address takes no body; stage and execution stand in the query, as in ?execution=3", problem.Detail);
        }

        await HttpBench.ProblemAsync(await bench.SendAsync(HttpMethod.Put, $"/sweeps/{id}/pin", """{"execution": 1}"""), 400);
        Assert.Contains("takes no query", (await HttpBench.ProblemAsync(await bench.PostAsync($"/sweeps/{id}/priority?priority=5", """{"priority": 5}"""), 400)).Detail);
        await HttpBench.ProblemAsync(await bench.SendAsync(HttpMethod.Put, $"/sweeps/{id}/pin?execution=1"), 400);
        await HttpBench.ProblemAsync(await bench.SendAsync(HttpMethod.Delete, $"/sweeps/{id}?dryRun=true"), 400);
        await HttpBench.ProblemAsync(await bench.PostAsync("/gc?dryRun=true", "{}"), 400);
        await HttpBench.ProblemAsync(await bench.PostAsync("/sweeps?priority=5", HttpBench.Quick()), 400);
        await HttpBench.ProblemAsync(await bench.PostAsync("/sweeps/check?bogus=1", HttpBench.Quick()), 400);
        await HttpBench.ProblemAsync(await bench.PostAsync("/sweeps/plan?limit=ten", HttpBench.Quick()), 400);
        var status = await bench.GetAsync<SweepStatus>($"/sweeps/{id}");
        Assert.Equal((SweepState.Running, SweepLimits.DefaultPriority, false), (status.State, status.Priority, status.Pinned));
        Assert.All(status.Executions, e => Assert.True(e.State is ExecutionState.Ready or ExecutionState.Queued or ExecutionState.Running or ExecutionState.Waiting, $"{e.State}"));
    }

    [Theory]
    [InlineData("/sweeps?bogus=1")]
    [InlineData("/sweeps?search=%00")]
    [InlineData("/sweeps?limit=ten")]
    [InlineData("/sweeps?limit=")]
    [InlineData("/sweeps?state=lost")]
    [InlineData("/sweeps/SWEEP?limt=1")]
    [InlineData("/sweeps/SWEEP/executions?state=")]
    [InlineData("/sweeps/SWEEP/executions?after=x")]
    [InlineData("/sweeps/SWEEP/executions/0?why=perhaps")]
    [InlineData("/sweeps/SWEEP/results?detail=true")]
    [InlineData("/sweeps/SWEEP/best?after=1")]
    [InlineData("/sweeps/SWEEP/events?sinse=3")]
    [InlineData("/executions/SWEEP:0?wy=true")]
    [InlineData("/executions/SWEEP:0/panels?theme=dark")]
    [InlineData("/stages?name=hold")]
    [InlineData("/workers?stage=hold")]
    [InlineData("/queues?stage=hold")]
    [InlineData("/openapi/v1.json?format=yaml")]
    [InlineData("/session?key=x")]
    public async Task A_read_with_a_query_that_the_route_does_not_know_is_refused(string path)
    {
        await using var bench = await HttpBench.StartAsync();
        var id = await bench.SubmitAsync(HttpBench.Quick());

        await HttpBench.ProblemAsync(await bench.Client.GetAsync(path.Replace("SWEEP", id.ToString(), StringComparison.Ordinal)), 400);
        await HttpBench.ProblemAsync(await bench.Client.GetAsync("/sweeps?before=x"), 404);
    }

    [Fact]
    public async Task A_stage_without_parameters_has_its_defaults()
    {
        await using var bench = await HttpBench.StartAsync();
        var submission = HttpBench.Quick().Replace(""", "parameters": {}""", "", StringComparison.Ordinal);
        Assert.NotEqual(HttpBench.Quick(), submission);
        await bench.EndedAsync(await bench.SubmitAsync(submission));
    }

    [Theory]
    [InlineData("\\u001b[31mred", "control character")]
    [InlineData("two\\nlines", "control character")]
    [InlineData("left\\u202eright", "control character")]
    [InlineData("LONG", "at most 200")]
    [InlineData("LATE", "at most 200")]
    public async Task A_name_that_spoils_a_terminal_is_refused_with_its_place(string name, string message)
    {
        await using var bench = await HttpBench.StartAsync();
        name = name.Replace("LONG", new string('n', 201), StringComparison.Ordinal).Replace("LATE", new string('n', 100_000), StringComparison.Ordinal);

        var problem = Assert.Single((await HttpBench.ProblemAsync(await bench.PostAsync("/sweeps", HttpBench.Quick(name: name)), 422)).Problems!);

        Assert.Equal("/name", problem.Path);
        Assert.Contains(message, problem.Message);
        Assert.DoesNotContain('\u001b', problem.Message);
        Assert.True(problem.Message.Length < 400, problem.Message);
    }

    [Fact]
    public async Task What_is_not_there_is_said_without_a_word_of_the_servers_places()
    {
        await using var bench = await HttpBench.StartAsync();

        var sweep = await HttpBench.ProblemAsync(await bench.Client.GetAsync("/sweeps/nothing"), 404);
        var data = await HttpBench.ProblemAsync(await bench.PostAsync("/sweeps", HttpBench.Quick().Replace("mnist", "coco", StringComparison.Ordinal)), 422);

        Assert.Equal("no sweep 'nothing'; expected an id, the start of one, or a name (lathe status and GET /sweeps list them)", sweep.Detail);
        Assert.Equal("/datasets/0", Assert.Single(data.Problems!).Path);
        Assert.Contains("coco", data.Detail);
        Assert.DoesNotContain(bench.Home, data.Detail);
        Assert.DoesNotContain("/usr/share", data.Detail);
    }

    [Fact]
    public async Task A_database_that_is_away_is_not_named_to_those_who_ask()
    {
        var server = (PostgreSqlServer)(await TestContext.Current.GetFixture(typeof(PostgreSqlServer)))!;
        await using var relay = new TcpRelay(server.Port);
        var address = (await server.CreateDatabaseAsync()).Replace($"Port={server.Port}", $"Port={relay.Port}", StringComparison.Ordinal);
        await using var bench = await HttpBench.StartAsync(address);
        relay.IsOpen = false;
        relay.CutAll();

        using var ready = await bench.Client.GetAsync("/health/ready");
        var said = await ready.Content.ReadAsStringAsync() + (await HttpBench.ProblemAsync(await bench.Client.GetAsync("/sweeps"), 503)).Detail
            + (await HttpBench.ProblemAsync(await bench.Client.GetAsync("/sweeps/x"), 503)).Detail;

        Assert.Equal(503, (int)ready.StatusCode);
        Assert.Contains("database", said);
        Assert.DoesNotContain("postgres", said, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("127.0.0.1", said);
        Assert.DoesNotContain($"{relay.Port}", said);
    }

    [Fact]
    public async Task Faults_of_a_body_are_told_with_their_place_and_their_limit()
    {
        await using var bench = await HttpBench.StartAsync(api: a => a with { BodyBytes = 1000 });
        var id = await bench.SubmitAsync(HttpBench.Held("told"));

        Assert.Contains("1,000 bytes at most", (await HttpBench.ProblemAsync(await bench.PostAsync("/sweeps", HttpBench.Quick(name: new string('n', 2000))), 413)).Detail);
        var priority = Assert.Single((await HttpBench.ProblemAsync(await bench.PostAsync($"/sweeps/{id}/priority", "{}"), 422)).Problems!);
        Assert.Equal(("/priority", "is missing, expected a whole number from 1 to 5"), (priority.Path, priority.Message));
        var unnamed = (await HttpBench.ProblemAsync(await bench.PostAsync("/sweeps", """
            {"spec": {"name": "a", "models": ["tiny"], "datasets": ["mnist"], "seeds": [0], "stages": [{"stage": "", "parameters": {}}]}}
            """), 422)).Problems!;
        Assert.Equal("/stages/0/stage", Assert.Single(unnamed).Path);
    }
}
