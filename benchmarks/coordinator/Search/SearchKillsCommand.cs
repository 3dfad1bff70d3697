using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Lathe.Contracts;
using Lathe.Testing;

namespace Lathe.Benchmarks.Coordinator;

/// <summary>
/// One search twice, with the programs of the product, a RabbitMQ and a PostgreSQL: once undisturbed, and once with a coordinator that is killed with SIGKILL again and again. Trials and results are to be the
/// same to the bit. Build lathe first.
/// </summary>
internal static class SearchKillsCommand
{
    private const int Images = 600;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    /// <param name="kills">Kills of the coordinator.</param>
    /// <param name="trials">Trials of the search.</param>
    /// <param name="seed">Decides the moments of the kills.</param>
    /// <returns>Exit code: 0, or 1 where something differs.</returns>
    public static async Task<int> RunAsync(int kills, int trials, int seed)
    {
        var data = Directory.CreateTempSubdirectory("lathe-search-data-").FullName;
        try
        {
            var root = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "..", "..", "..", ".."));
            await RunToEndAsync("/usr/bin/python3", [Path.Combine(root, "benchmarks", "first_images.py"), "/usr/share/datasets/fashion-mnist", Path.Combine(data, "fashion-mnist"), $"{Images}", "200"]);
            var (expected, first) = await SearchAsync(data, trials, 0, seed);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"undisturbed: {expected.Count} lines of trials and results in {first.TotalSeconds:0} s, SHA-256 {Digest(expected)}"));
            var (found, second) = await SearchAsync(data, trials, kills, seed);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{kills} kills: {found.Count} lines of trials and results in {second.TotalSeconds:0} s, SHA-256 {Digest(found)}"));
            foreach (var (before, after) in expected.Zip(found).Where(p => p.First != p.Second)) Console.WriteLine($"DIFFERS: {before}\n     now: {after}");
            var isSame = expected.SequenceEqual(found);
            Console.WriteLine(isSame ? "the same trials, figures and results to the bit" : "the results differ");
            return isSame ? 0 : 1;
        }
        finally
        {
            Directory.Delete(data, recursive: true);
        }
    }

    private static string Digest(IEnumerable<string> lines) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', lines))));

    /// <summary>What came of the search: a line for each trial, with its figures and the digests of what its executions made.</summary>
    private static async Task<(List<string> Lines, TimeSpan Took)> SearchAsync(string data, int trials, int kills, int seed)
    {
        await using var cluster = await Cluster.StartAsync();
        var http = $"http://127.0.0.1:{PrivateServer.FreePort()}";
        var environment = new Dictionary<string, string>
        {
            ["LATHE_HOME"] = cluster.Home, ["LATHE_DATA"] = data, ["LATHE_BROKER"] = cluster.Broker.Address, ["LATHE_HTTP"] = http, ["LATHE_DATABASE"] = cluster.Database, ["LATHE_THREADS"] = "1",
            // What else trains on the machine holds none of its slots.
            ["LATHE_COMPUTE_SLOTS"] = "64",
            ["DOTNET_ROOT"] = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..")),
        };
        var log = Path.Combine(cluster.Home, "programs.log");
        var programs = new List<Process>();
        try
        {
            var coordinator = Start("Lathe.Coordinator");
            foreach (var worker in (string[])["Lathe.Trainer", "Lathe.Pruner", "Lathe.Quantizer"]) Start(worker);
            var client = cluster.Client(http);
            await ReadyAsync(client);
            var watch = Stopwatch.StartNew();
            // Stages announce themselves a moment after they are up.
            var id = await AgainAsync(() => Sweeps.SubmitAsync(client, new SweepSubmission(Spec(trials), RequestId: $"search-kills-{kills}")));
            var random = new Random(seed);
            for (var kill = 0; kill < kills; kill++)
            {
                // Spread over the whole search, each at another moment of a trial.
                while (await DoneAsync() < kill * (trials - 1) / kills && await IsRunningAsync()) await Task.Delay(100);
                await Task.Delay(random.Next(1500));
                var at = await DoneAsync();
                coordinator.Kill();
                await coordinator.WaitForExitAsync();
                coordinator = Start("Lathe.Coordinator");
                await ReadyAsync(client);
                Console.WriteLine($"killed after {at} of {trials} trials");
            }

            while (await IsRunningAsync()) await Task.Delay(200);
            if ((await Sweeps.StatusAsync(client, id)).State is var state && state != SweepState.Succeeded) throw new LatheException($"the search {state}");
            var found = (await client.GetFromJsonAsync<List<TrialStatus>>($"sweeps/{id}/trials?limit=1000", LatheJson.Options))!;
            var leaves = (await client.GetFromJsonAsync<SweepResults>($"sweeps/{id}/results?limit=1000", LatheJson.Options))!.Leaves;
            return ([
                .. found.Select(t => $"{t.Number} {t.State} {JsonSerializer.Serialize(t.Values)} {JsonSerializer.Serialize(t.Figures)}"),
                .. leaves.Select(l => string.Join(" ", l.Stages.Select(s => $"{s.Key} {s.Checkpoint?.Sha256}"))).Order(StringComparer.Ordinal),
            ], watch.Elapsed);

            async Task<int> DoneAsync() => (await AgainAsync(() => Sweeps.StatusAsync(client, id))).Search?.Counts.GetValueOrDefault("done") ?? 0;

            async Task<bool> IsRunningAsync() => (await AgainAsync(() => Sweeps.StatusAsync(client, id))).State is SweepState.Running or SweepState.Preparing;
        }
        catch (Exception) when (File.Exists(log))
        {
            File.Copy(log, Path.Combine(Path.GetTempPath(), "lathe-search-kills.log"), overwrite: true);
            throw;
        }
        finally
        {
            foreach (var program in programs)
            {
                if (!program.HasExited) program.Kill();
                await program.WaitForExitAsync();
                program.Dispose();
            }
        }

        Process Start(string name)
        {
            var folder = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "..", "..", "Lathe.Cli", Path.GetFileName(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar))));
            // What they print goes to a file, so that no full pipe holds them.
            var start = new ProcessStartInfo("/bin/sh", ["-c", $"exec \"{Path.Combine(folder, name)}\" >>\"{log}\" 2>&1"]);
            foreach (var (key, value) in environment) start.Environment[key] = value;
            var process = Process.Start(start)!;
            programs.Add(process);
            return process;
        }
    }

    private static SweepSpec Spec(int trials) => new(
        "search-kills", ["lenet5"], ["fashion-mnist"], [1],
        [
            Stage("train", """{"epochs": 1, "validation": 0.25}"""),
            Stage("prune", """{"multiplications": [0.15, 0.25, 0.5], "epochs": 1, "validation": 0.25}"""),
            Stage("quantize", """{"bits": {"int": [2, 6]}, "learningRate": {"loguniform": [0.003, 0.1]}, "epochs": 1, "validation": 0.25}"""),
        ],
        Threads: 1)
    {
        // One trial at a time: with several, the order of their ends is not the search's.
        Search = new SearchSpec("tpe", [new SearchObjective(Maximize: "validationTop1After"), new SearchObjective(Minimize: "bytes")], trials, Parallel: 1),
    };

    private static StageSpec Stage(string name, string parameters) => new(name, JsonSerializer.Deserialize<JsonElement>(parameters));

    private static Task ReadyAsync(HttpClient client) => AgainAsync(async () =>
    {
        using var response = await client.GetAsync(new Uri("health/ready", UriKind.Relative));
        return response.EnsureSuccessStatusCode().IsSuccessStatusCode;
    });

    /// <summary>Asks until somebody answers: a coordinator that was killed is on its way up, and a stage may not have announced itself.</summary>
    private static async Task<T> AgainAsync<T>(Func<Task<T>> ask)
    {
        for (var watch = Stopwatch.StartNew(); ; await Task.Delay(100))
        {
            try
            {
                return await ask();
            }
            catch (HttpRequestException) when (watch.Elapsed < Patience)
            {
                // Again.
            }
        }
    }

    private static async Task RunToEndAsync(string program, string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments))!;
        await process.WaitForExitAsync();
        if (process.ExitCode != 0) throw new LatheException($"{program} {string.Join(' ', arguments)} failed");
    }
}
