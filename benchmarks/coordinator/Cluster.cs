using System.Net.Http.Json;
using System.Text.Json;
using Lathe.Contracts;
using Lathe.Testing;

namespace Lathe.Benchmarks.Coordinator;

/// <summary>A RabbitMQ and a PostgreSQL of the measurement's own, and a home. What it commits is on the disk, as in production.</summary>
internal sealed class Cluster : IAsyncDisposable
{
    private readonly List<HttpClient> _clients = [];

    private Cluster(string database) => Database = database;

    public required RabbitMqBroker Broker { get; init; }

    public required PostgreSqlServer Server { get; init; }

    public string Home { get; } = Directory.CreateTempSubdirectory("lathe-cluster-").FullName;

    /// <summary>Connection string.</summary>
    public string Database { get; }

    public static async Task<Cluster> StartAsync()
    {
        var broker = new RabbitMqBroker();
        var server = new PostgreSqlServer { IsDurable = true };
        await Task.WhenAll(broker.InitializeAsync().AsTask(), server.InitializeAsync().AsTask());
        return new Cluster(await server.CreateDatabaseAsync()) { Broker = broker, Server = server };
    }

    public HttpClient Client(string http)
    {
        var client = new HttpClient { BaseAddress = new Uri(http + "/"), Timeout = TimeSpan.FromMinutes(2) };
        _clients.Add(client);
        return client;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var client in _clients) client.Dispose();
        await Broker.DisposeAsync();
        await Server.DisposeAsync();
        Directory.Delete(Home, recursive: true);
    }
}

/// <summary>Sweeps of the stub's stages, over HTTP.</summary>
internal static class Sweeps
{
    /// <summary>A sweep of as many executions of the first stage, each followed by one of the second where that is wanted.</summary>
    public static SweepSpec Of(string name, int from, int count, bool hasSecond) => new(
        name, ["lenet5"], ["fashion-mnist"], [0],
        [
            new StageSpec("first", JsonSerializer.Deserialize<JsonElement>($$"""{"n": [{{string.Join(", ", Enumerable.Range(from, count))}}]}""")),
            .. hasSecond ? [new StageSpec("second", JsonSerializer.Deserialize<JsonElement>("{}"))] : Array.Empty<StageSpec>(),
        ]);

    /// <returns>The sweep's id.</returns>
    public static async Task<Guid> SubmitAsync(HttpClient client, SweepSubmission submission)
    {
        using var response = await client.PostAsJsonAsync("sweeps", submission, LatheJson.Options);
        var text = await response.Content.ReadAsStringAsync();
        return response.IsSuccessStatusCode
            ? JsonSerializer.Deserialize<JsonElement>(text).GetProperty("id").GetGuid()
            : throw new HttpRequestException($"{response.StatusCode}: {text}", null, response.StatusCode);
    }

    public static async Task<SweepStatus> StatusAsync(HttpClient client, Guid id) =>
        (await client.GetFromJsonAsync<SweepStatus>($"sweeps/{id}?limit=1", LatheJson.Options))!;

    /// <summary>Waits until a sweep is over.</summary>
    /// <returns>Seconds from its submission to its end, by the coordinator's clock.</returns>
    public static async Task<double> EndAsync(HttpClient client, Guid id)
    {
        for (;; await Task.Delay(20))
        {
            var status = await StatusAsync(client, id);
            if (status.State is SweepState.Running or SweepState.Preparing) continue;
            return status.State == SweepState.Succeeded ? (status.FinishedAt!.Value - status.SubmittedAt).TotalSeconds : throw new LatheException($"the sweep {status.State}");
        }
    }
}

/// <summary>Median, percentiles.</summary>
internal static class Share
{
    /// <summary>The value below which a share of the values lies; not a number where there are none.</summary>
    public static double Of(IReadOnlyList<double> values, double share) => values.Count == 0 ? double.NaN : values.Order().ElementAt((int)Math.Round(share * (values.Count - 1)));
}
