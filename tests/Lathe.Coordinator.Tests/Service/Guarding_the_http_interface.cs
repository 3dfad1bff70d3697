using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Lathe.Contracts;
using Lathe.Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace Lathe.Coordinator.Tests;

/// <summary>Who may use a coordinator.</summary>
public sealed class Guarding_the_http_interface
{
    private const string Everywhere = "http://0.0.0.0:0";

    [Theory]
    [InlineData("Host", "evil.example", 421)]
    [InlineData("Origin", "http://evil.example", 403)]
    [InlineData("Origin", "null", 403)]
    [InlineData("Origin", "http://127.0.0.1:1", 403)]
    [InlineData("Content-Type", "text/plain", 415)]
    [InlineData("Content-Type", "application/x-www-form-urlencoded", 415)]
    public async Task A_web_page_cannot_submit_or_control(string header, string value, int status)
    {
        await using var bench = await HttpBench.StartAsync();
        var id = await bench.SubmitAsync(HttpBench.Held("guarded"));

        foreach (var (path, body) in ((string, string)[])[("/sweeps", HttpBench.Quick(name: "foreign")), ($"/sweeps/{id}/cancel", "")])
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = HttpBench.Json(body) };
            if (header == "Content-Type") request.Content.Headers.ContentType = new MediaTypeHeaderValue(value);
            else request.Headers.TryAddWithoutValidation(header, value);
            await HttpBench.ProblemAsync(await bench.Client.SendAsync(request), status);
        }

        Assert.Equal(("held", SweepState.Running), Assert.Single((await bench.GetAsync<List<SweepSummary>>("/sweeps")).Select(s => (s.Name, s.State))));
    }

    [Fact]
    public async Task Its_own_pages_and_the_names_that_are_listed_are_let_in()
    {
        await using var bench = await HttpBench.StartAsync(api: a => a with { Hosts = ["lathe.example.org"] });

        foreach (var host in (string[])["localhost:80", "127.0.0.1", "[::1]:80", "lathe.example.org"])
        {
            Assert.Equal(HttpStatusCode.OK, (await bench.SendAsync(HttpMethod.Get, "/sweeps", null, ("Host", host))).StatusCode);
            Assert.Equal(HttpStatusCode.OK, (await bench.SendAsync(HttpMethod.Get, "/sweeps", null, ("Host", host), ("Origin", $"https://{host}"))).StatusCode);
        }
    }

    [Fact]
    public async Task Beyond_its_machine_every_route_but_health_needs_a_key_of_the_right_scope()
    {
        await using var bench = await HttpBench.StartAsync(http: Everywhere);
        var keys = bench.Service<ApiKeys>();
        var read = (await keys.CreateAsync("reader", ApiScope.Read)).Token;
        var submit = (await keys.CreateAsync("author", ApiScope.Submit)).Token;
        var admin = (await keys.CreateAsync("boss", ApiScope.Admin)).Token;

        var problem = await HttpBench.ProblemAsync(await bench.Client.GetAsync("/sweeps"), 401);
        Assert.Contains("lathe keys create", problem.Detail);
        foreach (var path in (string[])["/stages", "/openapi/v1.json", "/nothing", "/sweeps/x/events", "/checkpoints/x"])
            await HttpBench.ProblemAsync(await bench.Client.GetAsync(path), 401);
        Assert.Equal(HttpStatusCode.OK, (await bench.Client.GetAsync("/health/live")).StatusCode);

        Assert.Equal(HttpStatusCode.OK, (await SendAsync(HttpMethod.Get, "/sweeps", read)).StatusCode);
        await HttpBench.ProblemAsync(await SendAsync(HttpMethod.Post, "/sweeps", read, HttpBench.Held("keyed")), 403);
        var id = (await HttpBench.JsonOf(await SendAsync(HttpMethod.Post, "/sweeps", submit, HttpBench.Held("keyed")))).GetProperty("id").GetGuid();
        await HttpBench.ProblemAsync(await SendAsync(HttpMethod.Post, $"/sweeps/{id}/cancel", read), 403);
        Assert.Equal(HttpStatusCode.OK, (await SendAsync(HttpMethod.Post, $"/sweeps/{id}/cancel", submit)).StatusCode);
        await HttpBench.ProblemAsync(await SendAsync(HttpMethod.Put, $"/checkpoints/{new string('a', 64)}", read), 403);
        await HttpBench.ProblemAsync(await SendAsync(HttpMethod.Delete, $"/sweeps/{id}", submit), 403);
        Assert.Equal(HttpStatusCode.NoContent, (await SendAsync(HttpMethod.Delete, $"/sweeps/{id}", admin)).StatusCode);

        Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, string key, string? json = null) => bench.SendAsync(method, path, json, ("Authorization", $"Bearer {key}"));
    }

    [Fact]
    public async Task A_key_is_checked_whole_and_a_revoked_one_is_refused_within_seconds()
    {
        await using var bench = await HttpBench.StartAsync(http: Everywhere);
        // Another process makes and revokes it.
        var keys = new ApiKeys(new CoordinatorStore(DatabaseAddress.In(bench.Home)), TimeProvider.System);
        var (key, token) = await keys.CreateAsync("laptop", ApiScope.Admin);
        var (_, other) = await keys.CreateAsync("other", ApiScope.Read);

        Assert.Equal(HttpStatusCode.OK, (await GetAsync($"Bearer {token}")).StatusCode);
        var flipped = token[..^1] + (token[^1] == '0' ? '1' : '0');
        foreach (var wrong in (string[])
            [flipped, token[..^1], token + "0", token.ToUpperInvariant(), other[..17] + token[17..], $"lathe_{key.Id}_", "lathe__", "", "x", token.Split('_')[2], $"Basic {token}"])
            await HttpBench.ProblemAsync(await GetAsync(wrong.StartsWith("Basic", StringComparison.Ordinal) ? wrong : $"Bearer {wrong}"), 401);
        Assert.NotNull((await keys.ListAsync())[0].LastUsedAt);
        await using (var database = bench.Service<CoordinatorStore>().Open())
            Assert.DoesNotContain(database.ApiKeys.ToList(), k => k.SecretSha256 == token.Split('_')[2]);

        await keys.RevokeAsync(key.Id);

        await Lathe.Testing.Eventually.True(() => GetAsync($"Bearer {token}").GetAwaiter().GetResult().StatusCode == HttpStatusCode.Unauthorized, "the key is refused", seconds: 10);
        await Assert.ThrowsAsync<LatheException>(() => keys.RevokeAsync(key.Id));

        Task<HttpResponseMessage> GetAsync(string authorization) => bench.SendAsync(HttpMethod.Get, "/sweeps", null, ("Authorization", authorization));
    }

    [Fact]
    public async Task The_key_of_the_coordinators_environment_has_every_right_and_needs_no_database()
    {
        const string given = "0123456789abcdef0123456789abcdef";
        await using var bench = await HttpBench.StartAsync(http: Everywhere, api: a => a with { Key = given });
        Assert.Equal(HttpStatusCode.NotFound, (await bench.SendAsync(HttpMethod.Delete, "/sweeps/none", null, ("Authorization", $"Bearer {given}"))).StatusCode);
        foreach (var wrong in (string[])[given[..^1], given + "0", given.ToUpperInvariant()])
            await HttpBench.ProblemAsync(await bench.SendAsync(HttpMethod.Get, "/sweeps", null, ("Authorization", $"Bearer {wrong}")), 401);

        var weak = Assert.Throws<LatheException>(() => ApiSettings.Load("http://*:5080", name => name == ApiSettings.KeyVariable ? "secret" : null));
        Assert.StartsWith("LATHE_API_KEY has 6 characters, expected at least 32", weak.Message);
        Assert.DoesNotContain("secret", weak.Message);
    }

    [Fact]
    public async Task Too_many_requests_of_one_client_are_turned_away_for_a_while()
    {
        await using var bench = await HttpBench.StartAsync(http: Everywhere, api: a => a with { Burst = 5, PerSecond = 10 });
        var keys = bench.Service<ApiKeys>();
        var (busy, quiet) = ((await keys.CreateAsync("busy", ApiScope.Read)).Token, (await keys.CreateAsync("quiet", ApiScope.Read)).Token);

        var answers = await Task.WhenAll(Enumerable.Range(0, 60).Select(_ => bench.SendAsync(HttpMethod.Get, "/stages", null, ("Authorization", $"Bearer {busy}"))));

        var refused = answers.Where(a => a.StatusCode == HttpStatusCode.TooManyRequests).ToList();
        Assert.NotEmpty(refused);
        await HttpBench.ProblemAsync(refused[0], 429);
        Assert.NotNull(refused[0].Headers.RetryAfter);
        Assert.Equal(HttpStatusCode.OK, (await bench.SendAsync(HttpMethod.Get, "/stages", null, ("Authorization", $"Bearer {quiet}"))).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await bench.Client.GetAsync("/health/live")).StatusCode);
    }

    [Theory]
    [InlineData("http://127.0.0.1:5080", false)]
    [InlineData("http://localhost:5080", false)]
    [InlineData("http://[::1]:5080", false)]
    [InlineData("http://*:5080", true)]
    [InlineData("http://+:5080", true)]
    [InlineData("http://0.0.0.0:5080", true)]
    [InlineData("http://[::]:5080", true)]
    [InlineData("http://localhost.example.org:5080", true)]
    [InlineData("http://10.0.0.7:5080", true)]
    public void Keys_are_needed_as_soon_as_another_machine_could_connect(string http, bool needed) => Assert.Equal(needed, new ApiSettings { Http = http }.NeedsKeys);

    [Fact]
    public void Names_are_read_from_the_environment()
    {
        Assert.Equal(["a.example", "10.0.0.7"], ApiSettings.Load("http://*:1", name => name == ApiSettings.HostsVariable ? "a.example, 10.0.0.7" : null).Hosts);
        Assert.Contains("http://a", Assert.Throws<LatheException>(() => ApiSettings.Load("http://*:1", name => name == ApiSettings.HostsVariable ? "http://a" : null)).Message);
        Assert.False(ApiSettings.Load("http://*:1", name => name == ApiSettings.HostsVariable ? "a.example" : null).Allows("b.example"));
        Assert.True(ApiSettings.Load("http://*:1", name => name == ApiSettings.HostsVariable ? "" : null).Allows("b.example"));
    }
}
