using System.Net.Sockets;
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
public sealed class BrokerClient(BrokerAddress address) : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

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
    public Task DeclareStageAsync(string stage, string version, CancellationToken stop) =>
        DeclareAsync(Queues.Stage(stage, version), QueueArguments.Stage, stop);

    /// <summary>Declares the exchange and the queue of the cluster's coordinator; does nothing if they exist.</summary>
    public Task DeclareCoordinatorAsync(CancellationToken stop) => DeclareAsync(Queues.Coordinator, QueueArguments.Coordinator, stop);

    /// <summary>Number of messages of a queue that wait for a worker, or null if there is no such queue.</summary>
    public Task<long?> ReadyMessagesAsync(string queue, CancellationToken stop) => OnChannelAsync<long?>(
        async (channel, cancel) =>
        {
            try
            {
                return (await channel.QueueDeclarePassiveAsync(queue, cancel)).MessageCount;
            }
            catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == Constants.NotFound)
            {
                return null;
            }
        },
        stop);

    public async ValueTask DisposeAsync()
    {
        if (_connection is not null) await _connection.DisposeAsync();
        _one.Dispose();
    }

    private Task<int> DeclareAsync(string queue, IReadOnlyDictionary<string, object?> arguments, CancellationToken stop) => OnChannelAsync(
        async (channel, cancel) =>
        {
            await DeclareBoundAsync(channel, Queues.Dead, QueueArguments.Dead, cancel);
            await DeclareBoundAsync(channel, queue, arguments, cancel);
            return 0;
        },
        stop);

    private static async Task DeclareBoundAsync(
        IChannel channel, string name, IReadOnlyDictionary<string, object?> arguments, CancellationToken stop)
    {
        await channel.ExchangeDeclareAsync(name, ExchangeType.Fanout, durable: true, autoDelete: false, cancellationToken: stop);
        await channel.QueueDeclareAsync(
            name, durable: true, exclusive: false, autoDelete: false, new Dictionary<string, object?>(arguments), cancellationToken: stop);
        await channel.QueueBindAsync(name, name, "", cancellationToken: stop);
    }

    private async Task<T> OnChannelAsync<T>(Func<IChannel, CancellationToken, Task<T>> work, CancellationToken stop)
    {
        await _one.WaitAsync(stop);
        try
        {
            return await _pipeline.ExecuteAsync(
                async cancel =>
                {
                    var connection = await ConnectAsync(cancel);
                    await using var channel = await connection.CreateChannelAsync(cancellationToken: cancel);
                    return await work(channel, cancel);
                },
                stop);
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
        BrokerUnreachableException unreachable => !IsRefusal(unreachable),
        OperationInterruptedException interrupted => interrupted.ShutdownReason?.ReplyCode is not (
            Constants.PreconditionFailed or Constants.NotAllowed or Constants.AccessRefused),
        AlreadyClosedException or IOException or SocketException => true,
        _ => false,
    };

    private static bool IsRefusal(Exception e) => e is AuthenticationFailureException or PossibleAuthenticationFailureException
        or OperationInterruptedException { ShutdownReason.ReplyCode: Constants.NotAllowed or Constants.AccessRefused }
        || (e.InnerException is { } inner && IsRefusal(inner));

    private LatheException? Explained(Exception e) => e switch
    {
        BrokerUnreachableException or OperationInterruptedException when IsRefusal(e) => new LatheException(
            $"the broker at {address} refuses user '{address.User}' on virtual host '{address.VirtualHost}': check user, password and virtual host in "
            + $"{HostingSettings.BrokerVariable} or --broker",
            FailureKind.Permanent,
            e),
        OperationInterruptedException { ShutdownReason.ReplyCode: Constants.PreconditionFailed } mismatch => new LatheException(
            $"a queue or exchange at {address} was made with other settings than Lathe's: {mismatch.ShutdownReason!.ReplyText}; delete it and start again",
            FailureKind.Permanent,
            e),
        BrokerUnreachableException or TimeoutRejectedException or AlreadyClosedException or IOException or SocketException => new LatheException(
            $"no broker answers at {address}; start one, or leave out --broker and {HostingSettings.BrokerVariable} to run everything in one process",
            FailureKind.Transient,
            e),
        _ => null,
    };
}
