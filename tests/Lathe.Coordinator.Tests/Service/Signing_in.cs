using System.Net;

namespace Lathe.Coordinator.Tests;

/// <summary>The session of a web page.</summary>
public sealed class Signing_in
{
    private const string Everywhere = "http://0.0.0.0:0";

    [Fact]
    public async Task A_key_given_once_opens_every_route_that_it_allows_until_the_session_is_closed()
    {
        await using var bench = await HttpBench.StartAsync(http: Everywhere);
        var (key, token) = await bench.Service<ApiKeys>().CreateAsync("anna", ApiScope.Read);
        Assert.Equal(new SessionAnswer(true, false, null, null), await bench.GetAsync<SessionAnswer>("/session"));

        var opened = await bench.PostAsync("/session", $$"""{"key": "{{token}}"}""");
        var cookie = Assert.Single(opened.Headers.GetValues("Set-Cookie"));

        foreach (var part in (string[])["httponly", "samesite=strict", "path=/", "max-age=43200"]) Assert.Contains(part, cookie);
        Assert.DoesNotContain("secure", cookie);
        Assert.DoesNotContain(token.Split('_')[2], cookie);
        var sent = cookie.Split(';')[0];
        Assert.Equal(HttpStatusCode.OK, (await bench.SendAsync(HttpMethod.Get, "/sweeps", null, ("Cookie", sent))).StatusCode);
        Assert.Equal("anna", (await HttpBench.JsonOf(await bench.SendAsync(HttpMethod.Get, "/session", null, ("Cookie", sent)))).GetProperty("name").GetString());
        await HttpBench.ProblemAsync(await bench.PostAsync("/sweeps", HttpBench.Quick(), ("Cookie", sent)), 403);
        await HttpBench.ProblemAsync(await bench.SendAsync(HttpMethod.Get, "/sweeps", null, ("Cookie", "lathe_session=" + new string('0', 64))), 401);

        Assert.Equal(HttpStatusCode.NoContent, (await bench.SendAsync(HttpMethod.Delete, "/session", null, ("Cookie", sent))).StatusCode);
        await HttpBench.ProblemAsync(await bench.SendAsync(HttpMethod.Get, "/sweeps", null, ("Cookie", sent)), 401);

        var again = (await bench.PostAsync("/session", $$"""{"key": "{{token}}"}""", ("Origin", "https://" + bench.Client.BaseAddress!.Authority))).Headers.GetValues("Set-Cookie").Single();
        Assert.Contains("secure", again);
        await bench.Service<ApiKeys>().RevokeAsync(key.Id);
        await HttpBench.ProblemAsync(await bench.SendAsync(HttpMethod.Get, "/sweeps", null, ("Cookie", again.Split(';')[0])), 401);
    }

    [Theory]
    [InlineData("Origin", "http://evil.example", 403)]
    [InlineData("Sec-Fetch-Site", "same-site", 401)]
    [InlineData("Sec-Fetch-Site", "cross-site", 401)]
    public async Task A_page_of_another_origin_gets_nothing_with_the_cookie(string header, string value, int status)
    {
        await using var bench = await HttpBench.StartAsync(http: Everywhere);
        var (_, token) = await bench.Service<ApiKeys>().CreateAsync("anna", ApiScope.Admin);
        var cookie = (await bench.PostAsync("/session", $$"""{"key": "{{token}}"}""")).Headers.GetValues("Set-Cookie").Single().Split(';')[0];

        await HttpBench.ProblemAsync(await bench.SendAsync(HttpMethod.Get, "/sweeps", null, ("Cookie", cookie), (header, value)), status);
        Assert.Equal(HttpStatusCode.OK, (await bench.SendAsync(HttpMethod.Get, "/sweeps", null, ("Cookie", cookie), ("Sec-Fetch-Site", "same-origin"))).StatusCode);
    }

    [Fact]
    public async Task Two_coordinators_take_the_same_session()
    {
        const string given = "0123456789abcdef0123456789abcdef";
        await using var one = await HttpBench.StartAsync(http: Everywhere, api: a => a with { Key = given });
        var cookie = (await one.PostAsync("/session", $$"""{"key": "{{given}}"}""")).Headers.GetValues("Set-Cookie").Single().Split('=')[1].Split(';')[0];
        var store = new CoordinatorStore(DatabaseAddress.In(one.Home));

        Assert.Equal(ApiScope.Admin, (await Other(given).VerifyAsync(cookie, CancellationToken.None))?.Scope);
        Assert.Null(await Other(given[..^1] + "0").VerifyAsync(cookie, CancellationToken.None));
        Assert.Null(await Other(null).VerifyAsync(cookie, CancellationToken.None));

        ApiSessions Other(string? key) => new(store, new ApiKeys(store, TimeProvider.System, new ApiSettings { Http = Everywhere, Key = key }), TimeProvider.System);
    }

    [Fact]
    public async Task A_wrong_key_is_refused_and_a_coordinator_of_one_machine_needs_none()
    {
        await using var bench = await HttpBench.StartAsync(http: Everywhere);
        await HttpBench.ProblemAsync(await bench.PostAsync("/session", """{"key": "lathe_0000000000_no"}"""), 401);
        await HttpBench.ProblemAsync(await bench.PostAsync("/session", """{"key": ""}"""), 422);
        await HttpBench.ProblemAsync(await bench.SendAsync(HttpMethod.Get, "/sweeps", null, ("Cookie", "lathe_session=x")), 401);
        await using var local = await HttpBench.StartAsync();
        Assert.Equal(new SessionAnswer(false, true, null, ApiScope.Admin), await local.GetAsync<SessionAnswer>("/session"));
    }
}
