using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Polly;
using Polly.Retry;
using Polly.Timeout;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Lathe.Hosting;

/// <summary>Calls that the bus library lacks: whether the broker answers, and the arguments and depths of its queues.</summary>
/// <param name="address">The broker.</param>
internal sealed class BrokerClient(BrokerAddress address) : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private static readonly CreateChannelOptions Confirmed = new(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true);

    private readonly SemaphoreSlim _one = new(1);
    private readonly ResiliencePipeline _pipeline = new ResiliencePipelineBuilder()
        .AddTimeout(Patience)
        .AddRetry(new RetryStrategyOptions
        {
            ShouldHandle = new PredicateBuilder().Handle<Exception>(IsPassing),
            MaxRetryAttempts = 3,
            Delay = TimeSpan.FromMilliseconds(500),
            BackoffType = DelayBackoffType.Exponential,
        })
        .Build();

    private IConnection? _connection;

    /// <summary>Connects, or says why that cannot be.</summary>
    /// <exception cref="LatheException">No broker answers within ten seconds, or it refuses user, password or virtual host.</exception>
    public Task CheckAsync(CancellationToken stop) => OnChannelAsync((_, _) => Task.FromResult(0), stop);

    /// <summary>Declares the exchange and the queue of one version of a stage, and its dead-letter queue; does nothing if they exist.</summary>
    public Task DeclareStageAsync(string stage, string version, CancellationToken stop) => DeclareStageAsync(Queues.Stage(stage, version), stop);

    /// <summary>The same by the queue's name, which may be that of a pool.</summary>
    public Task DeclareStageAsync(string queue, CancellationToken stop) => DeclareAsync(queue, QueueArguments.Stage, stop);

    /// <summary>Declares the exchange and the queue of the cluster's coordinator; does nothing if they exist.</summary>
    public Task DeclareCoordinatorAsync(CancellationToken stop) => DeclareAsync(Queues.Coordinator, QueueArguments.Coordinator, stop);

    /// <summary>The same for a worker, whose user need not have any right to a queue that is there.</summary>
    public async Task EnsureCoordinatorAsync(CancellationToken stop)
    {
        if (await ReadyMessagesAsync(Queues.Coordinator, stop) is null) await DeclareCoordinatorAsync(stop);
    }

    /// <summary>Number of messages of a queue that wait for a worker, or null if there is no such queue.</summary>
    public async Task<long?> ReadyMessagesAsync(string queue, CancellationToken stop) => (await QueueAsync(queue, stop))?.Waiting;

    /// <summary>Messages and readers of a queue, or null if there is no such queue.</summary>
    internal Task<StageQueue?> QueueAsync(string queue, CancellationToken stop) => OnChannelAsync<StageQueue?>(
        async (channel, cancel) =>
        {
            try
            {
                var found = await channel.QueueDeclarePassiveAsync(queue, cancel);
                return new StageQueue(found.MessageCount, found.ConsumerCount);
            }
            catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == Constants.NotFound)
            {
                return null;
            }
        },
        stop);

    /// <summary>Version of RabbitMQ as the broker tells it; null where it does not, or not as a number.</summary>
    public async Task<Version?> VersionAsync(CancellationToken stop)
    {
        var properties = await OnChannelAsync((_, _) => Task.FromResult(_connection?.ServerProperties), stop);
        return properties is not null && properties.TryGetValue("version", out var value) && value is byte[] bytes
            && Version.TryParse(Encoding.UTF8.GetString(bytes).Split('-', '+')[0], out var version)
                ? version
                : null;
    }

    /// <summary>Moves a message to the dead letters.</summary>
    /// <param name="queue">The queue that it came from.</param>
    /// <param name="reason">Why, for a person.</param>
    /// <param name="properties">Its properties.</param>
    /// <param name="body">Its body.</param>
    /// <param name="stop">Gives up.</param>
    /// <returns>The id by which <see cref="DeadLetters"/> finds it.</returns>
    internal Task<string> BuryAsync(string queue, string reason, IReadOnlyBasicProperties properties, byte[] body, CancellationToken stop) =>
        OnConfirmedChannelAsync(
            async (channel, cancel) =>
            {
                var named = new BasicProperties(properties);
                // Without an id of its own it could not be told from another one with the same body.
                if (!named.IsMessageIdPresent()) named.MessageId = Guid.NewGuid().ToString();
                var letter = DeadLetter.Of(named, body) with { Queue = queue, Reason = reason, At = DateTimeOffset.UtcNow };
                // By the exchange of that queue: a user with a right to the default exchange could send to every queue.
                await channel.BasicPublishAsync(Queues.Dead, "", mandatory: true, letter.Buried(named), body, cancel);
                return letter.Id;
            },
            stop);

    /// <summary>Works on a channel whose publications return once the broker has the message on a queue, and throw where there is no such queue.</summary>
    internal Task<T> OnConfirmedChannelAsync<T>(Func<IChannel, CancellationToken, Task<T>> work, CancellationToken stop) => ExplainedAsync(
        async cancel =>
        {
            var channel = await _pipeline.ExecuteAsync(
                async patience => await (await ConnectAsync(patience)).CreateChannelAsync(Confirmed, patience),
                cancel);
            await using (channel) return await work(channel, cancel);
        },
        stop);

    public async ValueTask DisposeAsync()
    {
        if (_connection is not null) await _connection.DisposeAsync();
        _one.Dispose();
    }

    private async Task DeclareAsync(string queue, IReadOnlyDictionary<string, object?> arguments, CancellationToken stop)
    {
        // A worker's user need not have any right to it.
        var hasDead = await ReadyMessagesAsync(Queues.Dead, stop) is not null;
        await OnChannelAsync(
            async (channel, cancel) =>
            {
                if (!hasDead) await DeclareBoundAsync(channel, Queues.Dead, QueueArguments.Dead, cancel);
                await DeclareBoundAsync(channel, queue, arguments, cancel);
                return 0;
            },
            stop);
    }

    internal static async Task DeclareBoundAsync(
        IChannel channel, string name, IReadOnlyDictionary<string, object?> arguments, CancellationToken stop)
    {
        await channel.ExchangeDeclareAsync(name, ExchangeType.Fanout, durable: true, autoDelete: false, cancellationToken: stop);
        await channel.QueueDeclareAsync(
            name, durable: true, exclusive: false, autoDelete: false, new Dictionary<string, object?>(arguments), cancellationToken: stop);
        await channel.QueueBindAsync(name, name, "", cancellationToken: stop);
    }

    private Task<T> OnChannelAsync<T>(Func<IChannel, CancellationToken, Task<T>> work, CancellationToken stop) => ExplainedAsync(
        async outer => await _pipeline.ExecuteAsync(
            async cancel =>
            {
                var connection = await ConnectAsync(cancel);
                await using var channel = await connection.CreateChannelAsync(cancellationToken: cancel);
                return await work(channel, cancel);
            },
            outer),
        stop);

    private async Task<T> ExplainedAsync<T>(Func<CancellationToken, Task<T>> work, CancellationToken stop)
    {
        await _one.WaitAsync(stop);
        try
        {
            return await work(stop);
        }
        catch (Exception e) when (Explained(e) is { } explained)
        {
            throw explained;
        }
        finally
        {
            _one.Release();
        }
    }

    private async Task<IConnection> ConnectAsync(CancellationToken stop)
    {
        if (_connection is { IsOpen: true }) return _connection;
        if (_connection is not null) await _connection.DisposeAsync();
        _connection = null;
        var factory = new ConnectionFactory
        {
            HostName = address.Host,
            Port = address.Port,
            UserName = address.User,
            Password = address.Password,
            VirtualHost = address.VirtualHost,
            Ssl = new SslOption(address.Host, enabled: address.Tls),
            AutomaticRecoveryEnabled = false,
            RequestedConnectionTimeout = TimeSpan.FromSeconds(5),
            ClientProvidedName = "lathe",
        };
        return _connection = await factory.CreateConnectionAsync(stop);
    }

    private static bool IsPassing(Exception e) => e switch
    {
        BrokerUnreachableException unreachable => !IsRefusal(unreachable) && Untrusted(unreachable) is null,
        OperationInterruptedException interrupted => interrupted.ShutdownReason?.ReplyCode is not (
            Constants.PreconditionFailed or Constants.NotAllowed or Constants.AccessRefused),
        AlreadyClosedException or IOException or SocketException => true,
        _ => false,
    };

    private static bool IsRefusal(Exception e) => e is AuthenticationFailureException or PossibleAuthenticationFailureException
        or OperationInterruptedException { ShutdownReason.ReplyCode: Constants.NotAllowed or Constants.AccessRefused }
        || (e.InnerException is { } inner && IsRefusal(inner));

    /// <summary>What is wrong with the broker's certificate; null: nothing, or something else is wrong.</summary>
    private static string? Untrusted(Exception? e) => e switch
    {
        null => null,
        AuthenticationException { InnerException: null } certificate => certificate.Message,
        AggregateException several => several.InnerExceptions.Select(Untrusted).FirstOrDefault(found => found is not null),
        _ => Untrusted(e.InnerException),
    };

    private LatheException? Explained(Exception e) => e switch
    {
        BrokerUnreachableException when Untrusted(e) is { } why => new LatheException(
            $"the certificate of the broker at {address} is not accepted: {why} If an authority of your own made it, name that authority's certificate in SSL_CERT_FILE",
            FailureKind.Permanent,
            e),
        OperationInterruptedException { ShutdownReason: { ReplyCode: Constants.AccessRefused, ReplyText: var text } } when text.Contains(" access to ", StringComparison.Ordinal) => new LatheException(
            $"user '{address.User}' lacks a right at {address}: {text}; give it with rabbitmqctl set_permissions (docs/cluster.md, \"Users of the broker\")",
            FailureKind.Permanent,
            e),
        BrokerUnreachableException or OperationInterruptedException when IsRefusal(e) => new LatheException(
            $"the broker at {address} refuses user '{address.User}' on virtual host '{address.VirtualHost}': check user, password and virtual host in "
            + $"{HostingSettings.BrokerVariable} or --broker",
            FailureKind.Permanent,
            e),
        OperationInterruptedException { ShutdownReason.ReplyCode: Constants.PreconditionFailed } mismatch => new LatheException(
            $"a queue or exchange at {address} was made with other settings than Lathe's: {mismatch.ShutdownReason!.ReplyText}; delete it and start again",
            FailureKind.Permanent,
            e),
        not null when IsSilence(e) => new LatheException(
            $"no broker answers at {address}: start one, or name another",
            FailureKind.Transient,
            e),
        _ => null,
    };

    /// <summary>True for the fault that nobody answered at the broker's address.</summary>
    internal static bool IsAway(LatheException e) => e is { Kind: FailureKind.Transient, InnerException: { } inner } && IsSilence(inner);

    private static bool IsSilence(Exception e) => e is BrokerUnreachableException or TimeoutRejectedException or AlreadyClosedException or IOException or SocketException;
}
