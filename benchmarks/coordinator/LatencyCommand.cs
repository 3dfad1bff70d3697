using System.Globalization;
using System.Text.Json;
using Lathe.Contracts;
using Lathe.Hosting;
using Lathe.Testing;

namespace Lathe.Benchmarks.Coordinator;

/// <summary>How long a coordinator with nothing else to do takes from a parent's result to its child's arrival at a worker.</summary>
internal static class LatencyCommand
{
    public static async Task RunAsync(int pairs)
    {
        await using var cluster = await Cluster.StartAsync();
        var http = $"http://127.0.0.1:{PrivateServer.FreePort()}";
        using var coordinator = await Part.StartAsync(["coordinator", cluster.Broker.Address, cluster.Home, http], new() { ["LATHE_DATABASE"] = cluster.Database });
        using var worker = await Part.StartAsync(["worker", cluster.Broker.Address, "1"], new() { [HostingSettings.HomeVariable] = cluster.Home });
        var client = cluster.Client(http);
        // A sweep of its own for each pair, so that nothing else is under way. The first ones pay for everything that is made once.
        for (var i = 0; i < pairs + 20; i++)
        {
            if (i == 20) await worker.AskAsync();
            var id = await Sweeps.SubmitAsync(client, new SweepSubmission(Sweeps.Of("pair", i, 1, hasSecond: true), Fresh: true));
            // Whoever asks for the sweep meanwhile takes time from what is measured.
            await Task.Delay(TimeSpan.FromMilliseconds(50));
            await Sweeps.EndAsync(client, id);
        }

        var figures = JsonSerializer.Deserialize<WorkerFigures>(await worker.AskAsync())!;
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"parent's result to child's arrival, {figures.Finished / 2} pairs one at a time: median {figures.Median:0.0} ms, p99 {figures.P99:0.0} ms, most {figures.Most:0.0} ms"));
    }
}
