using System.Text.Json;
using Lathe.Contracts;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;

namespace Lathe.Coordinator.Tests;

/// <summary>A client of the Model Context Protocol uses the coordinator.</summary>
public sealed class Talking_to_a_model
{
    private const string Latest = "2026-07-28";

    private const string Yaml = """
        name: asked
        model: tiny
        dataset: mnist
        priority: 4
        stages:
          - make: { epochs: [1, 2] }
          - measure
        """;

    [Fact]
    public async Task A_sweep_is_planned_submitted_watched_and_read()
    {
        await using var bench = await HttpBench.StartAsync();
        await using var client = await ConnectAsync(bench);
        Assert.Equal(["hold", "make", "measure"], (await JsonAsync(client, "list_stages")).EnumerateArray().Select(s => s.GetProperty("name").GetString()));
        Assert.True((await JsonAsync(client, "list_stages", ("stage", "make"))).GetProperty("parametersSchema").GetProperty("properties").TryGetProperty("epochs", out _));

        var refused = (await JsonAsync(client, "plan_sweep", ("yaml", Yaml.Replace("[1, 2]", "many", StringComparison.Ordinal)))).GetProperty("problems")[0];
        Assert.Equal((6, "/stages/0/make/epochs"), (refused.GetProperty("line").GetInt32(), refused.GetProperty("path").GetString()));
        var plan = await JsonAsync(client, "plan_sweep", ("yaml", Yaml));
        Assert.Equal((0, 4), (plan.GetProperty("problems").GetArrayLength(), plan.GetProperty("size").GetInt32()));

        var id = (await JsonAsync(client, "submit_sweep", ("yaml", Yaml), ("requestId", "one"))).GetProperty("id").GetString();
        Assert.Equal(id, (await JsonAsync(client, "submit_sweep", ("yaml", Yaml), ("requestId", "one"))).GetProperty("id").GetString());
        var status = JsonSerializer.Deserialize<SweepStatus>(await TextAsync(client, "watch_sweep", ("sweep", id!), ("seconds", 60)), LatheJson.Options)!;

        Assert.Equal((SweepState.Succeeded, 4), (status.State, status.Priority));
        Assert.NotEqual(0, (await JsonAsync(client, "best_results", ("sweep", "asked"))).GetProperty("results").GetProperty("leaves").GetArrayLength());
        Assert.Equal("asked", (await JsonAsync(client, "list_sweeps", ("search", "ASK")))[0].GetProperty("name").GetString());
    }

    [Fact]
    public async Task A_failure_is_explained_and_mended()
    {
        await using var bench = await HttpBench.StartAsync();
        await using var client = await ConnectAsync(bench);
        HoldStage.Release("explained");
        await bench.EndedAsync(await bench.SubmitAsync(HttpBench.Held("explained", """{"share": 0.25}""", name: "sad")));

        var explained = await JsonAsync(client, "explain_execution", ("execution", "sad:0"));
        Assert.Contains("the share is too small", explained.GetProperty("execution").GetProperty("error").GetString());
        Assert.NotEqual(0, explained.GetProperty("log").GetArrayLength());
        var wrong = await client.CallToolAsync("retry_sweep", Arguments([("sweep", "sad"), ("set", new { hold = new { size = 3 } })]));
        Assert.True(wrong.IsError);
        Assert.Contains("/set/hold/size", Text(wrong));

        await JsonAsync(client, "retry_sweep", ("sweep", "sad"), ("set", new { hold = new { share = 0.75 } }));
        Assert.Equal("succeeded", (await JsonAsync(client, "watch_sweep", ("sweep", "sad"), ("seconds", 60))).GetProperty("state").GetString());
    }

    [Theory]
    [InlineData("2025-11-25")]
    [InlineData(Latest)]
    public async Task What_throws_something_away_is_done_once_its_own_words_are_repeated(string version)
    {
        await using var bench = await HttpBench.StartAsync();
        await using var client = await ConnectAsync(bench, new McpClientOptions { ProtocolVersion = version });
        var id = await bench.SubmitAsync(HttpBench.Held($"kept-{version}", name: "dear"));
        await bench.RunsAsync(id);
        var words = $"cancel {id.ToString()[..8]}";

        foreach (var confirm in (string?[])[null, "yes", $"delete {id.ToString()[..8]}"])
            Assert.Contains($"confirm: \"{words}\"", await TextAsync(client, "cancel_sweep", ("sweep", "dear"), ("confirm", confirm)));
        Assert.Equal(SweepState.Running, (await bench.GetAsync<SweepStatus>($"/sweeps/{id}")).State);

        Assert.Equal(1, (await JsonAsync(client, "cancel_sweep", ("sweep", "dear"), ("confirm", words))).GetProperty("executions").GetInt32());
        Assert.Contains("Nothing was done.", await TextAsync(client, "delete_sweep", ("sweep", "dear")));
        Assert.Contains("is forgotten", await TextAsync(client, "delete_sweep", ("sweep", "dear"), ("confirm", $"delete {id.ToString()[..8]}")));
        Assert.Empty(await bench.GetAsync<List<SweepSummary>>("/sweeps"));
    }

    [Theory]
    [InlineData("accept", true, true)]
    [InlineData("accept", false, false)]
    [InlineData("decline", true, false)]
    public async Task A_client_that_can_ask_its_person_does_and_the_model_cannot_answer_instead(string action, bool agree, bool isDone)
    {
        await using var bench = await HttpBench.StartAsync();
        var questions = new List<string>();
        await using var client = await ConnectAsync(bench, new McpClientOptions
        {
            ProtocolVersion = Latest,
            Handlers = new McpClientHandlers
            {
                ElicitationHandler = (question, _) =>
                {
                    questions.Add(question!.Message);
                    return ValueTask.FromResult(new ElicitResult { Action = action, Content = new Dictionary<string, JsonElement> { ["agree"] = JsonSerializer.SerializeToElement(agree) } });
                },
            },
        });
        var id = await bench.SubmitAsync(HttpBench.Held($"asked-{action}-{agree}", name: "dear"));
        await bench.RunsAsync(id);

        await TextAsync(client, "cancel_sweep", ("sweep", "dear"), ("confirm", $"cancel {id.ToString()[..8]}"));

        Assert.StartsWith("Cancels the sweep dear", Assert.Single(questions));
        Assert.Equal(isDone ? SweepState.Cancelled : SweepState.Running, (await bench.GetAsync<SweepStatus>($"/sweeps/{id}")).State);
    }

    [Theory]
    [InlineData("sweep_status", "sweep", "nothing", "no sweep 'nothing'")]
    [InlineData("explain_execution", "execution", "x", "expected SWEEP:INDEX")]
    [InlineData("list_stages", "stage", "fold", "there are hold, make, measure")]
    [InlineData("list_sweeps", "limit", 0, "limit is 0, expected 1 to 200")]
    [InlineData("plan_sweep", "limit", 1000, "limit is 1000, expected 1 to 200")]
    [InlineData("no_such_tool", "x", 1, "no_such_tool")]
    [InlineData("sweep_status", "wrong", "x", "sweep")]
    [InlineData("sweep_status", "sweep", 5, "another type than expected")]
    [InlineData("list_sweeps", "limit", 99999999999L, "another type than expected")]
    [InlineData("watch_sweep", "seconds", 0.5, "seconds is 0.5, expected 1 to 300")]
    public async Task A_mistake_is_answered_in_words(string tool, string name, object value, string words)
    {
        await using var bench = await HttpBench.StartAsync();
        await using var client = await ConnectAsync(bench);
        (string, object?)[] all = [(name, value), .. tool == "plan_sweep" ? [("yaml", (object?)Yaml)] : Array.Empty<(string, object?)>(), .. tool == "watch_sweep" ? [("sweep", (object?)"x")] : Array.Empty<(string, object?)>()];

        var answer = await client.CallToolAsync(tool, Arguments(all));

        Assert.True(answer.IsError);
        Assert.Contains(words, Text(answer));
        Assert.DoesNotContain("a fault in the coordinator", Text(answer));
    }

    [Fact]
    public async Task A_version_that_is_not_spoken_is_answered_with_all_that_are()
    {
        await using var bench = await HttpBench.StartAsync();
        foreach (var version in ProtocolVersions.Spoken)
        {
            // The library's own word for what it agrees on: an older version is no reason to take another.
            await using var client = await ConnectAsync(bench, new McpClientOptions { ProtocolVersion = version });
            Assert.Equal(version, client.NegotiatedProtocolVersion);
            Assert.NotEmpty(await client.ListToolsAsync(cancellationToken: TestContext.Current.CancellationToken));
        }

        var refused = await bench.PostAsync("/mcp", "{}", ("MCP-Protocol-Version", "1999-01-01"));
        Assert.Equal(400, (int)refused.StatusCode);
        var error = JsonElement.Parse(await refused.Content.ReadAsStringAsync()).GetProperty("error");
        Assert.Equal("the header MCP-Protocol-Version asks for version '1999-01-01'; spoken are 2024-11-05, 2025-03-26, 2025-06-18, 2025-11-25, 2026-07-28", error.GetProperty("message").GetString());
        Assert.Equal(ProtocolVersions.Spoken, error.GetProperty("data").GetProperty("supported").EnumerateArray().Select(v => v.GetString()));
        Assert.Equal(-32022, error.GetProperty("code").GetInt32());
    }

    [Fact]
    public async Task Its_key_decides_what_it_may_do()
    {
        await using var bench = await HttpBench.StartAsync(http: "http://0.0.0.0:0");
        var token = (await bench.Service<ApiKeys>().CreateAsync("reader", ApiScope.Read)).Token;
        await HttpBench.ProblemAsync(await bench.PostAsync("/mcp", "{}"), 401);
        bench.Client.DefaultRequestHeaders.Authorization = new("Bearer", token);
        await using var client = await ConnectAsync(bench);

        Assert.Equal("[]", await TextAsync(client, "list_sweeps"));
        foreach (var (tool, arguments) in ((string, (string, object?)[])[])[("submit_sweep", [("yaml", Yaml), ("requestId", "one")]), ("delete_sweep", [("sweep", "x")])])
        {
            var refused = await client.CallToolAsync(tool, Arguments(arguments));
            Assert.True(refused.IsError);
            Assert.Contains("the key 'reader' has the scope read", Text(refused));
        }

        await HttpBench.ProblemAsync(await bench.PostAsync("/mcp", "{}", ("Origin", "http://evil.example")), 403);
    }

    private static Task<McpClient> ConnectAsync(HttpBench bench, McpClientOptions? options = null) => McpClient.CreateAsync(
        new HttpClientTransport(new HttpClientTransportOptions { Endpoint = new Uri(bench.Client.BaseAddress!, "/mcp"), TransportMode = HttpTransportMode.StreamableHttp }, bench.Client),
        // On a busy machine a client that may choose takes the older one.
        options ?? new McpClientOptions { ProtocolVersion = Latest }, cancellationToken: TestContext.Current.CancellationToken);

    private static Dictionary<string, object?> Arguments(IEnumerable<(string Name, object? Value)> arguments) => arguments.ToDictionary(a => a.Name, a => a.Value);

    private static string Text(CallToolResult result) => string.Concat(result.Content.OfType<TextContentBlock>().Select(c => c.Text));

    private static async Task<string> TextAsync(McpClient client, string tool, params (string, object?)[] arguments)
    {
        var result = await client.CallToolAsync(tool, Arguments(arguments), cancellationToken: TestContext.Current.CancellationToken);
        Assert.False(result.IsError ?? false, Text(result));
        return Text(result);
    }

    private static async Task<JsonElement> JsonAsync(McpClient client, string tool, params (string, object?)[] arguments) => JsonElement.Parse(await TextAsync(client, tool, arguments));
}
