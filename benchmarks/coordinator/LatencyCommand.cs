using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Lathe.Contracts;
using Lathe.Hosting;
using Lathe.Testing;
using Npgsql;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Lathe.Benchmarks.Coordinator;

/// <summary>How long a coordinator with nothing else to do takes from a parent's result to its child's arrival at a worker, and what broker and disk take of that.</summary>
internal static class LatencyCommand
{
    public static async Task RunAsync(int pairs, int warmUp, bool isTraced)
    {
        await using var cluster = await Cluster.StartAsync();
        var http = $"http://127.0.0.1:{PrivateServer.FreePort()}";
        string[] traced = isTraced ? ["traced"] : [];
        using var coordinator = await Part.StartAsync(["coordinator", cluster.Broker.Address, cluster.Home, http, .. traced], new() { ["LATHE_DATABASE"] = cluster.Database });
        using var worker = await Part.StartAsync(["worker", cluster.Broker.Address, "1"], new() { [HostingSettings.HomeVariable] = cluster.Home });
        var client = cluster.Client(http);
        await FloorAsync(cluster, pairs);
        var cpu = TimeSpan.Zero;
        // A sweep of its own for each pair, so that nothing else is under way. The first ones pay for everything that is made once; a coordinator runs for weeks.
        for (var i = 0; i < warmUp + pairs; i++)
        {
            if (i == warmUp)
            {
                await worker.AskAsync();
                if (isTraced) await coordinator.AskAsync();
                cpu = coordinator.Cpu;
            }

            var id = await Sweeps.SubmitAsync(client, new SweepSubmission(Sweeps.Of("pair", i, 1, hasSecond: true), Fresh: true));
            // Whoever asks for the sweep meanwhile takes time from what is measured.
            await Task.Delay(TimeSpan.FromMilliseconds(50));
            await Sweeps.EndAsync(client, id);
        }

        cpu = coordinator.Cpu - cpu;
        var figures = JsonSerializer.Deserialize<WorkerFigures>(await worker.AskAsync())!;
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"parent's result to child's arrival, {figures.Finished / 2} pairs one at a time: median {figures.Median:0.0} ms, p99 {figures.P99:0.0} ms, most {figures.Most:0.0} ms; to the child's sending: median {figures.SentMedian:0.0} ms, p99 {figures.SentP99:0.0} ms; CPU of the coordinator, submission included, {cpu.TotalMilliseconds / pairs:0.0} ms a pair"));
        if (isTraced) Console.WriteLine((await coordinator.AskAsync()).Replace(" | ", "\n  ", StringComparison.Ordinal));
        await FloorAsync(cluster, pairs);
    }

    /// <summary>What the broker takes for a message of a quorum queue, and PostgreSQL for a change of one row: a child needs two such messages and one such change at least.</summary>
    private static async Task FloorAsync(Cluster cluster, int times)
    {
        await using var broker = await new ConnectionFactory { Uri = new Uri(cluster.Broker.Address) }.CreateConnectionAsync();
        await using var channel = await broker.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));
        await channel.QueueDeclareAsync("floor", durable: true, exclusive: false, autoDelete: false, new Dictionary<string, object?> { ["x-queue-type"] = "quorum" });
        TaskCompletionSource<long> arrived = new();
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += (_, _) =>
        {
            Volatile.Read(ref arrived).TrySetResult(Stopwatch.GetTimestamp());
            return Task.CompletedTask;
        };
        await channel.BasicConsumeAsync("floor", autoAck: true, consumer);
        await using var connection = new NpgsqlConnection(cluster.Database);
        await connection.OpenAsync();
        await ExecuteAsync("CREATE TABLE IF NOT EXISTS floor (id int PRIMARY KEY, n int); INSERT INTO floor VALUES (1, 0) ON CONFLICT DO NOTHING");
        var (messages, reads, changes) = (new List<double>(), new List<double>(), new List<double>());
        for (var i = 0; i < times; i++)
        {
            Volatile.Write(ref arrived, new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously));
            var sent = Stopwatch.GetTimestamp();
            await channel.BasicPublishAsync("", "floor", true, new BasicProperties { Persistent = true }, new byte[1000]);
            messages.Add(Stopwatch.GetElapsedTime(sent, await arrived.Task).TotalMilliseconds);
            reads.Add(await TimedAsync("SELECT n FROM floor WHERE id = 1"));
            changes.Add(await TimedAsync("UPDATE floor SET n = n + 1 WHERE id = 1"));
        }

        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"the least of it, median and p99: a message through a quorum queue {Share.Of(messages, 0.5):0.0} and {Share.Of(messages, 0.99):0.0} ms, a committed change of one row {Share.Of(changes, 0.5):0.0} and {Share.Of(changes, 0.99):0.0} ms, a row read {Share.Of(reads, 0.5):0.00} and {Share.Of(reads, 0.99):0.00} ms"));

        async Task ExecuteAsync(string statement)
        {
            await using var command = new NpgsqlCommand(statement, connection);
            await command.ExecuteNonQueryAsync();
        }

        async Task<double> TimedAsync(string statement)
        {
            var began = Stopwatch.GetTimestamp();
            await ExecuteAsync(statement);
            return Stopwatch.GetElapsedTime(began).TotalMilliseconds;
        }
    }
}
