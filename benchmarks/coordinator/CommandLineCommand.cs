using System.Diagnostics;
using System.Globalization;
using Lathe.Contracts;
using Lathe.Hosting;
using Lathe.Testing;

namespace Lathe.Benchmarks.Coordinator;

/// <summary>
/// How long <c>lathe status</c>, <c>lathe status SWEEP</c> and <c>lathe results SWEEP</c> take at a large sweep, half-way and at its end: over HTTP, and from the same PostgreSQL. The
/// start of the program is part of it, and measured alone as well.
/// </summary>
internal static class CommandLineCommand
{
    private const int Times = 7;
    private const int Prefetch = 64;

    public static async Task RunAsync(int executions)
    {
        var program = Path.Combine(Checkout.Root, "lathe");
        await using var cluster = await Cluster.StartAsync();
        var http = $"http://127.0.0.1:{PrivateServer.FreePort()}";
        var home = Directory.CreateDirectory(Path.Combine(cluster.Home, "client")).FullName;
        using var coordinator = await Part.StartAsync(["coordinator", cluster.Broker.Address, cluster.Home, http], new() { ["LATHE_DATABASE"] = cluster.Database });
        using var worker = await Part.StartAsync(["worker", cluster.Broker.Address, $"{Prefetch}"], new() { [HostingSettings.HomeVariable] = cluster.Home });
        var client = cluster.Client(http);
        string[] overHttp = ["--coordinator", http, "--home", home];
        string[] fromDatabase = ["--home", home];
        Console.WriteLine($"| {executions} executions; median of {Times} | seconds | least to most | CPU s | lines |");
        Console.WriteLine("|---|---|---|---|---|");
        await MeasureAsync("the program alone: `lathe --version`", ["--version"]);
        var id = await Sweeps.SubmitAsync(client, new SweepSubmission(Sweeps.Of("large", 0, executions / 2, hasSecond: true), Fresh: true));
        while ((await Sweeps.StatusAsync(client, id)).Steps!.Sum(s => s.In(ExecutionState.Completed)) < executions / 2) await Task.Delay(50);
        using (var answer = await client.PostAsync($"sweeps/{id}/pause", null)) answer.EnsureSuccessStatusCode();
        await MeasureAllAsync("half-way, paused");
        using (var answer = await client.PostAsync($"sweeps/{id}/resume", null)) answer.EnsureSuccessStatusCode();
        await Sweeps.EndAsync(client, id);
        await MeasureAllAsync("at its end");

        async Task MeasureAllAsync(string when)
        {
            foreach (var (way, options) in new[] { ("over HTTP", overHttp), ("from PostgreSQL", fromDatabase) })
            {
                await MeasureAsync($"{when}, {way}: `lathe status`", ["status", .. options]);
                await MeasureAsync($"{when}, {way}: `lathe status SWEEP`", ["status", "large", .. options]);
                await MeasureAsync($"{when}, {way}: `lathe results SWEEP`", ["results", "large", .. options]);
            }
        }

        async Task MeasureAsync(string name, string[] arguments)
        {
            var calls = new List<Call>();
            // The first one reads the program from the disk.
            for (var i = 0; i <= Times; i++) calls.Add(await CallAsync(program, arguments, cluster.Database));
            calls.RemoveAt(0);
            var seconds = calls.ConvertAll(c => c.Seconds);
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"| {name} | {Share.Of(seconds, 0.5):0.00} | {seconds.Min():0.00} to {seconds.Max():0.00} | {Share.Of(calls.ConvertAll(c => c.Cpu), 0.5):0.00} | {calls[0].Lines} |"));
        }
    }

    /// <summary>Calls the program as a shell does, in a terminal of 120 by 40.</summary>
    private static async Task<Call> CallAsync(string program, string[] arguments, string database)
    {
        // The shell knows what the program and all that it started have used.
        var start = new ProcessStartInfo("bash", ["-c", "TIMEFORMAT='%3R %3U %3S'; time \"$@\"", "bash", program, .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var name in start.Environment.Keys.Where(k => k.StartsWith("LATHE_", StringComparison.Ordinal)).ToList()) start.Environment.Remove(name);
        (start.Environment["COLUMNS"], start.Environment["LINES"], start.Environment["LATHE_DATABASE"]) = ("120", "40", database);
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        if (process.ExitCode != 0) throw new LatheException($"lathe {string.Join(' ', arguments)} ended with {process.ExitCode}: {await errors}");
        var times = (await errors).TrimEnd().Split('\n')[^1].Split(' ').Select(t => double.Parse(t, CultureInfo.InvariantCulture)).ToList();
        return new Call(times[0], times[1] + times[2], output.Count(c => c == '\n'));
    }

    private sealed record Call(double Seconds, double Cpu, int Lines);
}
