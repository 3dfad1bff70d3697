using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using Lathe.Contracts;
using Lathe.Hosting;
using Lathe.Testing;
using Npgsql;

namespace Lathe.Benchmarks.Coordinator;

/// <summary>
/// Sweeps of many executions that take no time, one after the other, on one coordinator, RabbitMQ and PostgreSQL. Half of the executions start from a model
/// and half from the checkpoint of one of those.
/// </summary>
internal static class LoadCommand
{
    private const int Prefetch = 64;

    // Of the looks at a running sweep, two in a second, this one in so many asks for the whole page.
    private const int PagesEvery = 4;

    public static async Task RunAsync(IReadOnlyList<int> sizes, int backlog, int reports)
    {
        var broker = new RabbitMqBroker();
        var server = new PostgreSqlServer { IsDurable = true };
        var home = Directory.CreateTempSubdirectory("lathe-load-").FullName;
        await using var stopBroker = new Disposal(broker.DisposeAsync);
        await using var stopServer = new Disposal(server.DisposeAsync);
        await Task.WhenAll(broker.InitializeAsync().AsTask(), server.InitializeAsync().AsTask());
        var database = await server.CreateDatabaseAsync();
        var http = $"http://127.0.0.1:{PrivateServer.FreePort()}";
        using var coordinator = await Part.StartAsync(["coordinator", broker.Address, home, http, "limits", $"{backlog}", $"{reports}"], new() { ["LATHE_DATABASE"] = database });
        using var worker = await Part.StartAsync(["worker", broker.Address, $"{Prefetch}"], new() { [HostingSettings.HomeVariable] = home });
        using var client = new HttpClient { BaseAddress = new Uri(http + "/"), Timeout = TimeSpan.FromMinutes(10) };
        Console.WriteLine("executions  answered s  finished/s  median ms  p99 ms  to sending: median ms  p99 ms  coordinator CPU ms/exec.  memory MiB  kept MiB  KiB/exec.  status ms  list ms  results ms  status while it runs, most of all: ms");
        foreach (var size in sizes.Count > 0 ? sizes : [1000, 10_000, 100_000]) await MeasureAsync(size, client, coordinator, worker, database);
        Directory.Delete(home, recursive: true);
    }

    private static async Task MeasureAsync(int size, HttpClient client, Part coordinator, Part worker, string database)
    {
        await worker.AskAsync();
        var (bytesBefore, cpuBefore) = (await BytesAsync(database), coordinator.Cpu);
        var values = string.Join(", ", Enumerable.Range(0, size / 2));
        var spec = new SweepSpec(
            $"load-{size}", ["lenet5"], ["fashion-mnist"], [0],
            [
                new StageSpec("first", JsonSerializer.Deserialize<JsonElement>($$"""{"n": [{{values}}]}""")),
                new StageSpec("second", JsonSerializer.Deserialize<JsonElement>("{}")),
            ]);
        var watch = Stopwatch.StartNew();
        using var response = await client.PostAsJsonAsync("sweeps", new SweepSubmission(spec, Fresh: true), LatheJson.Options);
        var text = await response.Content.ReadAsStringAsync();
        if (!response.IsSuccessStatusCode) throw new LatheException($"{response.StatusCode}: {text}");
        var id = JsonSerializer.Deserialize<JsonElement>(text).GetProperty("id").GetString();
        var answered = watch.Elapsed.TotalSeconds;
        // The page of a sweep that has just begun, and some of one that runs: statistics of the database are old then.
        var (pages, looked) = (new List<double>(), 0);
        while (true)
        {
            if (looked++ % PagesEvery == 0) pages.Add(await OnceAsync(client, $"sweeps/{id}"));
            var now = await client.GetFromJsonAsync<JsonElement>($"sweeps/{id}?limit=1");
            if (now.GetProperty("state").GetString() is var state && state != "running" && state != "preparing") break;
            await Task.Delay(500);
        }

        var figures = JsonSerializer.Deserialize<WorkerFigures>(await worker.AskAsync())!;
        var cpu = (coordinator.Cpu - cpuBefore).TotalMilliseconds / size;
        var bytes = (await BytesAsync(database) - bytesBefore) / 1024.0 / size;
        var memory = coordinator.Memory / 1024.0 / 1024;
        var kept = long.Parse(await coordinator.AskAsync(), CultureInfo.InvariantCulture) / 1024.0 / 1024;
        var (status, list, results) = (await TimeAsync(client, $"sweeps/{id}"), await TimeAsync(client, "sweeps?limit=20"), await TimeAsync(client, $"sweeps/{id}/results?limit=100"));
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{size,10}  {answered,10:0.00}  {figures.Finished / figures.Seconds,10:0}  {figures.Median,9:0.0}  {figures.P99,6:0.0}  {figures.SentMedian,21:0.0}  {figures.SentP99,6:0.0}  {cpu,24:0.000}  {memory,10:0}  {kept,8:0}  {bytes,9:0.00}  {status,9:0}  {list,7:0}  {results,10:0}  {pages.Max(),8:0} of {pages.Count}")
            + (figures.Finished == size ? "" : $"  ({figures.Finished} computed)"));
    }

    private static async Task<double> TimeAsync(HttpClient client, string path)
    {
        await client.GetStringAsync(path);
        return await OnceAsync(client, path);
    }

    private static async Task<double> OnceAsync(HttpClient client, string path)
    {
        var watch = Stopwatch.StartNew();
        await client.GetStringAsync(path);
        return watch.Elapsed.TotalMilliseconds;
    }

    private static async Task<long> BytesAsync(string database)
    {
        await using var connection = new NpgsqlConnection(database);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand("SELECT pg_database_size(current_database())", connection);
        return (long)(await command.ExecuteScalarAsync())!;
    }

    private sealed class Disposal(Func<ValueTask> dispose) : IAsyncDisposable
    {
        public ValueTask DisposeAsync() => dispose();
    }
}

/// <summary>This program again, in a process of its own.</summary>
internal sealed class Part : IDisposable
{
    private readonly Process _process;

    private Part(Process process) => _process = process;

    public TimeSpan Cpu
    {
        get
        {
            _process.Refresh();
            return _process.TotalProcessorTime;
        }
    }

    public long Memory
    {
        get
        {
            _process.Refresh();
            return _process.WorkingSet64;
        }
    }

    public static async Task<Part> StartAsync(string[] arguments, Dictionary<string, string> environment)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true };
        foreach (var (name, value) in environment) start.Environment[name] = value;
        var part = new Part(Process.Start(start)!);
        while (await part._process.StandardOutput.ReadLineAsync() is { } line)
        {
            if (line == "ready") return part;
            await Console.Error.WriteLineAsync(line);
        }

        throw new LatheException($"{arguments[0]} did not start");
    }

    /// <summary>Writes a line to it and reads one.</summary>
    public async Task<string> AskAsync()
    {
        await _process.StandardInput.WriteLineAsync("");
        await _process.StandardInput.FlushAsync();
        return await _process.StandardOutput.ReadLineAsync() ?? throw new LatheException("a part of the measurement ended");
    }

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }
}
