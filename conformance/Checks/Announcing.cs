using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Lathe.Hosting;

namespace Lathe.Conformance.Checks;

/// <summary>Whether a stage is found, and what it says of itself.</summary>
internal static class Announcing
{
    public static IReadOnlyList<StageCheckOf> All { get; } =
    [
        new("announces", "answers who asks for stages, with a manifest that holds together", ManifestAsync),
        new("queues", "reads its queues, which have the arguments that everyone declares", QueuesAsync),
    ];

    private static async Task<string> ManifestAsync(Runs runs, CancellationToken stop)
    {
        var announced = await runs.FindAsync(stop);
        var manifest = announced.Manifest;
        if (ManifestCheck.Problems(manifest) is { Count: > 0 } problems) throw new RefutedException($"its manifest does not hold together: {string.Join("; ", problems)}");
        return $"{manifest.Name} version {manifest.Version}, worker {announced.Worker}";
    }

    private static async Task<string> QueuesAsync(Runs runs, CancellationToken stop)
    {
        var manifest = (await runs.AnnouncedAsync(stop)).Manifest;
        await using var broker = new BrokerClient(runs.Options.Settings.Broker!);
        try
        {
            await broker.DeclareStageAsync(manifest.Name, manifest.Version, stop);
        }
        catch (LatheException e) when (e.Kind == FailureKind.Permanent)
        {
            throw new RefutedException(e.Message);
        }

        foreach (var queue in (string[])[Queues.Stage(manifest.Name, manifest.Version), Queues.Check(manifest.Name, manifest.Version)])
        {
            if (await runs.Seat.ReadersAsync(queue, stop) is not > 0) throw new RefutedException($"nobody reads the queue {queue}");
        }

        return "";
    }
}
