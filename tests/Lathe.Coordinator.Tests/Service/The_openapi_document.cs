using System.Text.Json.Nodes;
using System.Text.Encodings.Web;
using System.Text.Json;
using Lathe.Testing;

namespace Lathe.Coordinator.Tests;

/// <summary><c>docs/openapi.json</c> is what a coordinator says of itself.</summary>
public sealed class The_openapi_document
{
    /// <summary>Set to 1, it has the test write the file instead.</summary>
    private const string RenewVariable = "LATHE_RENEW_OPENAPI";

    private static readonly JsonSerializerOptions Readable = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    [Fact]
    public async Task Is_the_one_that_is_checked_in()
    {
        await using var bench = await HttpBench.StartAsync();
        var file = Path.Combine(Checkout.Root, "docs", "openapi.json");

        var document = JsonNode.Parse(await bench.Client.GetStringAsync("/openapi/v1.json"))!.ToJsonString(Readable) + "\n";

        if (Environment.GetEnvironmentVariable(RenewVariable) == "1") await File.WriteAllTextAsync(file, document, TestContext.Current.CancellationToken);
        Assert.True(
            await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken) == document,
            $"docs/openapi.json is out of date; run this test once with {RenewVariable}=1 and look at the difference");
    }

    [Fact]
    public async Task Describes_every_route_with_its_problems_and_its_scope()
    {
        await using var bench = await HttpBench.StartAsync();
        var paths = JsonNode.Parse(await bench.Client.GetStringAsync("/openapi/v1.json"))!["paths"]!.AsObject();

        Assert.Equal(
            [
                "/checkpoints/{sha256}", "/compare", "/datasets", "/executions/{execution}", "/executions/{execution}/exports", "/executions/{execution}/files",
                "/executions/{execution}/files/{name}", "/executions/{execution}/logs", "/executions/{execution}/panels", "/executions/{execution}/panels/{panel}.svg", "/gc", "/models", "/queues", "/session", "/stages", "/sweep-schema", "/sweeps", "/sweeps/check", "/sweeps/plan", "/sweeps/{reference}", "/sweeps/{reference}/best", "/sweeps/{reference}/cancel", "/sweeps/{reference}/curves", "/sweeps/{reference}/events",
                "/sweeps/{reference}/executions", "/sweeps/{reference}/executions/{index}", "/sweeps/{reference}/pause", "/sweeps/{reference}/pin",
                "/sweeps/{reference}/priority", "/sweeps/{reference}/results", "/sweeps/{reference}/resume", "/sweeps/{reference}/retry",
                "/sweeps/{reference}/spec", "/sweeps/{reference}/table", "/sweeps/{reference}/tree", "/sweeps/{reference}/trials", "/workers",
            ],
            paths.Select(p => p.Key).Order(StringComparer.Ordinal));
        Assert.All(paths.SelectMany(p => p.Value!.AsObject()), operation =>
        {
            Assert.False(string.IsNullOrEmpty((string?)operation.Value!["summary"]), operation.Key);
            Assert.StartsWith("Scope ", (string?)operation.Value["description"]);
        });
        Assert.NotNull(paths["/sweeps"]!["post"]!["responses"]!["422"]!["content"]!["application/problem+json"]);
        Assert.NotNull(paths["/sweeps"]!["post"]!["requestBody"]!["content"]!["application/json"]);
    }
}
