using System.Diagnostics;
using System.Globalization;
using Lathe.Contracts;
using Lathe.Hosting;
using Lathe.Testing;

namespace Lathe.Benchmarks.Coordinator;

/// <summary>
/// A sweep of executions that wait and write while something goes wrong that is not a kill. At the end nothing may be lost, half written or twice; the exit code is 1 otherwise.
/// </summary>
internal static class FaultsCommand
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    /// <summary>A bucket whose server answers 500 and 503, resets, cuts off, and is slow.</summary>
    /// <param name="executions">Of the sweep.</param>
    /// <param name="seed">Decides which requests go wrong.</param>
    /// <param name="share">Share of the requests that go wrong.</param>
    public static async Task<int> BucketAsync(int executions, int seed, double share)
    {
        await using var server = new S3Server();
        if (server.Missing is { } missing) throw new LatheException(missing);
        await server.InitializeAsync();
        await using var proxy = await FaultyProxy.StartAsync(server.Port, seed);
        var store = server.NewPlace();
        await using var scene = await FaultScene.StartAsync(new Dictionary<string, string>(S3Server.EnvironmentAt(proxy.Port)) { [HostingSettings.StoreVariable] = store });
        proxy.Share = share;
        var sweep = await scene.SubmitAsync("bucket", executions);
        await scene.EndAsync(sweep, Patience);
        proxy.Share = 0;
        Console.WriteLine($"requests that went wrong: {string.Join(", ", proxy.Counts.OrderBy(c => c.Key).Select(c => $"{c.Key} {c.Value}"))}");
        return await scene.VerdictAsync([sweep], executions, scene.Settings with { Store = store, Buckets = server.Access });
    }

    /// <summary>The disk of the store is full for a while, in the middle of the sweep.</summary>
    public static async Task<int> DiskAsync(int executions)
    {
        if (SmallDisk.Missing is { } missing) throw new LatheException(missing);
        using var disk = SmallDisk.Mount(16);
        var store = Path.Combine(disk.Folder, "store");
        await using var scene = await FaultScene.StartAsync(new Dictionary<string, string> { [HostingSettings.StoreVariable] = store });
        var sweep = await scene.SubmitAsync("disk", executions);
        await scene.FinishedAsync(sweep, executions / 4, Patience);
        disk.Fill();
        var before = (await scene.StatusAsync(sweep)).Steps!.Sum(s => s.In(ExecutionState.Completed));
        // Until somebody has stumbled over it.
        await scene.LogAsync("the disk is full", Patience);
        await scene.LogAsync("takes no work for", Patience);
        disk.MakeRoom();
        await scene.EndAsync(sweep, Patience);
        Console.WriteLine($"the disk was full after {before} executions; workers paused {scene.Count("takes no work for")} times and told {scene.Count("the disk is full")} times that it was full");
        return await scene.VerdictAsync([sweep], executions, scene.Settings with { Store = store });
    }

    /// <summary>A new version of a stage beside the old one while sweeps run; then the old workers leave too early, and come back.</summary>
    public static async Task<int> UpgradeAsync(int executions)
    {
        await using var scene = await FaultScene.StartAsync([]);
        var old = await scene.SubmitAsync("old", executions);
        await scene.FinishedAsync(old, executions / 8, Patience);
        var newer = await scene.WorkerAsync(new() { [ChaosWorker.VersionVariable] = "2" });
        await scene.AnnouncedAsync("2", Patience);
        var second = await scene.SubmitAsync("new", executions, from: executions);
        await scene.FinishedAsync(second, executions / 8, Patience);
        foreach (var worker in scene.FirstWorkers) await worker.KillAsync();
        await scene.EndAsync(second, Patience);
        var waiting = await scene.StatusAsync(old);
        var left = executions - waiting.Steps!.Sum(s => s.In(ExecutionState.Completed));
        Console.WriteLine($"without its workers the old sweep is {waiting.State} and waits with {left} executions");
        foreach (var worker in scene.FirstWorkers) await worker.StartAsync();
        await scene.EndAsync(old, Patience);
        var versions = await scene.VersionsAsync();
        Console.WriteLine($"executions by sweep and version: {string.Join(", ", versions)}");
        await newer.KillAsync();
        var verdict = await scene.VerdictAsync([old, second], 2 * executions, scene.Settings);
        return verdict == 0 && left > 0 && versions.SequenceEqual([$"new 2: {executions}", $"old 1: {executions}"]) ? 0 : 1;
    }

    /// <summary>Clocks of one coordinator and one worker that are wrong and jump.</summary>
    public static async Task<int> ClockAsync(int executions)
    {
        const string Library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
        if (!File.Exists(Library)) throw new LatheException($"there is no {Library}: apt-get install libfaketime");
        var clock = Path.GetTempFileName();
        File.WriteAllText(clock, "+0");
        var wrong = new Dictionary<string, string>
        {
            ["LD_PRELOAD"] = Library, ["FAKETIME_TIMESTAMP_FILE"] = clock, ["FAKETIME_CACHE_DURATION"] = "1", ["FAKETIME_DONT_FAKE_MONOTONIC"] = "1",
        };
        await using var scene = await FaultScene.StartAsync([], coordinator: wrong, worker: wrong);
        var sweep = await scene.SubmitAsync("clock", executions);
        foreach (var (jump, share) in new[] { ("+2h", 0.2), ("-3h", 0.4), ("+40d", 0.6), ("+0", 0.8) })
        {
            await scene.FinishedAsync(sweep, (int)(executions * share), Patience);
            File.WriteAllText(clock, jump);
            Console.WriteLine($"clock {jump} after {executions * share:0} executions");
        }

        var watch = Stopwatch.StartNew();
        await scene.EndAsync(sweep, Patience);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"the rest took {watch.Elapsed.TotalSeconds:0} s; the second coordinator and two workers had the right time all along"));
        File.Delete(clock);
        return await scene.VerdictAsync([sweep], executions, scene.Settings);
    }
}
