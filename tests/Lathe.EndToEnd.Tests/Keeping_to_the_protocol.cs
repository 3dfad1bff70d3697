using System.Diagnostics;
using System.Text.Json;
using Lathe.Conformance;
using Lathe.Contracts;
using Lathe.EndToEnd.Tests.Otlp;
using Lathe.Hosting;
using Lathe.Testing;

namespace Lathe.EndToEnd.Tests;

/// <summary>The conformance kit asks the stages that come with Lathe, each a process of its own.</summary>
public sealed class Keeping_to_the_protocol(RabbitMqBroker broker) : IClassFixture<RabbitMqBroker>
{
    private const string Python = "/usr/bin/python3";

    [Fact]
    public async Task Is_what_the_stages_of_Lathe_and_the_examples_in_CSharp_do()
    {
        using var scene = new ProtocolScene(broker);
        var reports = await Task.WhenAll(
            AskAsync(scene, "train", """{ "epochs": 1 }""", """{ "epochs": 16 }"""),
            AskAsync(scene, "prune", """{ "multiplications": 0.5, "epochs": 1 }""", """{ "epochs": 12 }"""),
            AskAsync(scene, "quantize", """{ "epochs": 1 }""", """{ "epochs": 24 }"""),
            AskAsync(scene, "evaluate", "{}", """{ "batchSize": 1 }"""),
            AskAsync(scene, "distill", """{ "epochs": 1 }""", """{ "epochs": 12 }"""),
            AskAsync(scene, "lowrank", """{ "parameters": 0.97 }""", "{}"));
        var lines = reports.SelectMany(r => r).ToList();
        foreach (var line in lines) TestContext.Current.TestOutputHelper?.WriteLine(line);
        var failed = lines.Where(line => !line.Contains(": Passed", StringComparison.Ordinal)).ToList();
        Assert.True(failed.Count == 0, string.Join('\n', failed));
    }

    [Fact]
    public async Task Is_asked_of_a_stage_in_Python_with_the_command_line()
    {
        SkipWithoutPython();
        using var scene = new ProtocolScene(broker);
        var (pid, log) = (Path.Combine(scene.Root, "pid"), Path.Combine(scene.Root, "log"));
        var start = $"{Python} {Path.Combine(Checkout.Root, "examples/stages/clusterer/clusterer.py")} >>{log} 2>&1 & echo $! >{pid}";
        Shell(scene, start);
        try
        {
            var json = Path.Combine(scene.Root, "checks.json");
            var (code, output) = await LatheProcess.RunAsync(
                "lathe", ["conformance", broker.Address, "cluster", "--restart", $"kill -9 $(cat {pid}); {start}", "--json", json], scene.Environment, Scene.Limit);
            Assert.True(code == 0, output + await File.ReadAllTextAsync(log));
            var checks = JsonSerializer.Deserialize<List<CheckResult>>(await File.ReadAllTextAsync(json), LatheJson.Options)!;
            Assert.Equal(StageConformance.Checks, checks.Select(c => c.Name));
            Assert.Contains($"{checks.Count} of {checks.Count} checks passed", output);

            (code, output) = await LatheProcess.RunAsync("lathe", ["conformance", broker.Address, "cluster", "--parameters", """{ "clusters": 1 }""", "--skip", "malformed,killed"], scene.Environment, Scene.Limit);
            Assert.Equal(1, code);
            Assert.Contains("not asked", output);
            Assert.Contains("/clusters is 1, expected a whole number at least 2 and at most 256", output);
        }
        finally
        {
            Shell(scene, $"kill -9 $(cat {pid})");
        }
    }

    [Fact]
    public async Task Is_told_in_one_line_where_nothing_can_be_asked()
    {
        using var scene = new ProtocolScene(broker);
        foreach (var (address, words) in ((string, string)[])
        [
            ("amqp://127.0.0.1:1", "lathe: no broker answers at amqp://guest@127.0.0.1:1/: start one, or name another"),
            (broker.Address, "lathe: no worker of stage nobody announced itself within 10 s; "),
        ])
        {
            var (code, output) = await LatheProcess.RunAsync("lathe", ["conformance", address, "nobody"], scene.Environment, Scene.Limit);
            Assert.Equal(2, code);
            Assert.StartsWith(words, Assert.Single(output.TrimEnd().Split('\n')), StringComparison.Ordinal);
        }
    }

    /// <summary>A check that cannot fail says nothing: each one is failed by a stage that breaks its rule.</summary>
    [Theory]
    [InlineData("liar", "announces,refuses,fails,executes,checkpoint,result,trace,repeats,malformed,cancels,paces,speaks")]
    [InlineData("hermit", "queues,answers,busy,resumes,killed")]
    public async Task Is_denied_of_stages_that_do_not(string stage, string broken)
    {
        SkipWithoutPython();
        using var scene = new ProtocolScene(broker);
        var worker = Start();
        try
        {
            await worker.WaitForLineAsync(line => line.Contains("takes work", StringComparison.Ordinal), Scene.Limit);
            await using var kit = await StageConformance.OpenAsync(new ConformanceOptions(stage, scene.Settings)
            {
                Long = JsonElement.Parse("""{ "seconds": 4 }"""),
                Limit = TimeSpan.FromSeconds(5),
                Restart = async _ =>
                {
                    worker.Kill();
                    await worker.DisposeAsync();
                    worker = Start();
                },
            });
            foreach (var check in broken.Split(','))
            {
                var result = await kit.CheckAsync(check);
                TestContext.Current.TestOutputHelper?.WriteLine($"{check}: {result.Verdict} {result.Detail}");
                Assert.True(result.Verdict == Verdict.Failed, $"{check}: {result.Verdict} {result.Detail}\n{worker.Output}");
            }
        }
        finally
        {
            await worker.DisposeAsync();
        }

        LatheProcess Start() => LatheProcess.Start(Python, ["-B", Path.Combine(Checkout.Root, "tests/Lathe.EndToEnd.Tests/rude/rude.py"), stage], scene.Environment);
    }

    /// <summary>Every check is asked of one of the two.</summary>
    [Fact]
    public void Is_more_than_one_of_them_denies() => Assert.Equal(
        StageConformance.Checks.Order(),
        typeof(Keeping_to_the_protocol).GetMethod(nameof(Is_denied_of_stages_that_do_not))!.GetCustomAttributes(typeof(InlineDataAttribute), false)
            .SelectMany(a => ((string)((InlineDataAttribute)a).Data[1]!).Split(',')).Order());

    [Fact]
    public async Task Lets_the_examples_and_the_stages_of_Lathe_work_in_one_sweep()
    {
        SkipWithoutPython();
        using var scene = new Scene();
        await File.WriteAllTextAsync(scene.SweepFile, """
            name: small
            model: lenet5
            dataset: fashion-mnist
            stages:
              - train: { epochs: 2 }
              - lowrank: { parameters: 0.3 }
              - distill: { epochs: 1 }
              - cluster: { clusters: [2, 16] }
              - evaluate
            """);
        await using var otlp = await OtlpReceiver.StartAsync();
        await using var cluster = await Cluster.StartAsync(scene, broker, otlp.Environment);
        var environment = scene.Environment;
        foreach (var (name, value) in otlp.Environment) environment[name] = value;
        environment["LATHE_BROKER"] = broker.Address;
        environment["PYTHONPATH"] = Path.Combine(Checkout.Root, "sdk", "python");
        await using var lowrank = LatheProcess.Start(ExampleStages.ProgramOf("lowrank"), [], environment);
        await using var distiller = LatheProcess.Start(ExampleStages.ProgramOf("distill"), [], environment);
        await using var clusterer = LatheProcess.Start(Python, ["-B", Path.Combine(Checkout.Root, "examples/stages/clusterer/clusterer.py")], environment);
        foreach (var worker in (LatheProcess[])[lowrank, distiller, clusterer]) await worker.WaitForLineAsync(line => line.Contains("takes work", StringComparison.Ordinal), Scene.Limit);

        await using var submit = cluster.Submit(scene);
        Assert.True(await submit.WaitForExitAsync(Scene.Limit) == 0, submit.Output + cluster.Output + lowrank.Output + distiller.Output + clusterer.Output);

        var leaves = await cluster.ResultsAsync("small");
        Assert.Equal(2, leaves.Count);
        foreach (var leaf in leaves) Assert.Equal(["train", "lowrank", "distill", "cluster", "evaluate"], leaf.Stages.Select(stage => stage.Stage));
        // Both come from the same distilled network, and fewer values serve it worse.
        Assert.Equal(leaves[0].Stages[2].Checkpoint, leaves[1].Stages[2].Checkpoint);
        Assert.True(leaves[0].Figure("clusterError") > leaves[1].Figure("clusterError"));
        Assert.InRange(leaves[1].Figure("lowRankError")!.Value, 0.01, 1);
        Assert.InRange(leaves[1].Figure("top1")!.Value, 0.6, 1);
        Assert.InRange(leaves[1].Figure("parametersRatio")!.Value, 0.2, 0.3);
        using var http = new HttpClient { BaseAddress = new Uri(cluster.Url) };
        var results = JsonSerializer.Deserialize<SweepResults>(await http.GetStringAsync("/sweeps/small/results?details=true"), LatheJson.Options)!;
        Assert.Superset(new HashSet<string> { "lowRankError", "clusterError", "top1" }, results.Metrics.Where(m => m.IsColumn).Select(m => m.Name).ToHashSet());
        Assert.Equal(["ranks", "training", "error"], results.Leaves[0].Stages.Skip(1).Take(3).Select(stage => stage.Panels![0].Id));
        await TraceFollowsTheCheckpointsAsync(otlp, leaves);
    }

    /// <summary>One trace in which the span of each stage hangs from that of the stage before it, whatever their languages.</summary>
    private static async Task TraceFollowsTheCheckpointsAsync(OtlpReceiver otlp, IReadOnlyList<LeafResult> leaves)
    {
        var wanted = leaves.SelectMany(leaf => leaf.Stages).Select(stage => stage.Key).ToHashSet();
        await Eventually.True(
            () => wanted.IsSubsetOf(otlp.Spans.Select(s => s.Attributes.GetValueOrDefault("lathe.execution.key"))) && otlp.Spans.Any(s => s.Name == "sweep small"),
            "a span of the sweep and of every execution has arrived");
        var sweep = Assert.Single(otlp.Spans, s => s.Name == "sweep small");
        foreach (var leaf in leaves)
        {
            var parent = sweep;
            foreach (var stage in leaf.Stages)
            {
                var span = Assert.Single(otlp.Spans, s => s.Attributes.GetValueOrDefault("lathe.execution.key") == stage.Key);
                Assert.Equal((sweep.TraceId, parent.SpanId, $"stage {stage.Stage}"), (span.TraceId, span.ParentSpanId, span.Name));
                Assert.Equal(stage.Checkpoint!.Sha256, span.Attributes["lathe.checkpoint.sha256"]);
                parent = span;
            }
        }
    }

    private static void SkipWithoutPython() => Assert.SkipUnless(
        Directory.Exists("/usr/lib/python3/dist-packages/pika") && Directory.Exists("/usr/lib/python3/dist-packages/numpy"),
        $"{Python} with pika and numpy is missing; ./test installs them where it may");

    /// <summary>All checks of one stage, a line each.</summary>
    private static async Task<IReadOnlyList<string>> AskAsync(ProtocolScene scene, string stage, string parameters, string longer)
    {
        var worker = LatheProcess.Start(ExampleStages.ProgramOf(stage), [], scene.Environment);
        try
        {
            var options = new ConformanceOptions(stage, scene.Settings)
            {
                Parameters = JsonElement.Parse(parameters),
                Long = JsonElement.Parse(longer),
                Restart = async _ =>
                {
                    await worker.DisposeAsync();
                    worker = LatheProcess.Start(ExampleStages.ProgramOf(stage), [], scene.Environment);
                },
            };
            await worker.WaitForLineAsync(line => line.Contains("takes work from", StringComparison.Ordinal), Scene.Limit);
            await using var kit = await StageConformance.OpenAsync(options);
            var lines = new List<string>();
            foreach (var check in StageConformance.Checks)
            {
                var began = Stopwatch.GetTimestamp();
                var result = await kit.CheckAsync(check);
                lines.Add($"{stage} {check}: {result.Verdict} {result.Detail} [{Stopwatch.GetElapsedTime(began).TotalSeconds:0.0} s]");
            }

            return lines;
        }
        finally
        {
            await worker.DisposeAsync();
        }
    }

    private static void Shell(ProtocolScene scene, string command)
    {
        var start = new ProcessStartInfo("/bin/sh", ["-c", command]);
        foreach (var (name, value) in scene.Environment) start.Environment[name] = value;
        using var shell = Process.Start(start)!;
        shell.WaitForExit();
    }

    /// <summary>A folder with a small data set, and what workers on the broker need to know.</summary>
    private sealed class ProtocolScene : IDisposable
    {
        private readonly RabbitMqBroker _broker;

        public ProtocolScene(RabbitMqBroker broker)
        {
            _broker = broker;
            SmallFashion.Write(Path.Combine(Root, "data"), train: 1024, test: 10_000);
        }

        public string Root { get; } = Directory.CreateTempSubdirectory("lathe-protocol-").FullName;

        public Dictionary<string, string> Environment => new()
        {
            ["LATHE_HOME"] = Path.Combine(Root, "home"),
            ["LATHE_DATA"] = Path.Combine(Root, "data"),
            ["LATHE_BROKER"] = _broker.Address,
            ["LATHE_THREADS"] = "1",
            ["LATHE_COMPUTE_SLOTS"] = "4",
            ["TMPDIR"] = Root,
            ["PYTHONPATH"] = Path.Combine(Checkout.Root, "sdk", "python"),
            ["PYTHONDONTWRITEBYTECODE"] = "1",
        };

        public HostingSettings Settings =>
            HostingSettings.In(Path.Combine(Root, "home")) with { Data = Path.Combine(Root, "data"), Broker = BrokerAddress.Parse(_broker.Address) };

        public void Dispose() => Directory.Delete(Root, recursive: true);
    }
}
