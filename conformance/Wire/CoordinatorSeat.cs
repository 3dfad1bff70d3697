using System.Diagnostics;
using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Lathe.Hosting;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

namespace Lathe.Conformance.Wire;

/// <summary>A coordinator's place on the broker, by AMQP and docs/wire.md alone: a queue of reports, and ways to the workers.</summary>
internal sealed class CoordinatorSeat : IAsyncDisposable
{
    private static readonly CreateChannelOptions Confirmed = new(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true);

    private readonly IConnection _connection;
    private readonly IChannel _channel;
    private readonly long _began = Stopwatch.GetTimestamp();

    private CoordinatorSeat(IConnection connection, IChannel channel) => (_connection, _channel) = (connection, channel);

    /// <summary>Queue of the reports. Workers whose users may send to coordinators of single runs may send to it.</summary>
    public string Queue { get; } = $"lathe.run.conformance-{Guid.NewGuid():N}";

    public Inbox Inbox { get; } = new();

    /// <summary>False: the connection is lost, and the queue of the reports with it.</summary>
    public bool IsOpen => _connection.IsOpen;

    /// <summary>Time since it was opened.</summary>
    public TimeSpan Now => Stopwatch.GetElapsedTime(_began);

    /// <exception cref="LatheException">The broker does not answer or refuses.</exception>
    public static async Task<CoordinatorSeat> OpenAsync(BrokerAddress address, CancellationToken stop)
    {
        // Says in words what is wrong.
        await using (var client = new BrokerClient(address)) await client.CheckAsync(stop);
        var factory = new ConnectionFactory
        {
            HostName = address.Host,
            Port = address.Port,
            UserName = address.User,
            Password = address.Password,
            VirtualHost = address.VirtualHost,
            Ssl = new SslOption(address.Host, enabled: address.Tls),
            ClientProvidedName = "lathe conformance",
            // What was sent to the queue of the reports meanwhile is lost, so that nothing could be said of the stage.
            AutomaticRecoveryEnabled = false,
        };
        var connection = await factory.CreateConnectionAsync(stop);
        var seat = new CoordinatorSeat(connection, await connection.CreateChannelAsync(Confirmed, stop));
        await seat.ListenAsync(stop);
        return seat;
    }

    /// <summary>Asks every worker that is up to announce itself here.</summary>
    public Task AskForStagesAsync(CancellationToken stop) => SendAsync(Broadcast<AnnounceStages>(), Write(new AnnounceStages(Queue)), stop);

    /// <summary>Sends an execution to its stage's queue.</summary>
    public Task ExecuteAsync(ExecuteStage command, string? traceParent, CancellationToken stop) =>
        SendAsync(Queues.Stage(command.Stage, command.Version), Write(command, traceParent), stop);

    /// <summary>Tells every worker to stop an execution.</summary>
    public Task CancelAsync(Guid executionId, int attempt, CancellationToken stop) =>
        SendAsync(Broadcast<CancelExecutions>(), Write(new CancelExecutions([new CancelledExecution(executionId, attempt, "cancelled")])), stop);

    /// <summary>Asks a worker about executions.</summary>
    /// <returns>Its answer; null: none in time.</returns>
    public async Task<StageChecked?> AskAsync(CheckStage question, TimeSpan limit, CancellationToken stop)
    {
        var (from, request) = (Inbox.All.Count, Guid.NewGuid().ToString());
        var body = Write(question, null, request, $"exchange:{Queue}?temporary=true");
        if (!await TrySendAsync(Queues.Check(question.Stage, question.Version), body, null, stop))
            throw new RefutedException($"there is no queue {Queues.Check(question.Stage, question.Version)} that a worker reads");
        var heard = await Inbox.NextAsync(from, h => h.Event?.RequestId == request, limit, stop);
        return heard is null ? null
            : heard.Message as StageChecked ?? throw new RefutedException($"a question was answered by a message of type '{heard.Event!.Type}', expected {MessageTypes.NameOf(typeof(StageChecked))}");
    }

    /// <summary>Sends any bytes to an exchange.</summary>
    /// <exception cref="RefutedException">No queue is bound to it.</exception>
    public async Task SendAsync(string exchange, byte[] body, CancellationToken stop, string? messageId = null)
    {
        if (!await TrySendAsync(exchange, body, messageId, stop)) throw new RefutedException($"no worker has bound a queue to the exchange {exchange}");
    }

    /// <summary>
    /// Listens for dead letters with a queue of its own beside that of the dead letters, until it is disposed. What lies there for a person is not touched, however much it is.
    /// </summary>
    public async Task<DeadLetterWatch> WatchDeadLettersAsync(CancellationToken stop)
    {
        var channel = await _connection.CreateChannelAsync(cancellationToken: stop);
        var watch = new DeadLetterWatch(channel);
        await BrokerClient.DeclareBoundAsync(channel, Queues.Dead, QueueArguments.Dead, stop);
        var queue = $"{Queue}.dead";
        await channel.QueueDeclareAsync(queue, durable: false, exclusive: true, autoDelete: true, cancellationToken: stop);
        await channel.QueueBindAsync(queue, Queues.Dead, "", cancellationToken: stop);
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += (_, delivery) =>
        {
            watch.Add(DeadLetter.Of(delivery.BasicProperties, delivery.Body.Span));
            return Task.CompletedTask;
        };
        await channel.BasicConsumeAsync(queue, autoAck: true, consumer, stop);
        return watch;
    }

    /// <summary>Number of those who read a queue; null: there is no such queue.</summary>
    public async Task<uint?> ReadersAsync(string queue, CancellationToken stop)
    {
        await using var channel = await _connection.CreateChannelAsync(cancellationToken: stop);
        try
        {
            return (await channel.QueueDeclarePassiveAsync(queue, stop)).ConsumerCount;
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == Constants.NotFound)
        {
            return null;
        }
    }

    /// <summary>Exchange of a message that every worker gets.</summary>
    public static string Broadcast<T>() => $"{typeof(T).Namespace}:{typeof(T).Name}";

    /// <summary>A message as it travels.</summary>
    public static byte[] Write<T>(T message, string? traceParent = null, string? requestId = null, string? replyTo = null) => JsonSerializer.SerializeToUtf8Bytes(
        new CloudEvent(
            CloudEvent.Version, Guid.NewGuid().ToString(), "lathe/conformance", MessageTypes.NameOf(typeof(T)), DateTimeOffset.UtcNow, traceParent, requestId, replyTo,
            JsonSerializer.SerializeToElement(message, LatheJson.Options)),
        LatheJson.Options);

    public async ValueTask DisposeAsync()
    {
        await _channel.DisposeAsync();
        await _connection.DisposeAsync();
    }

    private async Task ListenAsync(CancellationToken stop)
    {
        // With the settings that a worker expects of the exchange of a coordinator that does not last.
        await _channel.ExchangeDeclareAsync(Queue, ExchangeType.Fanout, durable: false, autoDelete: true, cancellationToken: stop);
        await _channel.QueueDeclareAsync(Queue, durable: false, exclusive: true, autoDelete: true, cancellationToken: stop);
        await _channel.QueueBindAsync(Queue, Queue, "", cancellationToken: stop);
        var consumer = new AsyncEventingBasicConsumer(_channel);
        consumer.ReceivedAsync += (_, delivery) =>
        {
            Inbox.Add(Read(delivery.Body.Span, delivery.BasicProperties.ContentType));
            return Task.CompletedTask;
        };
        await _channel.BasicConsumeAsync(Queue, autoAck: true, consumer, stop);
    }

    private Heard Read(ReadOnlySpan<byte> body, string? contentType)
    {
        CloudEvent? read = null;
        try
        {
            read = JsonSerializer.Deserialize<CloudEvent>(body, LatheJson.Options);
            if (contentType != CloudEvent.MediaType) return Bad($"its content type is '{contentType}', expected {CloudEvent.MediaType}");
            if (read is not { SpecVersion: CloudEvent.Version, Id.Length: > 0, Source.Length: > 0, Type: { } type, Data: { } data })
                return Bad($"it lacks one of specversion {CloudEvent.Version}, id, source, type and data");
            if (MessageTypes.Find(type) is not { } known) return Bad($"its type is '{type}', which is none of docs/wire.md");
            var message = data.Deserialize(known, LatheJson.Options);
            return message is null ? Bad("its data is null") : Reports.Problem(message) is { } problem ? Bad(problem) : new Heard(message, read, null, Now);
        }
        catch (JsonException e)
        {
            return Bad(read is null ? "it is no CloudEvent in JSON" : $"its data does not fit its type: {e.Message}");
        }

        Heard Bad(string problem) => new(null, read, problem, Now);
    }

    private async Task<bool> TrySendAsync(string exchange, byte[] body, string? messageId, CancellationToken stop)
    {
        // A channel of its own: a missing exchange closes it.
        await using var channel = await _connection.CreateChannelAsync(Confirmed, stop);
        try
        {
            var properties = new BasicProperties { ContentType = CloudEvent.MediaType, DeliveryMode = DeliveryModes.Persistent, MessageId = messageId ?? Guid.NewGuid().ToString() };
            await channel.BasicPublishAsync(exchange, "", mandatory: true, properties, body, stop);
            return true;
        }
        catch (Exception e) when (e is PublishException or AlreadyClosedException or OperationInterruptedException)
        {
            return false;
        }
    }
}
