using System.Net;
using System.Text;
using CsCheck;
using Lathe.Contracts;
using Lathe.Testing;

namespace Lathe.Coordinator.Tests;

/// <summary>What a coordinator answers to requests that it cannot answer.</summary>
public sealed class Refusing_over_http
{
    [Fact]
    public async Task What_is_no_json_is_refused_with_its_place()
    {
        await using var bench = await HttpBench.StartAsync();

        var problem = await HttpBench.ProblemAsync(await bench.PostAsync("/sweeps", "{\n  \"spec\": nothing}"), 400);

        Assert.Contains("line 2, byte 12", problem.Detail);
    }

    [Theory]
    [InlineData("""{"spec": {"name": 3}}""", "/name", "expected text")]
    [InlineData("""{"spec": {"name": "a", "seeds": [1.5]}}""", "/seeds/0", "expected a whole number")]
    [InlineData("""{"spec": {"name": "a", "models": "b"}}""", "/models", "expected a list")]
    [InlineData("""{"spec": {"nam": "a"}}""", "/nam", "there is no key 'nam'")]
    [InlineData("""{"priorty": 3}""", "/priorty", "there is no key 'priorty'")]
    [InlineData("""{"spec": {"name": "a\u0000b"}}""", "/name", "NUL")]
    [InlineData("""{"spec": {"name": "a\ud800"}}""", "/name", "surrogate")]
    [InlineData("""{"spec": {"stages": [{"stage": "make", "parameters": {"epochs": 1e999}}]}}""", "/stages/0/parameters/epochs", "too large")]
    [InlineData("[]", "", "expected an object")]
    [InlineData("null", "", "expected an object")]
    [InlineData("{}", "", "no sweep")]
    public async Task What_is_no_submission_is_refused_with_its_place(string body, string place, string message)
    {
        await using var bench = await HttpBench.StartAsync();

        foreach (var path in (string[])["/sweeps", "/sweeps/check"])
        {
            var found = Assert.Single((await HttpBench.ProblemAsync(await bench.PostAsync(path, body), 422)).Problems!);
            Assert.Equal(place, found.Path);
            Assert.Contains(message, found.Message);
        }
    }

    [Theory]
    [InlineData("../../etc/passwd")]
    [InlineData("/etc/passwd")]
    [InlineData("http://10.0.0.1/net.onnx")]
    [InlineData("s3://bucket/net")]
    [InlineData("..")]
    [InlineData(".hidden")]
    [InlineData("a\\\\b")]
    [InlineData("../x:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")]
    public async Task A_model_is_no_path_and_no_address(string model)
    {
        await using var bench = await HttpBench.StartAsync();

        var problem = await HttpBench.ProblemAsync(await bench.PostAsync("/sweeps", HttpBench.Held(model)), 422);

        Assert.Equal("/models/0", Assert.Single(problem.Problems!).Path);
        Assert.Empty(await bench.GetAsync<List<SweepSummary>>("/sweeps"));
    }

    [Theory]
    [InlineData("/etc/passwd")]
    [InlineData("http://10.0.0.1/weights.pth")]
    [InlineData("abcdef")]
    public async Task Weights_are_no_path_and_no_address(string init)
    {
        await using var bench = await HttpBench.StartAsync();

        var problem = await HttpBench.ProblemAsync(await bench.PostAsync("/sweeps", HttpBench.Held("weighed", $$"""{"init": "{{init}}"}""")), 422);

        Assert.Equal("/stages/0/hold/init", Assert.Single(problem.Problems!).Path);
    }

    [Fact]
    public async Task The_web_servers_own_refusals_are_problems_too()
    {
        await using var bench = await HttpBench.StartAsync(api: a => a with { BodyBytes = 1000 });

        await HttpBench.ProblemAsync(await bench.Client.GetAsync("/nothing"), 404);
        Assert.Contains("GET", (await HttpBench.ProblemAsync(await bench.SendAsync(HttpMethod.Patch, "/sweeps"), 405)).Detail);
        await HttpBench.ProblemAsync(await bench.Client.PostAsync("/sweeps", new StringContent("{}", Encoding.UTF8, "text/plain")), 415);
        await HttpBench.ProblemAsync(await bench.PostAsync("/sweeps"), 415);
        await HttpBench.ProblemAsync(await bench.PostAsync("/sweeps", HttpBench.Quick(name: new string('n', 2000))), 413);
        await HttpBench.ProblemAsync(await bench.Client.GetAsync("/sweeps/%01"), 404);
    }

    [Fact]
    public async Task A_database_that_is_away_is_said_and_when_to_try_again()
    {
        var server = (PostgreSqlServer)(await TestContext.Current.GetFixture(typeof(PostgreSqlServer)))!;
        await using var relay = new TcpRelay(server.Port);
        var address = (await server.CreateDatabaseAsync()).Replace($"Port={server.Port}", $"Port={relay.Port}", StringComparison.Ordinal);
        await using var bench = await HttpBench.StartAsync(address);

        relay.IsOpen = false;
        relay.CutAll();

        foreach (var answer in (HttpResponseMessage[])
            [await bench.Client.GetAsync("/sweeps"), await bench.Client.GetAsync("/sweeps/x"), await bench.PostAsync("/sweeps", HttpBench.Quick(more: """, "requestId": "a" """))])
        {
            var problem = await HttpBench.ProblemAsync(answer, 503);
            Assert.NotNull(answer.Headers.RetryAfter);
            Assert.DoesNotContain("Npgsql", problem.Detail);
        }

        relay.IsOpen = true;
        await Eventually.True(() => bench.Client.GetAsync("/sweeps").GetAwaiter().GetResult().StatusCode == HttpStatusCode.OK, "the database is back");
    }

    [Theory]
    [CombinatorialDatabases]
    public async Task No_request_makes_it_fail(DatabaseKind kind)
    {
        var server = (PostgreSqlServer)(await TestContext.Current.GetFixture(typeof(PostgreSqlServer)))!;
        await using var bench = await HttpBench.StartAsync(
            kind == DatabaseKind.PostgreSql ? await server.CreateDatabaseAsync() : null,
            api: a => a with { Burst = 1_000_000 },
            options: o => o with { StageWait = TimeSpan.FromMilliseconds(1), CheckPatience = TimeSpan.FromSeconds(5) });
        var id = await bench.SubmitAsync(HttpBench.Held("fuzzed", """{"share": [0.25, 0.3]}""", "target"));
        await bench.EndedAsync(id);

        await Requests(id).SampleAsync(
            async request =>
            {
                using var message = new HttpRequestMessage(new HttpMethod(request.Method), request.Path);
                if (request.Body is { } body) message.Content = HttpBench.Json(body);
                if (request.Header is { } header) message.Headers.TryAddWithoutValidation(header.Name, header.Value);
                using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
                using var answer = await bench.Client.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, patience.Token);
                if (answer.IsSuccessStatusCode || answer.StatusCode == HttpStatusCode.NotModified) return;
                Assert.True((int)answer.StatusCode < 500, $"{(int)answer.StatusCode}: {await answer.Content.ReadAsStringAsync(patience.Token)}");
                // A target that is none, with a NUL for example, or too long, the web server refuses before it reads on.
                var isUnread = answer.StatusCode is HttpStatusCode.BadRequest or HttpStatusCode.RequestUriTooLong && answer.Content.Headers.ContentLength == 0;
                if (request.Method != "HEAD" && !isUnread) Assert.Equal("application/problem+json", answer.Content.Headers.ContentType?.MediaType);
            },
            iter: 600, threads: 2);
    }

    private sealed record Request(string Method, string Path, string? Body, (string Name, string Value)? Header);

    /// <summary>Requests of all routes with parts that are wrong in many ways.</summary>
    private static Gen<Request> Requests(Guid id)
    {
        string[] odd =
        [
            "null", "true", "3", "-1", "1.5", "1e999", "99999999999999999999", "\"\"", "\"x\"", "\"a\\u0000b\"", "\"\\ud800\"", "\"../../etc/passwd\"", "[]", "{}", "[null]", "[[1]]", "{\"a\": {}}",
            "{\"a\\u0000\": 1}", "{\"\\ud800\": 1}", "[1e400]", "\"make\"", "[1, 1]", "{\"epochs\": [1, \"b\"]}", "{\"epochs\": {}}", "{\"model\": \"a\"}", "{\"\": []}", "1e-400", "-0", "9223372036854775808",
            "{\"epochs\": 12345678901234567890123456789012345678901234567890}", "\"\\uFFFF\"", "[\"cpu\"]", "{\"stage\": \"make\", \"parameters\": []}", "[{\"stage\": null}]", "[{}]", "nothing", "{", "\u0001",
            $"\"{new string('n', 3000)}\"", new string('[', 70) + new string(']', 70),
        ];
        string[] members = ["name", "models", "datasets", "seeds", "stages", "threads", "device"];
        string[] outer = ["fresh", "requestId", "priority", "share", "weight", "limits", "set", "other"];
        string[] good = ["\"fuzz\"", "[\"tiny\"]", "[\"mnist\"]", "[0]", "[{\"stage\": \"make\", \"parameters\": {\"epochs\": 1}}]", "null", "null"];
        var value = Gen.OneOf(odd);
        var spec = Gen.Select(Gen.Int[0, members.Length - 1], value, (i, v) => "{" + string.Join(", ", members.Select((m, j) => $"\"{m}\": {(i == j ? v : good[j])}")) + "}");
        var limits = Gen.Select(Gen.OneOf("parallel", "parallelOf", "executionSeconds", "sweepSeconds", "failures"), value, (m, v) => $"{{\"{m}\": {v}}}");
        var submission = Gen.OneOf(
            spec.Select(s => $"{{\"spec\": {s}}}"),
            Gen.Select(Gen.OneOf(outer), Gen.OneOf(value, limits), (m, v) => $"{{\"spec\": {{{string.Join(", ", members.Select((n, j) => $"\"{n}\": {good[j]}"))}}}, \"{m}\": {v}}}"),
            Gen.Select(value, value, (a, b) => $"{{\"set\": {{\"hold\": {{\"share\": {a}, \"init\": {b}}}}}}}"),
            value.Select(v => $"{{\"set\": {{\"hold\": {v}}}}}"),
            value.Select(v => $"{{\"priority\": {v}}}"),
            value);
        var reference = Gen.OneOf(id.ToString(), "target", id.ToString()[..3], "%00", "a%00b", "..", "%2e%2e%2f", "%ff", "%ed%a0%80", "'; drop table sweeps", "%", new string('x', 3000), "\u00e9");
        var number = Gen.OneOf("0", "-1", "1", "99999999999999999999", "x", "", "%00", "2147483647", "-2147483648", "1.5");
        var option = Gen.Select(Gen.OneOf("limit", "before", "after", "state", "stage", "execution", "since", "details"), Gen.OneOf(number, reference), (n, v) => $"{n}={v}");
        var below = Gen.OneOf(
            Gen.OneOf("", "/executions", "/results", "/best", "/pause", "/resume", "/cancel", "/retry", "/priority", "/pin", "/events"), number.Select(n => $"/executions/{n}"));
        var path = Gen.OneOf(
            Gen.Select(reference, below, (r, b) => $"/sweeps/{r}{b}"), Gen.OneOf("/sweeps", "/sweeps", "/sweeps/check", "/stages", "/sweeps//", "/openapi/v2.json"), reference.Select(r => $"/checkpoints/{r}"));
        var header = Gen.Select(
            Gen.OneOf("Idempotency-Key", "If-None-Match", "Last-Event-ID", "traceparent", "Range", "Content-Encoding"),
            Gen.OneOf("", "x", "\"a\"", "W/", "-1", "\t", "bytes=9-1", "00-00000000000000000000000000000000-0000000000000000-00", new string('k', 500)), (n, v) => (n, v));
        return Gen.Select(
            Gen.OneOf("GET", "POST", "POST", "POST", "PUT", "DELETE", "HEAD"), Gen.Select(path, option.List[0, 2], (p, o) => o.Count == 0 ? p : $"{p}?{string.Join('&', o)}"), submission, header, Gen.Int[0, 3],
            (method, where, body, with, how) => new Request(
                // The target has to stay.
                method == "DELETE" && !where.Contains("/pin", StringComparison.Ordinal) ? "POST" : method, where,
                method is "GET" or "HEAD" || how == 0 ? null : body, how == 1 ? with : null));
    }
}
