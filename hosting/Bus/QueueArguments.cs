using Lathe.Contracts.Messages;

namespace Lathe.Hosting;

/// <summary>Arguments of the queues. Everyone who declares a queue declares it with the same ones, or the broker refuses.</summary>
internal static class QueueArguments
{
    /// <summary>
    /// Number of redeliveries before the broker moves a message to the dead-letter queue. A drain and a lost connection count too, so this is only the
    /// last resort: the worker counts attempts without progress, and far fewer of them fail an execution.
    /// </summary>
    private const int DeliveryLimit = 100;

    public static IReadOnlyDictionary<string, object?> Stage { get; } = new Dictionary<string, object?>
    {
        ["x-queue-type"] = "quorum",
        ["x-delivery-limit"] = DeliveryLimit,
        ["x-dead-letter-exchange"] = Queues.Dead,
    };

    public static IReadOnlyDictionary<string, object?> Coordinator => Stage;

    public static IReadOnlyDictionary<string, object?> Dead { get; } = new Dictionary<string, object?> { ["x-queue-type"] = "quorum" };
}
