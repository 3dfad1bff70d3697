using Lathe.Contracts.Messages;

namespace Lathe.Hosting;

/// <summary>Arguments of the queues. Everyone who declares a queue declares it with the same ones, or the broker refuses.</summary>
internal static class QueueArguments
{
    /// <summary>How long a worker may hold a message: longer than any execution computes.</summary>
    public static readonly TimeSpan ConsumerTimeout = TimeSpan.FromDays(30);

    /// <summary>The first version of RabbitMQ that heeds <c>x-consumer-timeout</c>.</summary>
    public static readonly Version FirstWithConsumerTimeout = new(3, 12);

    /// <summary>
    /// Number of redeliveries before the broker moves a message to the dead-letter queue. A drain and a lost connection count too, so this is only the
    /// last resort: the worker counts attempts without progress, and far fewer of them fail an execution.
    /// </summary>
    private const int DeliveryLimit = 100;

    /// <summary>
    /// An older broker keeps <c>x-consumer-timeout</c> and does not look at it. It is declared there all the same: when the broker is upgraded, the queue
    /// has it already, and from 4.3 on a broker refuses whoever declares a queue with another one.
    /// </summary>
    public static IReadOnlyDictionary<string, object?> Stage { get; } = new Dictionary<string, object?>(Kept)
    {
        ["x-consumer-timeout"] = (long)ConsumerTimeout.TotalMilliseconds,
    };

    public static IReadOnlyDictionary<string, object?> Coordinator => Kept;

    public static IReadOnlyDictionary<string, object?> Dead { get; } = new Dictionary<string, object?> { ["x-queue-type"] = "quorum" };

    private static Dictionary<string, object?> Kept => new()
    {
        ["x-queue-type"] = "quorum",
        ["x-delivery-limit"] = DeliveryLimit,
        ["x-dead-letter-exchange"] = Queues.Dead,
    };
}
