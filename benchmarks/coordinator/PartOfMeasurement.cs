using Lathe.Coordinator;
using Lathe.Hosting;

namespace Lathe.Benchmarks.Coordinator;

/// <summary>What the processes of a measurement have in common.</summary>
internal static class PartOfMeasurement
{
    /// <summary>For executions that take a fraction of a second instead of hours: silence is noticed within seconds.</summary>
    public static CoordinatorOptions Impatient { get; } = new()
    {
        ReconcileInterval = TimeSpan.FromSeconds(3),
        RunningSilence = TimeSpan.FromSeconds(12),
        QueuedSilence = TimeSpan.FromSeconds(6),
        OutboxPatience = TimeSpan.FromSeconds(6),
        RetryDelay = TimeSpan.FromSeconds(1),
    };

    /// <summary>Settings with a home, and with the store that the environment names.</summary>
    public static HostingSettings Settings(string home) =>
        Environment.GetEnvironmentVariable(HostingSettings.StoreVariable) is { Length: > 0 } store ? HostingSettings.In(home) with { Store = store } : HostingSettings.In(home);

    /// <summary>
    /// Ends this process once the one that started it is gone, and with it the other end of standard input. A line there is answered with the bytes that are
    /// left on the heap after a full collection.
    /// </summary>
    /// <param name="answer">Another answer; null: that one.</param>
    public static void EndWithParent(Func<string>? answer = null) => _ = Task.Run(() =>
    {
        while (Console.In.ReadLine() is not null)
        {
            if (answer is not null)
            {
                Console.WriteLine(answer());
                continue;
            }

            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            Console.WriteLine(GC.GetTotalMemory(forceFullCollection: true));
        }

        Environment.Exit(0);
    });
}
