using System.Text;
using Lathe.EndToEnd.Tests.Otlp;
using Lathe.Testing;
using Npgsql;
using RabbitMQ.Client;

namespace Lathe.EndToEnd.Tests;

/// <summary>A sweep over five processes whose settings hold recognizable secrets. None of them may be found in anything that others read.</summary>
public sealed class No_secret_is_told(RabbitMqBroker broker, PostgreSqlServer server) : IClassFixture<RabbitMqBroker>, IClassFixture<PostgreSqlServer>
{
    private const string User = "lathe-user";

    private static readonly Dictionary<string, string> Secrets = new()
    {
        ["the broker's password"] = "Secret1Broker1e7f",
        ["the database's password"] = "Secret2Database2e7f",
        ["the API key"] = "Secret3ApiKey3e7f0123456789abcdef0123456789abcdef",
        ["the bucket's secret"] = "Secret4Bucket4e7f",
        ["the bucket's session"] = "Secret5Session5e7f",
    };

    [Fact]
    public async Task Not_in_a_log_a_trace_a_message_a_process_list_a_file_or_the_database()
    {
        await broker.ControlAsync("add_user", User, Secrets["the broker's password"]);
        await broker.ControlAsync("set_permissions", User, ".*", ".*", ".*");
        var database = new NpgsqlConnectionStringBuilder(await server.CreateDatabaseAsync());
        using var scene = new Scene();
        await using var otlp = await OtlpReceiver.StartAsync();
        var settings = new Dictionary<string, string>
        {
            ["LATHE_BROKER"] = $"amqp://{User}:{Secrets["the broker's password"]}@127.0.0.1:{broker.Port}/",
            ["LATHE_DATABASE"] = $"postgres://{database.Username}:{Secrets["the database's password"]}@{database.Host}:{database.Port}/{database.Database}",
            ["LATHE_API_KEY"] = Secrets["the API key"],
            ["AWS_ACCESS_KEY_ID"] = "somebody",
            ["AWS_SECRET_ACCESS_KEY"] = Secrets["the bucket's secret"],
            ["AWS_SESSION_TOKEN"] = Secrets["the bucket's session"],
            ["OTEL_EXPORTER_OTLP_ENDPOINT"] = otlp.Endpoint,
            ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
            ["OTEL_BSP_SCHEDULE_DELAY"] = "200",
            ["OTEL_BLRP_SCHEDULE_DELAY"] = "200",
            ["OTEL_METRIC_EXPORT_INTERVAL"] = "500",
            // Lines that are usually left out, too.
            ["Logging__LogLevel__Default"] = "Trace",
        };
        var told = new Dictionary<string, List<byte[]>>();
        await using (var cluster = await Cluster.StartAsync(scene, broker, settings))
        {
            await using var connection = await new ConnectionFactory { Uri = new Uri(broker.Address) }.CreateConnectionAsync();
            await using var channel = await connection.CreateChannelAsync();
            var spy = await SpyAsync(channel);
            await using var submit = cluster.Submit(scene);
            told["the process list"] = [.. CommandLines()];
            Assert.True(await submit.WaitForExitAsync(Scene.Limit) == 0, submit.Output + cluster.Output);

            var doctor = await ByHandAsync(scene, settings, "doctor");
            var bucket = await ByHandAsync(scene, new(settings) { ["LATHE_STORE"] = "s3://bucket", ["AWS_ENDPOINT_URL_S3"] = otlp.Endpoint }, "doctor");
            var wrong = await ByHandAsync(scene, new(settings) { ["LATHE_BROKER"] = settings["LATHE_BROKER"].Replace(User, "nobody", StringComparison.Ordinal) }, "worker", "train");
            told["what commands print"] = [.. new[] { submit.Output, doctor, bucket, wrong }.Select(Encoding.UTF8.GetBytes)];
            told["the process list"].AddRange(CommandLines());
            told["logs"] = [Encoding.UTF8.GetBytes(cluster.Output)];
            told["messages"] = await DrainAsync(channel, spy);
        }

        told["telemetry"] = [.. otlp.Bodies];
        told["files"] = [.. Directory.GetFiles(scene.Home, "*", SearchOption.AllDirectories).Where(f => new FileInfo(f).Length < 1 << 20).Select(File.ReadAllBytes)];
        told["the database"] = [.. (await RowsAsync(database.ConnectionString)).Select(Encoding.UTF8.GetBytes)];

        // Each of these says something, or the search would find nothing anywhere.
        Assert.All(told, t => Assert.True(t.Value.Count > 0 && t.Value.Exists(b => b.Length > 0), $"nothing was seen of {t.Key}"));
        Assert.Contains(told["the process list"], line => Encoding.UTF8.GetString(line).Contains("Lathe.Coordinator", StringComparison.Ordinal));
        Assert.Contains(told["messages"], body => Encoding.UTF8.GetString(body).Contains("executionId", StringComparison.Ordinal));
        foreach (var (what, bodies) in told)
        {
            foreach (var (name, secret) in Secrets) Assert.False(bodies.Exists(b => b.AsSpan().IndexOf(Encoding.UTF8.GetBytes(secret)) >= 0), $"{name} is in {what}");
        }
    }

    private static async Task<string> ByHandAsync(Scene scene, Dictionary<string, string> settings, params string[] arguments)
    {
        var environment = scene.Environment;
        foreach (var (name, value) in settings) environment[name] = value;
        return (await LatheProcess.RunAsync("lathe", arguments, environment, Scene.Limit)).Output;
    }

    /// <summary>Command lines of every process of this machine that this user may see.</summary>
    private static IEnumerable<byte[]> CommandLines() => Directory.GetDirectories("/proc").Where(f => int.TryParse(Path.GetFileName(f), out _)).Select(folder =>
    {
        try
        {
            return File.ReadAllBytes(Path.Combine(folder, "cmdline"));
        }
        catch (IOException)
        {
            // It is gone. A process of another user would say so too.
            return [];
        }
    });

    /// <summary>A queue that gets a copy of every message to the coordinator and to the stages.</summary>
    private async Task<string> SpyAsync(IChannel channel)
    {
        string[] exchanges = [];
        await Eventually.TrueAsync(
            async () =>
            {
                exchanges = [.. (await broker.ControlAsync("list_exchanges", "name")).Where(name => name.StartsWith("stage.", StringComparison.Ordinal) || name.StartsWith("lathe.", StringComparison.Ordinal) || name.Contains("Messages:", StringComparison.Ordinal))];
                return exchanges.Count(name => name.StartsWith("stage.", StringComparison.Ordinal) && !name.EndsWith(".check", StringComparison.Ordinal)) == 4;
            },
            "an exchange of each stage");
        var queue = (await channel.QueueDeclareAsync("", durable: false, exclusive: true, autoDelete: true)).QueueName;
        foreach (var exchange in exchanges) await channel.QueueBindAsync(queue, exchange, "");
        return queue;
    }

    private static async Task<List<byte[]>> DrainAsync(IChannel channel, string queue)
    {
        var bodies = new List<byte[]>();
        while (await channel.BasicGetAsync(queue, autoAck: true) is { } message)
        {
            bodies.Add(message.Body.ToArray());
            bodies.Add(Encoding.UTF8.GetBytes(string.Join('\n', (message.BasicProperties.Headers ?? new Dictionary<string, object?>()).Select(h => $"{h.Key}: {(h.Value is byte[] b ? Encoding.UTF8.GetString(b) : h.Value)}"))));
        }

        return bodies;
    }

    private static async Task<List<string>> RowsAsync(string connectionString)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync();
        var rows = new List<string>();
        foreach (var table in await ReadAsync("SELECT quote_ident(table_name) FROM information_schema.tables WHERE table_schema = 'public'"))
            rows.AddRange(await ReadAsync($"SELECT t::text FROM {table} t"));
        return rows;

        async Task<List<string>> ReadAsync(string sql)
        {
            await using var command = new NpgsqlCommand(sql, connection);
            await using var reader = await command.ExecuteReaderAsync();
            var read = new List<string>();
            while (await reader.ReadAsync()) read.Add(reader.GetString(0));
            return read;
        }
    }
}
