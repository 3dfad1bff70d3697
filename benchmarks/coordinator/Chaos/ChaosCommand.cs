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

    /// <returns>Exit code: 0, or 1 where something is lost or double.</returns>
    public static async Task<int> RunAsync(double minutes, int executions, int seed)
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
        await coordinators[0].StartAsync();
        await Task.WhenAll([coordinators[1].StartAsync(), .. workers.Select(w => w.StartAsync())]);
        HttpClient[] clients = [.. addresses.Select(cluster.Client)];
        var check = new ChaosCheck(cluster);
        await check.WatchAsync();
        var id = await AnyAsync(clients, client => Sweeps.SubmitAsync(client, new SweepSubmission(Sweeps.Of("chaos", 0, executions / 2, hasSecond: true), RequestId: $"chaos-{seed}")), TimeSpan.FromMinutes(1));
        var watch = Stopwatch.StartNew();
        var memory = new MemoryWatch(all);
        var kills = new List<Kill>();
        using var isOver = new CancellationTokenSource();
        var killing = KillAsync(isOver.Token);
        try
        {
            while (true)
            {
                memory.Look();
                var state = await AnyAsync(clients, async client => (await Sweeps.StatusAsync(client, id)).State, TimeSpan.FromMinutes(2));
                if (state is not (SweepState.Running or SweepState.Preparing)) break;
                if (watch.Elapsed > TimeSpan.FromMinutes(minutes + 5)) break;
                await Task.Delay(1000);
            }
        }
        finally
        {
            await isOver.CancelAsync();
            await killing;
        }

        var took = watch.Elapsed;
        memory.Look();
        var problems = await check.ProblemsAsync(id, executions, kills, Directory.GetFiles(cluster.Home, "journal-*"));
        Print(took, kills, await check.FinishedAsync(), memory);
        Console.WriteLine($"computations: {check.Computations}, beyond the executions: {check.Beyond}, in hand at kills of workers: {check.InHand}");
        foreach (var problem in problems) Console.WriteLine($"FAULT: {problem}");
        Console.WriteLine(problems.Count == 0 ? "nothing is lost, nothing is double" : $"{problems.Count} faults; logs: {log}");
        if (problems.Count == 0) File.Delete(log);
        else foreach (var journal in Directory.GetFiles(cluster.Home, "journal-*")) File.Copy(journal, $"{log}.{Path.GetFileName(journal)}");
        foreach (var part in coordinators.Concat(workers).Where(p => p.Processes.Count > 0)) await part.KillAsync();
        return problems.Count == 0 ? 0 : 1;

        string Journal(int worker, int start) => Path.Combine(cluster.Home, $"journal-{worker}-{start}");

        async Task KillAsync(CancellationToken stop)
        {
            var random = new Random(seed);
            while (watch.Elapsed < TimeSpan.FromMinutes(minutes))
            {
                var pause = 1 + (4 * random.NextDouble());
                await Task.Delay(TimeSpan.FromSeconds(pause), stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (stop.IsCancellationRequested) return;
                // Each kind as often as the others.
                var kinds = all.GroupBy(v => v.Kind).ToList();
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
    public static IEnumerable<string> Keys(string journal) => File.Exists(journal) ? File.ReadAllLines(journal).Where(l => l.Length > 64).Select(l => l[..64]) : [];

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

    private static void Print(TimeSpan took, List<Kill> kills, IReadOnlyList<DateTimeOffset> finished, MemoryWatch memory)
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
        Console.WriteLine("| memory, MiB | beginning | most | end |");
        Console.WriteLine("|---|---|---|---|");
        foreach (var (name, first, most, last) in memory.Figures) Console.WriteLine($"| {name} | {first:0} | {most:0} | {last:0} |");
        Console.WriteLine();
    }

    private sealed class MemoryWatch(Victim[] victims)
    {
        private readonly Dictionary<string, (double First, double Most, double Last)> _seen = [];

        public IEnumerable<(string Name, double First, double Most, double Last)> Figures => _seen.Select(s => (s.Key, s.Value.First, s.Value.Most, s.Value.Last));

        public void Look()
        {
            foreach (var victim in victims)
            {
                if (victim.Memory is not (> 0 and var now)) continue;
                var (first, most, _) = _seen.TryGetValue(victim.Name, out var before) ? before : (now, now, now);
                _seen[victim.Name] = (first, Math.Max(most, now), now);
            }
        }
    }
}
