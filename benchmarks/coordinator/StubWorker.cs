using System.Collections.Concurrent;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Lathe.Hosting;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Lathe.Benchmarks.Coordinator;

/// <summary>
/// Stages that take no time, or as long as they are told to: each execution is answered with a result. It speaks to the broker directly, so that the time measured is the
/// coordinator's and the broker's. A line on standard input ends a measurement: it answers with one line of JSON.
/// </summary>
internal static class StubWorker
{
    public static readonly StageManifest First = Manifest("first", StageInput.Model);
    public static readonly StageManifest Second = Manifest("second", StageInput.Checkpoint);

    public static async Task RunAsync(string broker, int prefetch, double seconds)
    {
        var store = HostingSettings.In(Environment.GetEnvironmentVariable(HostingSettings.HomeVariable)!).Store;
        await using var client = new BrokerClient(BrokerAddress.Parse(broker));
        var factory = new ConnectionFactory { Uri = new Uri(broker), ConsumerDispatchConcurrency = 1 };
        await using var connection = await factory.CreateConnectionAsync();
        var (latencies, sendings) = (new ConcurrentBag<double>(), new ConcurrentBag<double>());
        var done = new ConcurrentDictionary<string, (long At, DateTime Moment)>();
        var finished = 0;
        long began = 0, ended = 0;
        foreach (var manifest in new[] { First, Second })
        {
            var channel = await connection.CreateChannelAsync();
            await client.DeclareStageAsync(manifest.Name, manifest.Version, default);
            await channel.BasicQosAsync(0, (ushort)prefetch, false);
            var consumer = new AsyncEventingBasicConsumer(channel);
            consumer.ReceivedAsync += async (_, delivery) =>
            {
                var arrived = Stopwatch.GetTimestamp();
                var message = JsonNode.Parse(delivery.Body.Span)!;
                var command = message["data"]!;
                if (command["input"]?["sha256"]?.GetValue<string>() is { } input && done.TryRemove(input, out var parent))
                {
                    latencies.Add(Stopwatch.GetElapsedTime(parent.At, arrived).TotalMilliseconds);
                    // By the clock of the one machine that all of this runs on.
                    if (message["time"] is { } sent) sendings.Add((sent.GetValue<DateTimeOffset>().UtcDateTime - parent.Moment).TotalMilliseconds);
                }

                var (id, attempt, key) = (command["executionId"]!.GetValue<Guid>(), command["attempt"]!.GetValue<int>(), command["key"]!.GetValue<string>());
                if (seconds > 0)
                {
                    await SendAsync(channel, new StageStarted(id, attempt, key, manifest.Name, "stub", 0));
                    await Task.Delay(TimeSpan.FromSeconds(seconds));
                }

                var output = Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(key)));
                var report = new StageCompleted(
                    id, attempt, key, manifest.Name, new CheckpointRef(output, 100),
                    new Dictionary<string, double> { ["top1"] = 0.9, ["loss"] = 0.3, ["parameters"] = 44426, ["multiplications"] = 281640, ["bytes"] = 12000 }, Math.Max(0.001, seconds));
                Keep(store, report.Output);
                if (manifest.Input == StageInput.Model) done[output] = (Stopwatch.GetTimestamp(), DateTime.UtcNow);
                await SendAsync(channel, report);
                await channel.BasicAckAsync(delivery.DeliveryTag, false);
                if (Interlocked.Increment(ref finished) == 1) began = arrived;
                ended = Stopwatch.GetTimestamp();
            };
            await channel.BasicConsumeAsync(Queues.Stage(manifest.Name, manifest.Version), false, consumer);
            await SendAsync(channel, new StageAnnounced(manifest, "stub"));
        }

        await AnswerAsync(await connection.CreateChannelAsync());

        Console.WriteLine("ready");
        while (await Console.In.ReadLineAsync() is not null)
        {
            double[] Of(ConcurrentBag<double> values) => values.IsEmpty ? [0, 0, 0] : [Share.Of([.. values], 0.5), Share.Of([.. values], 0.99), values.Max()];
            var (arrival, sending) = (Of(latencies), Of(sendings));
            Console.WriteLine(JsonSerializer.Serialize(new WorkerFigures(
                finished, finished == 0 ? 0 : Stopwatch.GetElapsedTime(began, ended).TotalSeconds, arrival[0], arrival[1], arrival[2], sending[0], sending[1])));
            latencies.Clear();
            sendings.Clear();
            done.Clear();
            finished = 0;
        }
    }

    /// <summary>Announces the stages to every coordinator that asks, as a worker does: one that starts later has not heard of them.</summary>
    private static async Task AnswerAsync(IChannel channel)
    {
        var exchange = $"{typeof(AnnounceStages).Namespace}:{nameof(AnnounceStages)}";
        await channel.ExchangeDeclareAsync(exchange, ExchangeType.Fanout, durable: true);
        var queue = (await channel.QueueDeclareAsync("", durable: false, exclusive: true, autoDelete: true)).QueueName;
        await channel.QueueBindAsync(queue, exchange, "");
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += async (_, delivery) =>
        {
            var replyTo = JsonNode.Parse(delivery.Body.Span)!["data"]!["replyTo"]!.GetValue<string>();
            foreach (var manifest in new[] { First, Second }) await SendAsync(channel, new StageAnnounced(manifest, "stub"), replyTo);
        };
        await channel.BasicConsumeAsync(queue, autoAck: true, consumer);
    }

    /// <summary>A coordinator looks whether a result is there, and how long it is.</summary>
    private static void Keep(string store, CheckpointRef output)
    {
        Directory.CreateDirectory(Path.Combine(store, output.Sha256[..2]));
        File.WriteAllBytes(Path.Combine(store, output.Sha256[..2], output.Sha256 + CheckpointStore.Extension), new byte[output.Bytes]);
    }

    /// <summary>Reports to the coordinator.</summary>
    internal static ValueTask SendAsync<T>(IChannel channel, T message, string replyTo = Queues.Coordinator) =>
        channel.BasicPublishAsync(replyTo, "", false, new BasicProperties { ContentType = CloudEvent.MediaType, Persistent = true }, Event(message));

    private static byte[] Event<T>(T message) => JsonSerializer.SerializeToUtf8Bytes(
        new CloudEvent(
            CloudEvent.Version, Guid.NewGuid().ToString(), "stub", MessageTypes.NameOf(typeof(T)), null, null, null, null, JsonSerializer.SerializeToElement(message, LatheJson.Options)),
        LatheJson.Options);

    private static StageManifest Manifest(string name, StageInput input) => new(
        name, "1", "Takes no time.", input, StageOutput.Checkpoint,
        JsonSerializer.Deserialize<JsonElement>("""{"type": "object", "additionalProperties": false, "properties": {"n": {"type": "integer", "default": 0}}}"""),
        [
            new MetricDescriptor("top1", "top-1", "", MetricFormat.Percent, Better.Higher, true),
            new MetricDescriptor("loss", "loss"), new MetricDescriptor("parameters", "params"), new MetricDescriptor("multiplications", "mults"), new MetricDescriptor("bytes", "KiB"),
        ],
        ReadsData: false);
}

/// <summary>What a stub worker saw.</summary>
/// <param name="Finished">Executions that it answered.</param>
/// <param name="Seconds">From the first to the last.</param>
/// <param name="Median">Milliseconds from a parent's result to its child's arrival.</param>
/// <param name="P99">The same, 99th percentile.</param>
/// <param name="Most">The same, the longest.</param>
/// <param name="SentMedian">Milliseconds from a parent's result to the moment when its child's message is written for the broker.</param>
/// <param name="SentP99">The same, 99th percentile.</param>
internal sealed record WorkerFigures(int Finished, double Seconds, double Median, double P99, double Most, double SentMedian, double SentP99);
