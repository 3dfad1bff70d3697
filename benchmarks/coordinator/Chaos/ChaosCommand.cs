using System.Diagnostics;
using System.Globalization;
using Lathe.Contracts;
using Lathe.Testing;

namespace Lathe.Benchmarks.Coordinator;

/// <summary>One kill.</summary>
/// <param name="At">When.</param>
/// <param name="Victim">What was killed.</param>
/// <param name="Journal">Of a worker: the computations that it began; null for others.</param>
internal sealed record Kill(DateTimeOffset At, Victim Victim, string? Journal)
{
    /// <summary>When it was up again.</summary>
    public DateTimeOffset UpAt { get; set; } = DateTimeOffset.MaxValue;
}

/// <summary>
/// Two coordinators, three workers, a broker and a PostgreSQL, of which one after the other is killed with SIGKILL while a sweep runs. At the end nothing may be
/// lost, and nothing computed twice but what a killed worker had in hand.
/// </summary>
internal static class ChaosCommand
{
    private static readonly TimeSpan OnItsWay = TimeSpan.FromMilliseconds(500);

    /// <param name="minutes">How long parts are killed.</param>
    /// <param name="executions">Of a sweep.</param>
    /// <param name="seed">Decides what is killed and when.</param>
    /// <param name="isSoak">
    /// One sweep after the other until the time is over, with a rarer fault: the first coordinator and the first worker live through all of it, so that their memory says something.
    /// </param>
    /// <returns>Exit code: 0, or 1 where something is lost or double.</returns>
    public static async Task<int> RunAsync(double minutes, int executions, int seed, bool isSoak = false)
    {
        await using var cluster = await Cluster.StartAsync();
        var log = Path.Combine(Path.GetTempPath(), $"lathe-chaos-{Environment.ProcessId}.log");
        var environment = new Dictionary<string, string> { ["LATHE_DATABASE"] = cluster.Database };
        string[] addresses = [.. Enumerable.Range(0, 2).Select(_ => $"http://127.0.0.1:{PrivateServer.FreePort()}")];
        PartVictim[] coordinators =
        [
            .. addresses.Select((http, i) => new PartVictim("coordinator", $"coordinator {i + 1}", _ => ["coordinator", cluster.Broker.Address, cluster.Home, http, "impatient"], environment, log)),
        ];
        PartVictim[] workers =
        [
            .. Enumerable.Range(1, 3).Select(i => new PartVictim("worker", $"worker {i}", start => ["chaos-worker", cluster.Broker.Address, cluster.Home, Journal(i, start)], [], log)),
        ];
        Victim[] all = [.. coordinators, .. workers, new BrokerVictim(cluster.Broker), new DatabaseVictim(cluster.Server)];
        Victim[] victims = isSoak ? [.. all.Except([coordinators[0], workers[0]]), new ConnectionsVictim(cluster.Broker)] : all;
        await coordinators[0].StartAsync();
        await Task.WhenAll([coordinators[1].StartAsync(), .. workers.Select(w => w.StartAsync())]);
        HttpClient[] clients = [.. addresses.Select(cluster.Client)];
        var check = new ChaosCheck(cluster);
        await check.WatchAsync();
        List<Guid> sweeps = [await NextAsync(0)];
        var watch = Stopwatch.StartNew();
        var memory = new MemoryWatch(all);
        var kills = new List<Kill>();
        // What grows may also be what the collector has not taken back yet, so the heap is looked at after a full collection: early, and at the end.
        double? keptEarly = null;
        using var isOver = new CancellationTokenSource();
        var killing = KillAsync(isOver.Token);
        try
        {
            while (true)
            {
                memory.Look(watch.Elapsed);
                if (isSoak && keptEarly is null && watch.Elapsed > TimeSpan.FromMinutes(minutes / 12)) keptEarly = await coordinators[0].KeptAsync();
                // A part could not be started again: what follows would be no measurement.
                if (killing.IsFaulted) break;
                var state = await AnyAsync(clients, async client => (await Sweeps.StatusAsync(client, sweeps[^1])).State, TimeSpan.FromMinutes(2));
                if (watch.Elapsed > TimeSpan.FromMinutes(minutes + 5)) break;
                if (state is not (SweepState.Running or SweepState.Preparing))
                {
                    if (!isSoak || watch.Elapsed > TimeSpan.FromMinutes(minutes)) break;
                    sweeps.Add(await NextAsync(sweeps.Count));
                }

                await Task.Delay(1000);
            }
        }
        finally
        {
            await isOver.CancelAsync();
            await killing;
        }

        var took = watch.Elapsed;
        memory.Look(watch.Elapsed);
        var problems = await check.ProblemsAsync(sweeps, executions * sweeps.Count, kills, Directory.GetFiles(cluster.Home, "journal-*"));
        Print(took, kills, await check.FinishedAsync());
        if (isSoak) memory.PrintCourse(TimeSpan.FromMinutes(minutes));
        if (keptEarly is { } early)
        {
            var late = await coordinators[0].KeptAsync();
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{coordinators[0].Name} keeps after a full collection: {early:0.0} MiB after a twelfth of the time, {late:0.0} MiB at the end"));
        }

        else memory.PrintRange();
        Console.WriteLine($"computations: {check.Computations}, beyond the executions: {check.Beyond}, in hand at kills of workers: {check.InHand}");
        foreach (var problem in problems) Console.WriteLine($"FAULT: {problem}");
        Console.WriteLine(problems.Count == 0 ? "nothing is lost, nothing is double" : $"{problems.Count} faults; logs: {log}");
        if (problems.Count == 0) File.Delete(log);
        else foreach (var journal in Directory.GetFiles(cluster.Home, "journal-*")) File.Copy(journal, $"{log}.{Path.GetFileName(journal)}");
        foreach (var part in coordinators.Concat(workers).Where(p => p.Processes.Count > 0)) await part.KillAsync();
        return problems.Count == 0 ? 0 : 1;

        string Journal(int worker, int start) => Path.Combine(cluster.Home, $"journal-{worker}-{start}");

        Task<Guid> NextAsync(int number) => AnyAsync(
            clients,
            client => Sweeps.SubmitAsync(
                client, new SweepSubmission(Sweeps.Of($"chaos-{number}", number * executions / 2, executions / 2, hasSecond: true), RequestId: $"chaos-{seed}-{number}")),
            TimeSpan.FromMinutes(2));

        async Task KillAsync(CancellationToken stop)
        {
            var random = new Random(seed);
            while (watch.Elapsed < TimeSpan.FromMinutes(minutes))
            {
                var pause = (isSoak ? 5 : 1) * (1 + (4 * random.NextDouble()));
                await Task.Delay(TimeSpan.FromSeconds(pause), stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (stop.IsCancellationRequested) return;
                // Each kind as often as the others.
                var kinds = victims.GroupBy(v => v.Kind).ToList();
                var kind = kinds[random.Next(kinds.Count)].ToList();
                var victim = kind[random.Next(kind.Count)];
                var down = 1 + (4 * random.NextDouble());
                var at = DateTimeOffset.UtcNow;
                await victim.KillAsync();
                var kill = new Kill(at, victim, victim is PartVictim { Kind: "worker" } worker ? Journal(Array.IndexOf(workers, worker) + 1, worker.Starts) : null);
                kills.Add(kill);
                lock (log) File.AppendAllText(log, $"---- {at:O} killed {victim.Name} for {down:0.0} s\n");
                await Task.Delay(TimeSpan.FromSeconds(down), CancellationToken.None);
                await victim.StartAsync();
                kill.UpAt = DateTimeOffset.UtcNow;
                lock (log) File.AppendAllText(log, $"---- {kill.UpAt:O} {victim.Name} is up\n");
            }
        }
    }

    /// <summary>Keys of a journal in the order in which their computations began.</summary>
    public static IEnumerable<string> Keys(string journal) => Entries(journal).Select(e => e.Key);

    /// <summary>The same, with the time at which each began.</summary>
    public static IEnumerable<(string Key, DateTimeOffset At)> Entries(string journal) => File.Exists(journal)
        ? File.ReadAllLines(journal).Select(l => l.Split(' ')).Where(l => l is [{ Length: 64 }, _, _]).Select(l => (l[0], DateTimeOffset.Parse(l[2], CultureInfo.InvariantCulture)))
        : [];

    /// <summary>Asks one coordinator after the other, until one answers.</summary>
    private static async Task<T> AnyAsync<T>(HttpClient[] clients, Func<HttpClient, Task<T>> ask, TimeSpan patience)
    {
        var watch = Stopwatch.StartNew();
        for (var i = 0; ; i++)
        {
            try
            {
                return await ask(clients[i % clients.Length]);
            }
            catch (Exception e) when (e is HttpRequestException or TaskCanceledException or IOException && watch.Elapsed < patience)
            {
                await Task.Delay(200);
            }
        }
    }

    private static void Print(TimeSpan took, List<Kill> kills, IReadOnlyList<DateTimeOffset> finished)
    {
        string Text(double value) => double.IsNaN(value) ? "" : value.ToString("0.0", CultureInfo.InvariantCulture);
        Console.WriteLine($"{finished.Count} executions finished in {took.TotalSeconds:0} s, {kills.Count} kills");
        Console.WriteLine();
        Console.WriteLine("| killed | times | up again after, s: median | next execution finished after, s: median | most | after it was up: median | most |");
        Console.WriteLine("|---|---|---|---|---|---|---|");
        foreach (var kind in kills.GroupBy(k => k.Victim.Kind))
        {
            // One that finished at the moment of the kill was on its way already.
            var next = kind.Select(k => (Kill: k, Next: finished.FirstOrDefault(f => f > k.At + OnItsWay))).Where(k => k.Next != default).ToList();
            var (after, afterUp) = (next.ConvertAll(k => (k.Next - k.Kill.At).TotalSeconds), next.ConvertAll(k => Math.Max(0, (k.Next - k.Kill.UpAt).TotalSeconds)));
            var up = kind.Select(k => (k.UpAt - k.At).TotalSeconds).ToList();
            Console.WriteLine($"| {kind.Key} | {kind.Count()} | {Text(Share.Of(up, 0.5))} | {Text(Share.Of(after, 0.5))} | {Text(Share.Of(after, 1))} | {Text(Share.Of(afterUp, 0.5))} | {Text(Share.Of(afterUp, 1))} |");
        }

        Console.WriteLine();
    }
}
