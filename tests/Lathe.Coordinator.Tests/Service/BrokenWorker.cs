using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Lathe.Hosting;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Lathe.Coordinator.Tests;

/// <summary>A worker that announces itself, takes messages and does with them what a test wants.</summary>
internal sealed class BrokenWorker : IAsyncDisposable
{
    private readonly IConnection _connection;
    private readonly IChannel _channel;

    private BrokenWorker(IConnection connection, IChannel channel) => (_connection, _channel) = (connection, channel);

    /// <param name="broker">Address of the broker.</param>
    /// <param name="stage">Name of its stage, which starts from a model.</param>
    /// <param name="takes">What it does with an execution.</param>
    /// <param name="name">Its own name; it announces itself again whenever it is asked.</param>
    /// <param name="metrics">What its stage measures; null: one figure.</param>
    public static async Task<BrokenWorker> StartAsync(
        string broker, string stage, Func<BrokenWorker, ExecuteStage, Task> takes, string name = "broken", IReadOnlyList<MetricDescriptor>? metrics = null)
    {
        var manifest = new StageManifest(
            stage, "1", "Is broken.", StageInput.Model, Contracts.StageOutput.Checkpoint, JsonElement.Parse("""{"type": "object", "additionalProperties": false, "properties": {}}"""), metrics ?? [new("largest", "largest")], ReadsData: false);
        await using (var client = new BrokerClient(BrokerAddress.Parse(broker))) await client.DeclareStageAsync(stage, "1", default);
        var connection = await new ConnectionFactory { Uri = new Uri(broker) }.CreateConnectionAsync();
        var worker = new BrokenWorker(connection, await connection.CreateChannelAsync());
        var consumer = new AsyncEventingBasicConsumer(worker._channel);
        consumer.ReceivedAsync += (_, delivery) => takes(worker, JsonNode.Parse(delivery.Body.Span)!["data"]!.Deserialize<ExecuteStage>(LatheJson.Options)!);
        await worker._channel.BasicConsumeAsync(Queues.Stage(stage, "1"), autoAck: false, consumer);
        await worker.SendAsync(new StageAnnounced(manifest, name));
        var asked = new AsyncEventingBasicConsumer(worker._channel);
        asked.ReceivedAsync += (_, _) => worker.SendAsync(new StageAnnounced(manifest, name));
        var own = (await worker._channel.QueueDeclareAsync()).QueueName;
        var broadcast = $"{typeof(AnnounceStages).Namespace}:{nameof(AnnounceStages)}";
        await worker._channel.ExchangeDeclareAsync(broadcast, ExchangeType.Fanout, durable: true);
        await worker._channel.QueueBindAsync(own, broadcast, "");
        await worker._channel.BasicConsumeAsync(own, autoAck: true, asked);
        return worker;
    }

    public Task SendAsync<T>(T message) => SendAsync(Bytes(message));

    private static byte[] Bytes<T>(T message) => JsonSerializer.SerializeToUtf8Bytes(
        new CloudEvent(
            CloudEvent.Version, Guid.NewGuid().ToString(), "broken", MessageTypes.NameOf(typeof(T)), DateTimeOffset.UtcNow, null, null, null, JsonSerializer.SerializeToElement(message, LatheJson.Options)),
        LatheJson.Options);

    public async Task SendAsync(byte[] body) =>
        await _channel.BasicPublishAsync("", Queues.Coordinator, mandatory: false, new BasicProperties { ContentType = CloudEvent.MediaType }, body);

    public Task StartedAsync(ExecuteStage command) => SendAsync(new StageStarted(command.ExecutionId, command.Attempt, command.Key, command.Stage, "broken", 0));

    public Task ProgressAsync(ExecuteStage command, double epoch) =>
        SendAsync(new StageProgressed(command.ExecutionId, command.Attempt, command.Key, command.Stage, "broken", new StageProgress("training", epoch, 100)));

    /// <summary>Reports a result whose file it may have written.</summary>
    /// <param name="command">The execution.</param>
    /// <param name="digest">Of the file.</param>
    /// <param name="bytes">Length of the file.</param>
    /// <param name="figures">What it measured; null: nothing.</param>
    /// <param name="spoil">Changes the text of the message.</param>
    public Task CompletedAsync(ExecuteStage command, string digest, long bytes, Dictionary<string, double>? figures = null, Func<string, string>? spoil = null)
    {
        var body = Bytes(new StageCompleted(command.ExecutionId, command.Attempt, command.Key, command.Stage, new CheckpointRef(digest, bytes), figures ?? [], 1));
        return SendAsync(spoil is null ? body : Encoding.UTF8.GetBytes(spoil(Encoding.UTF8.GetString(body))));
    }

    /// <summary>Writes a file under a digest that is not its own.</summary>
    public static long Forge(string home, string digest)
    {
        var folder = Directory.CreateDirectory(Path.Combine(home, "checkpoints", digest[..2])).FullName;
        var content = Encoding.UTF8.GetBytes("garbage");
        File.WriteAllBytes(Path.Combine(folder, digest + CheckpointStore.Extension), content);
        return content.Length;
    }

    /// <summary>Writes a result of no checkpoint under a key, as a worker may that does not look at what it writes.</summary>
    public static void Scribble(string home, string key)
    {
        var folder = Directory.CreateDirectory(Path.Combine(home, "checkpoints", "results")).FullName;
        File.WriteAllText(Path.Combine(folder, key + ".json"), $$$"""{"key": "{{{key}}}", "stage": "scribbles", "output": {"sha256": "hello", "bytes": 5}, "metrics": {}, "seconds": 1}""");
    }

    public async ValueTask DisposeAsync()
    {
        await _channel.DisposeAsync();
        await _connection.DisposeAsync();
    }
}
