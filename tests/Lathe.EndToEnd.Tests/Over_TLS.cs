using Lathe.Testing;
using Npgsql;

namespace Lathe.EndToEnd.Tests;

/// <summary>Broker and database behind TLS, with certificates of an authority that no system knows.</summary>
public sealed class Over_TLS
{
    [Fact]
    public async Task A_sweep_runs_and_without_the_authority_a_process_says_what_to_do()
    {
        using var authority = new PrivateAuthority();
        await using var broker = new RabbitMqBroker { Authority = authority };
        await using var server = new PostgreSqlServer { Authority = authority };
        await Task.WhenAll(broker.InitializeAsync().AsTask(), server.InitializeAsync().AsTask());
        var database = new NpgsqlConnectionStringBuilder(await server.CreateDatabaseAsync()).Database;
        using var scene = new Scene();
        var settings = new Dictionary<string, string>
        {
            ["LATHE_BROKER"] = $"amqps://guest:guest@127.0.0.1:{broker.TlsPort}/",
            ["LATHE_DATABASE"] = $"postgres://lathe@127.0.0.1:{server.Port}/{database}?sslmode=VerifyFull",
        };

        // As the guide says, and nothing else.
        var trusting = new Dictionary<string, string>(settings) { ["SSL_CERT_FILE"] = authority.Root };
        trusting["LATHE_DATABASE"] += $"&Root%20Certificate={Uri.EscapeDataString(authority.Root)}";
        await using (var cluster = await Cluster.StartAsync(scene, broker, trusting))
        {
            await using var submit = cluster.Submit(scene);
            Assert.True(await submit.WaitForExitAsync(Scene.Limit) == 0, submit.Output + cluster.Output);
            var connections = (await broker.ControlAsync("list_connections", "ssl")).Where(line => line is "true" or "false").ToList();
            Assert.True(connections.Count >= 5);
            Assert.DoesNotContain("false", connections);
            await using var connection = new NpgsqlConnection($"Host=127.0.0.1;Port={server.Port};Username=lathe;Database={database}");
            await connection.OpenAsync(TestContext.Current.CancellationToken);
            await using var command = new NpgsqlCommand("SELECT bool_and(s.ssl) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()", connection);
            Assert.Equal(true, await command.ExecuteScalarAsync(TestContext.Current.CancellationToken));
        }

        var (code, output) = await RunAsync(scene, settings, "worker", "train");
        Assert.Equal(2, code);
        Assert.Matches(@"^lathe[^\n]*: the certificate of the broker at amqps://guest@127\.0\.0\.1:\d+/ is not accepted: [^\n]*SSL_CERT_FILE\s*$", output);
        // The broker is trusted, the database is not.
        (code, output) = await RunAsync(scene, new(settings) { ["SSL_CERT_FILE"] = authority.Certificate, ["LATHE_BROKER"] = broker.Address }, "coordinator");
        Assert.Equal(2, code);
        Assert.Contains("the database postgres://lathe@127.0.0.1", output, StringComparison.Ordinal);
        Assert.Contains("certificate", output, StringComparison.OrdinalIgnoreCase);
    }

    private static async Task<(int Code, string Output)> RunAsync(Scene scene, Dictionary<string, string> settings, params string[] arguments)
    {
        var environment = scene.Environment;
        environment["LATHE_HTTP"] = $"http://127.0.0.1:{PrivateServer.FreePort()}";
        foreach (var (name, value) in settings) environment[name] = value;
        return await LatheProcess.RunAsync("lathe", arguments, environment, Scene.Limit);
    }
}
