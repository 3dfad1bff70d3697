using System.Diagnostics;
using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Panels;
using Lathe.Coordinator;
using Lathe.Evaluator;
using Lathe.Hosting;
using Lathe.NN.Checkpoints;
using Lathe.Testing;
using Lathe.Trainer;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Hosting;

namespace Lathe.Cli.Tests.Commands;

/// <summary>Stages in Python, each a process on a real broker, in sweeps with stages that are not.</summary>
public sealed class A_stage_in_Python(RabbitMqBroker broker) : IClassFixture<RabbitMqBroker>, IAsyncDisposable
{
    private const string Python = "/usr/bin/python3";

    /// <summary>Counts slowly and keeps its count, so that a test sees where an execution went on.</summary>
    private const string Slow = """
        import os, time
        from dataclasses import dataclass
        from lathe_stage import Metric, Outcome, serve, stage

        @dataclass(frozen=True)
        class Parameters:
            steps: int = 20

        @stage("slow", "1", "Counts", Parameters, metrics=[Metric("began", "began", is_column=True)])
        def slow(run, parameters):
            began = count = int(run.load_state() or b"0")
            while count < parameters.steps:
                while os.path.exists("hold") and count >= 3:
                    time.sleep(0.01)
                    run.check_stop()
                count += 1
                run.save_state(str(count).encode())
                run.progress("counting", epoch=count, epochs=parameters.steps)
            if os.path.exists("fail"):
                raise RuntimeError("a bug")
            return Outcome(run.write(run.read()), {"began": began})

        serve(slow)
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("lathe-test-").FullName;
    private readonly List<IHost> _workers = [];
    private readonly List<Process> _pythons = [];
    private readonly HashSet<string> _users = [];
    private readonly System.Text.StringBuilder _log = new();
    private WebApplication? _coordinator;

    private string Url => _coordinator!.Urls.First();

    [Fact]
    public async Task Does_what_its_own_tests_say()
    {
        SkipWithoutPython();
        var tests = await RunAsync(Python, ["-m", "unittest", "discover", "-s", "tests"], Path.Combine(Checkout.Root, "sdk", "python"));
        Assert.True(tests.Code == 0, tests.Errors);
        Assert.Contains("\nOK", tests.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Has_sound_types()
    {
        SkipWithoutPython();
        Assert.SkipUnless(File.Exists("/usr/bin/mypy"), "mypy is missing; ./test installs it where it may");
        var check = await RunAsync(
            "/usr/bin/mypy", ["--cache-dir", Path.Combine(_folder, "mypy"), "--config-file", "pyproject.toml", "--strict", "lathe_stage", "../../examples/stages/clusterer/clusterer.py"],
            Path.Combine(Checkout.Root, "sdk", "python"));
        Assert.True(check.Code == 0, check.Output);
    }

    [Fact]
    public async Task Runs_between_the_stages_of_Lathe_with_columns_and_a_panel_of_its_own()
    {
        await StartAsync();
        await StartAsync("cluster", "clusterer.py", await File.ReadAllTextAsync(Path.Combine(Checkout.Root, "examples", "stages", "clusterer", "clusterer.py")));

        var (code, output, errors) = await SubmitAsync("  - train: { epochs: 0 }\n  - cluster: { clusters: [2, 8] }\n  - evaluate\n", "--wait", "--json", "-");

        Assert.True(code == 0, $"{errors}\n{_log}");
        var rows = JsonElement.Parse(output);
        Assert.Equal(2, rows.GetArrayLength());
        Assert.True(rows[1].GetProperty("clusterError").GetDouble() < rows[0].GetProperty("clusterError").GetDouble(), output);
        Assert.True(rows[0].GetProperty("deflatedBytes").GetDouble() < rows[1].GetProperty("deflatedBytes").GetDouble(), output);
        Assert.InRange(rows[0].GetProperty("top1").GetDouble(), 0, 1);

        using var http = new HttpClient { BaseAddress = new Uri(Url) };
        var results = JsonSerializer.Deserialize<SweepResults>(await http.GetStringAsync("/sweeps/s/results?details=true"), LatheJson.Options)!;
        foreach (var (leaf, clusters) in results.Leaves.Zip([2, 8]))
        {
            var stage = leaf.Stages[1];
            Assert.Equal("error", Assert.IsType<BarChart>(Assert.Single(stage.Panels!)).Id);
            using var checkpoint = CheckpointFile.Read(new CheckpointStore(Settings()).PathOf(stage.Checkpoint!));
            Assert.Equal(["train", "cluster"], checkpoint.Lineage.Steps.Select(step => step.Stage));
            Assert.NotNull(checkpoint.Lineage.Dense);
            Assert.All(
                checkpoint.Tensors.Where(tensor => tensor.Value.dim() > 1),
                tensor => Assert.InRange(tensor.Value.data<float>().ToArray().Distinct().Count(), 2, clusters));
        }

        (code, output, errors) = await SubmitAsync("  - train: { epochs: 0 }\n  - cluster: { clusters: 3, skip: [fc] }\n");
        Assert.Equal((2, ""), (code, output));
        Assert.StartsWith("s.yaml:5:", errors);
        Assert.Contains("the network has no layer 'fc'; its layers are features.0, ", errors);
        (code, _, errors) = await SubmitAsync("  - train: { epochs: 0 }\n  - cluster: { clusters: 1 }\n");
        Assert.Equal(2, code);
        Assert.Contains("stages[1].cluster.clusters: is 1, expected a whole number at least 2 and at most 256", errors);
    }

    [Fact]
    public async Task Goes_on_where_it_was_when_it_is_paused_or_killed_and_says_what_its_fault_is()
    {
        await StartAsync();
        await File.WriteAllTextAsync(Path.Combine(_folder, "hold"), "");
        var first = await StartAsync("slow", "slow.py", Slow);
        var (code, output, errors) = await SubmitAsync("  - train: { epochs: 0 }\n  - slow: { steps: 6 }\n");
        Assert.True(code == 0, errors);
        using var http = new HttpClient { BaseAddress = new Uri(Url) };
        await Eventually.True(() => Counted(http) >= 3, "it counts", seconds: 60);

        // Paused: it stops, and keeps its count.
        (await http.PostAsync("/sweeps/s/pause", null)).EnsureSuccessStatusCode();
        await Eventually.True(() => StateOf(http) == "paused", "it stops", seconds: 60);
        (await http.PostAsync("/sweeps/s/resume", null)).EnsureSuccessStatusCode();
        await Eventually.True(() => StateOf(http) == "running", "it goes on", seconds: 60);

        // Killed: another one gets the message.
        first.Kill();
        await first.WaitForExitAsync();
        File.Delete(Path.Combine(_folder, "hold"));
        await StartAsync("slow", "slow.py", Slow);
        await Eventually.True(() => StateOf(http) == "completed", "it ends", seconds: 60);
        Assert.Equal(3, JsonElement.Parse(await http.GetStringAsync("/sweeps/s/executions?stage=slow")).GetProperty("executions")[0].GetProperty("metrics").GetProperty("began").GetDouble());

        await File.WriteAllTextAsync(Path.Combine(_folder, "fail"), "");
        (code, output, errors) = await SubmitAsync("  - train: { epochs: 0 }\n  - slow: { steps: 7 }\n", "--wait");
        Assert.Equal(1, code);
        Assert.Contains("a fault in stage slow: RuntimeError: a bug (slow.py:", output + errors);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var python in _pythons)
        {
            if (!python.HasExited) python.Kill();
            await python.WaitForExitAsync();
            python.Dispose();
        }

        foreach (var worker in _workers)
        {
            await worker.StopAsync();
            worker.Dispose();
        }

        if (_coordinator is not null)
        {
            await _coordinator.StopAsync();
            await _coordinator.DisposeAsync();
        }

        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        Directory.Delete(_folder, recursive: true);
    }

    private static void SkipWithoutPython() => Assert.SkipUnless(
        Directory.Exists("/usr/lib/python3/dist-packages/pika") && Directory.Exists("/usr/lib/python3/dist-packages/numpy"),
        $"{Python} with pika and numpy is missing; ./test installs them where it may");

    private static JsonElement Slowly(HttpClient http) =>
        JsonElement.Parse(http.GetStringAsync("/sweeps/s/executions?stage=slow").GetAwaiter().GetResult()).GetProperty("executions")[0];

    private static string StateOf(HttpClient http) => Slowly(http).GetProperty("state").GetString()!;

    private static double Counted(HttpClient http) =>
        Slowly(http).TryGetProperty("progress", out var progress) && progress.ValueKind == JsonValueKind.Object && progress.GetProperty("epoch").ValueKind == JsonValueKind.Number
            ? progress.GetProperty("epoch").GetDouble()
            : 0;

    private HostingSettings Settings() =>
        HostingSettings.In(_folder) with { Broker = BrokerAddress.Parse(broker.Address), SlotFolder = Path.Combine(_folder, "slots"), Threads = 1 };

    /// <summary>A coordinator and workers that train and evaluate.</summary>
    private async Task StartAsync()
    {
        SkipWithoutPython();
        BarImages.Write(Path.Combine(_folder, "data", "mnist"), train: 200, test: 100);
        _coordinator = CoordinatorHost.Build(Settings(), DatabaseAddress.In(_folder), "http://127.0.0.1:0", new CoordinatorOptions { StageWait = TimeSpan.FromSeconds(60) });
        await _coordinator.StartAsync();
        _workers.Add(StageHost.Build<TrainStage, TrainParameters>(Settings()));
        _workers.Add(StageHost.Build<EvaluateStage, EvaluateParameters>(Settings()));
        foreach (var worker in _workers) await worker.StartAsync();
    }

    /// <summary>A worker whose user of the broker has the rights of its stage alone.</summary>
    private async Task<Process> StartAsync(string stage, string name, string program)
    {
        if (_users.Add(stage))
        {
            await broker.ControlAsync("add_user", stage, "for-tests-only");
            await broker.ControlAsync(["set_permissions", stage, .. RightsOfAStage.InTheGuide(stage)]);
        }

        File.WriteAllText(Path.Combine(_folder, name), program);
        var start = new ProcessStartInfo(Python, [name]) { WorkingDirectory = _folder, RedirectStandardError = true, RedirectStandardOutput = true };
        Clean(start);
        start.Environment["LATHE_BROKER"] = broker.Address.Replace("guest:guest", $"{stage}:for-tests-only", StringComparison.Ordinal);
        start.Environment["LATHE_HOME"] = _folder;
        start.Environment["PYTHONPATH"] = Path.Combine(Checkout.Root, "sdk", "python");
        start.Environment["PYTHONDONTWRITEBYTECODE"] = "1";
        var process = Process.Start(start)!;
        _pythons.Add(process);
        process.ErrorDataReceived += (_, line) => Keep(line.Data);
        process.OutputDataReceived += (_, line) => Keep(line.Data);
        process.BeginErrorReadLine();
        process.BeginOutputReadLine();
        return process;
    }

    private void Keep(string? line)
    {
        lock (_log) _log.AppendLine(line);
    }

    private async Task<(int Code, string Output, string Errors)> SubmitAsync(string stages, params string[] options)
    {
        await File.WriteAllTextAsync(Path.Combine(_folder, "s.yaml"), $"model: lenet5\ndataset: mnist\nstages:\n{stages}");
        return await RunAsync("dotnet", [typeof(Lathe.Cli.Output.ResultsJson).Assembly.Location, "submit", "s.yaml", "--coordinator", Url, "--home", _folder, .. options], _folder);
    }

    private static async Task<(int Code, string Output, string Errors)> RunAsync(string program, string[] arguments, string folder)
    {
        var start = new ProcessStartInfo(program, arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        Clean(start);
        start.Environment["PYTHONDONTWRITEBYTECODE"] = "1";
        using var process = Process.Start(start)!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(3));
        await process.WaitForExitAsync(limit.Token);
        return (process.ExitCode, await output, await errors);
    }

    private static void Clean(ProcessStartInfo start)
    {
        foreach (var name in start.Environment.Keys.Where(k => k.StartsWith("LATHE_", StringComparison.Ordinal) && k != "LATHE_TEST_RUN").ToList()) start.Environment.Remove(name);
    }
}
