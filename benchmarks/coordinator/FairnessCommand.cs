using System.Globalization;
using Lathe.Contracts;
using Lathe.Hosting;
using Lathe.Testing;

namespace Lathe.Benchmarks.Coordinator;

/// <summary>How much longer a small sweep takes behind a large one. Each execution takes 0.1 s, and four workers take one at a time.</summary>
internal static class FairnessCommand
{
    private const int Workers = 4;
    private const int Small = 10;
    private const int Large = 10_000;
    private const int Times = 5;

    public static async Task RunAsync()
    {
        await using var cluster = await Cluster.StartAsync();
        var http = $"http://127.0.0.1:{PrivateServer.FreePort()}";
        using var coordinator = await Part.StartAsync(["coordinator", cluster.Broker.Address, cluster.Home, http], new() { ["LATHE_DATABASE"] = cluster.Database });
        var workers = new List<Part>();
        for (var i = 0; i < Workers; i++) workers.Add(await Part.StartAsync(["worker", cluster.Broker.Address, "1", "0.1"], new() { [HostingSettings.HomeVariable] = cluster.Home }));
        var client = cluster.Client(http);
        var next = Large;
        // The first one pays for everything that is made once.
        await SmallAsync(1);
        var alone = await SmallAsync(Times);
        var large = await Sweeps.SubmitAsync(client, new SweepSubmission(Sweeps.Of("large", 0, Large, hasSecond: false), Fresh: true));
        while ((await Sweeps.StatusAsync(client, large)).Steps![0].In(ExecutionState.Completed) < 100) await Task.Delay(100);
        var behind = await SmallAsync(Times);
        var first = await SmallAsync(Times, SweepLimits.HighestPriority);
        if ((await Sweeps.StatusAsync(client, large)).State != SweepState.Running) throw new LatheException("the large sweep ended too early");
        Console.WriteLine($"| {Small} executions of 0.1 s, {Workers} workers | seconds, median of {Times} | least to most | times as long as alone |");
        Console.WriteLine("|---|---|---|---|");
        foreach (var (name, seconds) in new[] { ("alone", alone), ($"behind a sweep of {Large}", behind), ("the same with priority 5", first) })
        {
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"| {name} | {Share.Of(seconds, 0.5):0.00} | {seconds.Min():0.00} to {seconds.Max():0.00} | {Share.Of(seconds, 0.5) / Share.Of(alone, 0.5):0.0} |"));
        }

        foreach (var worker in workers) worker.Dispose();

        async Task<List<double>> SmallAsync(int times, int? priority = null)
        {
            var seconds = new List<double>();
            for (var i = 0; i < times; i++, next += Small)
            {
                var id = await Sweeps.SubmitAsync(client, new SweepSubmission(Sweeps.Of("small", next, Small, hasSecond: false), Fresh: true, Priority: priority));
                seconds.Add(await Sweeps.EndAsync(client, id));
            }

            return seconds;
        }
    }
}
