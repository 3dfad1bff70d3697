using System.Diagnostics;
using System.Globalization;
using Lathe.Contracts;
using Lathe.Hosting;
using Lathe.Testing;
using Npgsql;

namespace Lathe.Benchmarks.Coordinator;

/// <summary>
/// The same fan-out of tasks that do nothing through Lathe, Celery, Snakemake and Optuna, one after the other on one RabbitMQ and one PostgreSQL. One that is
/// not installed is left out, with a sentence that says so.
/// </summary>
internal static class RivalsCommand
{
    private const string Python = "/usr/bin/python3";

    /// <param name="tasks">Number of tasks for Lathe and Celery.</param>
    /// <param name="fewer">The same for Snakemake and Optuna, which need longer.</param>
    /// <param name="scripts">Folder of the other programs' parts.</param>
    public static async Task RunAsync(int tasks, int fewer, string scripts)
    {
        await using var cluster = await Cluster.StartAsync();
        var lathe = tasks / await LatheAsync(cluster, tasks);
        Console.WriteLine("| | tasks | tasks a second | Lathe is faster by |");
        Console.WriteLine("|---|---|---|---|");
        Print("Lathe: every execution planned, recorded and reported", tasks, lathe, null);
        await RivalAsync("Celery as it comes, results thrown away", tasks, ["celery"], folder => CeleryAsync(folder, promises: false));
        await RivalAsync("Celery with confirmed messages, late acknowledgement and results in PostgreSQL", tasks, ["celery", "sqlalchemy", "psycopg2"], folder => CeleryAsync(folder, promises: true));
        await RivalAsync("Snakemake, jobs that start no process", fewer, ["snakemake"], SnakemakeAsync);
        await RivalAsync("Optuna, random sampler, state in PostgreSQL", fewer, ["optuna", "psycopg2"], OptunaAsync);

        async Task RivalAsync(string name, int count, string[] modules, Func<string, Task<double>> measure)
        {
            if (await OutputAsync(Python, ["-c", $"import {string.Join(", ", modules)}"], "/", []) is null)
            {
                Console.WriteLine($"| {name} | left out: {string.Join(" or ", modules)} is not installed here | | |");
                return;
            }

            var folder = Directory.CreateDirectory(Path.Combine(cluster.Home, Guid.NewGuid().ToString("N"))).FullName;
            Print(name, count, count / await measure(folder), lathe);
        }

        async Task<double> CeleryAsync(string folder, bool promises) => Number(await OutputAsync(Python, [Path.Combine(scripts, "celery_fanout.py")], folder, new()
        {
            ["RIVAL_TASKS"] = $"{tasks}",
            ["RIVAL_BROKER"] = cluster.Broker.Address,
            ["RIVAL_RESULTS"] = "db+" + await DatabaseAsync(cluster),
            ["RIVAL_PROMISES"] = promises ? "yes" : "no",
            ["RIVAL_FINISHED"] = Path.Combine(folder, "finished"),
            ["PYTHONDONTWRITEBYTECODE"] = "1",
            // Celery warns whoever runs it as root.
            ["C_FORCE_ROOT"] = "1",
        }));

        async Task<double> SnakemakeAsync(string folder)
        {
            var watch = Stopwatch.StartNew();
            var output = await OutputAsync(
                "/usr/bin/snakemake", ["--snakefile", Path.Combine(scripts, "Snakefile"), "--cores", "2", "--quiet"], folder, new() { ["RIVAL_TASKS"] = $"{fewer}", ["XDG_CACHE_HOME"] = folder, ["PYTHONDONTWRITEBYTECODE"] = "1" });
            if (output is null || Directory.GetFiles(Path.Combine(folder, "out")).Length != fewer) throw new LatheException("Snakemake did not make every file");
            return watch.Elapsed.TotalSeconds;
        }

        async Task<double> OptunaAsync(string folder) => Number(await OutputAsync(
            Python, [Path.Combine(scripts, "optuna_trials.py")], folder, new() { ["RIVAL_TASKS"] = $"{fewer}", ["RIVAL_DATABASE"] = await DatabaseAsync(cluster), ["PYTHONDONTWRITEBYTECODE"] = "1" }));
    }

    /// <summary>Seconds from the submission to the end of the sweep.</summary>
    private static async Task<double> LatheAsync(Cluster cluster, int tasks)
    {
        var http = $"http://127.0.0.1:{PrivateServer.FreePort()}";
        using var coordinator = await Part.StartAsync(["coordinator", cluster.Broker.Address, cluster.Home, http], new() { ["LATHE_DATABASE"] = cluster.Database });
        using var worker = await Part.StartAsync(["worker", cluster.Broker.Address, "64"], new() { [HostingSettings.HomeVariable] = cluster.Home });
        var client = cluster.Client(http);
        // The first sweep waits for the stages' announcements.
        await Sweeps.EndAsync(client, await Sweeps.SubmitAsync(client, new SweepSubmission(Sweeps.Of("first", tasks, 1, hasSecond: false), Fresh: true)));
        var began = DateTimeOffset.UtcNow;
        var id = await Sweeps.SubmitAsync(client, new SweepSubmission(Sweeps.Of("fan-out", 0, tasks, hasSecond: false), Fresh: true));
        await Sweeps.EndAsync(client, id);
        return ((await Sweeps.StatusAsync(client, id)).FinishedAt!.Value - began).TotalSeconds;
    }

    /// <summary>A new database as an address for SQLAlchemy.</summary>
    private static async Task<string> DatabaseAsync(Cluster cluster)
    {
        var connection = new NpgsqlConnectionStringBuilder(await cluster.Server.CreateDatabaseAsync());
        return $"postgresql+psycopg2://{connection.Username}@{connection.Host}:{connection.Port}/{connection.Database}";
    }

    private static void Print(string name, int tasks, double perSecond, double? lathe) => Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture, $"| {name} | {tasks:#,0} | {perSecond:0} | {(lathe is null ? "" : $"{lathe / perSecond:0.00} times")} |"));

    private static double Number(string? text) => text is null ? throw new LatheException("it failed; its words are above") : double.Parse(text.Trim(), CultureInfo.InvariantCulture);

    /// <summary>What a program writes to standard output; null where it fails.</summary>
    private static async Task<string?> OutputAsync(string program, string[] arguments, string folder, Dictionary<string, string> environment)
    {
        if (!File.Exists(program)) return null;
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = folder };
        foreach (var (name, value) in environment) start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        if (process.ExitCode == 0) return output;
        if (environment.Count > 0) await Console.Error.WriteLineAsync(await errors);
        return null;
    }
}
