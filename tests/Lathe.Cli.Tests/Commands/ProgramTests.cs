using System.Diagnostics;
using System.Text.Json;

namespace Lathe.Cli.Tests.Commands;

/// <summary>The real program, started as a user would.</summary>
public sealed class ProgramTests : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);
    private readonly string _folder = Directory.CreateTempSubdirectory("lathe-test-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Help_says_what_each_command_is_for_and_gives_examples()
    {
        var (code, output, _) = await RunAsync("--help");
        Assert.Equal(0, code);
        foreach (var command in (string[])["run", "plan", "submit", "gc", "status", "results", "models", "inspect", "evaluate", "export", "report", "coordinator", "worker", "doctor"]) Assert.Contains($"  {command} ", output);
        Assert.Contains("lathe run examples/sweeps/fashion-lenet5.yaml", output);
        Assert.Contains("--set seed=[1,2,3]", (await RunAsync("run", "--help")).Output);
    }

    public static TheoryData<string[], string> BadInput => new()
    {
        { ["frobnicate"], "lathe: frobnicate: no such command or argument" },
        { ["runn", "good.yaml"], "lathe: runn: no such command or argument (did you mean 'run'?)" },
        { ["run", "good.yaml", "--sett", "seed=2"], "lathe: --sett: no such option (did you mean '--set'?)" },
        { ["run", "good.yaml", "--json", ""], "lathe: --json needs the name of a file" },
        { ["run", "good.yaml", "--json", "/dev/full"], "lathe: --json /dev/full: is a device, a pipe or a socket, expected a file" },
        { [], "lathe: a command is missing; expected one of run, plan, submit, status, results, logs, pause, resume, cancel, retry, priority, pin, unpin, delete, models, inspect, evaluate, export, report, ui, coordinator, worker, keys, gc, dead-letters, conformance, doctor\nlathe: see lathe --help\n" },
        { ["run"], "lathe: SWEEP is missing; expected: Sweep file (YAML)." },
        { ["run", "@good.yaml"], "lathe: @good.yaml: no such file" },
        { ["worker"], "lathe: STAGE is missing; expected: " },
        { ["run", "good.yaml", "--set"], "lathe: --set needs a value" },
        { ["run", "none.yaml"], "lathe: none.yaml: no such file" },
        { ["run", "bad.yaml"], "bad.yaml:7:7: stages[1].prune.multiplications: is -1.5, expected " },
        { ["run", "good.yaml", "--set", "train.epoch=2"], "lathe: --set train.epoch=2: is an unknown key" },
        { ["run", "good.yaml", "--set", "model=lenet6"], "lathe: --set model=lenet6: unknown model 'lenet6' (did you mean 'lenet5'?)" },
        { ["run", "good.yaml", "--set", "model=lenet5@0"], "lathe: --set model=lenet5@0: model 'lenet5@0' has the width '0' after its '@'; expected " },
        { ["run", "good.yaml", "--set", "model=none.onnx"], "lathe: --set model=none.onnx: there is no file none.onnx (looked in " },
        { ["run", "good.yaml", "--set", "model=bad.onnx"], "lathe: --set model=bad.onnx: bad.onnx cannot be imported: it is no sound ONNX file: " },
        { ["models", "resnet20", "lenet6"], "lathe: unknown model 'lenet6' (did you mean 'lenet5'?); known are lenet5, " },
        { ["models", "densenet77-12", "--json"], "lathe: model 'densenet77-12' has the depth 77; expected 6n + 4, " },
        { ["run", "good.yaml", "--set", "model=densenet40-0"], "lathe: --set model=densenet40-0: model 'densenet40-0' has the growth 0; expected " },
        { ["inspect", "net.onnx"], "lathe: net.onnx cannot be imported: the file is empty" },
        { ["inspect", "bad.onnx"], "lathe: bad.onnx cannot be imported: it is no sound ONNX file: " },
        { ["run", "good.yaml", "--set", "dataset=fashion"], "lathe: --set dataset=fashion: unknown data set 'fashion'" },
        { ["run", "good.yaml", "--set", "dataset=mnist"], "lathe: --set dataset=mnist: data set mnist is not here." },
        { ["run", "good.yaml", "--broker", "http://x"], "lathe: " },
        { ["run", "good.yaml", "--broker", "amqp://guest:guest@127.0.0.1:1"], "lathe: " },
        { ["run", "good.yaml", "--data", ".", "--set", "dataset=cifar-10"], "lathe: --set dataset=cifar-10: data set cifar-10 is not here. Looked in " },
        { ["run", "good.yaml", "--data", "none"], "lathe: --data or LATHE_DATA is '" },
        { ["run", "good.yaml", "--set", "device=cuda", "--device", "cpu"], "lathe: --set device=cuda: the sweep asks for cuda, and this run computes on cpu (--device or LATHE_DEVICE)" },
        { ["run", "good.yaml", "--json", "none/results.json"], "lathe: --json none/results.json: there is no folder " },
        { ["run", "good.yaml", "--json", "."], "lathe: --json .: is a folder, expected a file" },
        { ["run", "good.yaml", "--home", "/proc/none"], "lathe: /proc/none" },
        { ["results", "nothing", "--json", "none/results.json"], "lathe: --json none/results.json: there is no folder " },
        { ["submit", "good.yaml", "--json", "results.json"], "lathe: --json needs --wait" },
        { ["submit", "good.yaml", "--coordinator", "http://127.0.0.1:1"], "lathe: the coordinator at http://127.0.0.1:1/ does not answer" },
        { ["submit", "good.yaml", "--coordinator", "nonsense"], "lathe: --coordinator is 'nonsense', expected http://host:port" },
        { ["status", "nothing"], "lathe: no sweep 'nothing'" },
        { ["results", "nothing"], "lathe: no sweep 'nothing'" },
        { ["inspect", "abcdef"], "lathe: " },
        { ["inspect", "none.safetensors"], "lathe: none.safetensors: no such file" },
        { ["inspect", "bad.yaml"], "lathe: " },
        { ["inspect", "."], "lathe: .: is a folder; expected a checkpoint's digest" },
        { ["evaluate", "abcdef"], "lathe: " },
        { ["evaluate", "none.safetensors"], "lathe: none.safetensors: no such file" },
        { ["export", "none.safetensors", "--out", "a.onnx"], "lathe: none.safetensors: no such file" },
        { ["export", "bad.yaml", "--out", "a.onnx"], "lathe: " },
        { ["export", "abcdef"], "lathe: --out FILE is missing; expected: File to write" },
        { ["export", "bad.yaml", "--out", "none/a.onnx"], "lathe: --out none/a.onnx: there is no folder " },
        { ["export", "bad.yaml", "--out", "a.onnx", "--format", "onnx-qd"], "lathe: --format onnx-qd: there is no such format (did you mean 'onnx-qdq'?); expected one of onnx, onnx-qdq, qonnx, tflite, c, safetensors" },
        { ["export", "net.onnx", "--out", "a.onnx"], "lathe: net.onnx is an ONNX file, and only checkpoints are exported" },
        { ["export", "bad.yaml", "--out", "a.bin"], "lathe: --out a.bin: its ending names no format; give it with --format, one of onnx, onnx-qdq, qonnx, tflite, c, safetensors" },
        { ["export", "bad.yaml", "--out", "a.onnx", "--weights", "int8"], "lathe: --weights int8: goes with --format onnx-qdq or --format tflite alone" },
        { ["export", "bad.yaml", "--out", "a.onnx", "--format", "onnx-qdq", "--weights", "int3"], "lathe: --weights int3: with --format onnx-qdq, expected one of int8, int4, int2" },
        { ["export", "bad.yaml", "--out", "a.tflite", "--weights", "int2"], "lathe: --weights int2: with --format tflite, expected one of int8, int4" },
        { ["export", "bad.yaml", "--out", "a.onnx", "--images", "0"], "lathe: --images 0: expected at least 1" },
        { ["export", "bad.yaml", "--out", "a.onnx", "--images", "many"], "lathe: --images many: expected a whole number" },
        { ["run", "good.yaml", "--set", "train.optimizer=adamW", "--set", "train.nesterov=true"], "lathe: --set train.nesterov=true: is True; it must be off where the optimizer is adamW" },
        { ["report", "nothing"], "lathe: no sweep 'nothing'" },
        { ["report", "nothing", "--out", "none/report.html"], "lathe: --out none/report.html: there is no folder " },
        { ["worker", "prnue"], "lathe: there is no stage 'prnue' (did you mean 'prune'?); expected one of train, prune, quantize, evaluate" },
        { ["worker", "prune"], "lathe worker prune: a worker needs a broker" },
        { ["worker", "prune", "--threads", "0"], "lathe: --threads is '0'; expected a whole number from 1 to 1024" },
        { ["worker", "prune", "--health-prot", "0"], "lathe: --health-prot: no such option (did you mean '--health-port'?)" },
        { ["status", "--home"], "lathe: --home needs a value" },
        { ["status", "--home", "a", "--home", "b"], "lathe: --home is given twice" },
        { ["plan", "none.yaml"], "lathe: none.yaml: no such file" },
        { ["plan", "bad.yaml"], "bad.yaml:7:7: stages[1].prune.multiplications: is -1.5, expected " },
        { ["plan", "good.yaml", "--set", "model=lenet6"], "lathe: --set model=lenet6: unknown model 'lenet6' (did you mean 'lenet5'?)" },
        { ["plan", "good.yaml", "--coordinator", "http://127.0.0.1:1"], "lathe: the coordinator at http://127.0.0.1:1/ does not answer" },
        { ["gc"], "lathe: there is no database " },
        { ["gc", "--budget", "much"], "lathe: --budget is 'much'; expected a number of bytes such as 500GiB" },
        { ["gc", "--keep-days", "-1"], "lathe: --keep-days is '-1', expected a whole number, 0 or more" },
        { ["gc", "--keep-last", "many"], "lathe: --keep-last many: expected a whole number" },
        { ["coordinator"], "lathe coordinator: a coordinator needs a broker" },
        { ["priority", "sweep", "high"], "lathe: N is 'high', expected a whole number" },
        { ["pause", "", "--coordinator", "http://127.0.0.1:1"], "lathe: SWEEP is empty; expected: Id, start of an id, or name" },
        { ["status", "sweep", "--after", "-1"], "lathe: --after is -1, expected the number of an execution, 0 or more" },
        { ["worker", "train", "--data", "none", "--broker", "amqp://guest:guest@127.0.0.1:1"], "lathe worker train: --data or LATHE_DATA is '" },
        { ["inspect", "abcdef", "--coordinator", "http://127.0.0.1:1"], "lathe: the coordinator at http://127.0.0.1:1/ does not answer" },
    };

    [Theory]
    [MemberData(nameof(BadInput))]
    public async Task Bad_input_ends_with_code_2_and_one_clear_message(string[] arguments, string message)
    {
        File.WriteAllText(Path.Combine(_folder, "good.yaml"), "model: lenet5\ndataset: fashion-mnist\nseed: 1\nstages:\n  - train: { epochs: 1 }\n");
        File.WriteAllText(Path.Combine(_folder, "net.onnx"), "");
        File.WriteAllText(Path.Combine(_folder, "bad.yaml"),
            "model: lenet5\ndataset: fashion-mnist\nseed: 1\nstages:\n  - train: { epochs: 1 }\n  - prune:\n      multiplications: -1.5\n");

        File.WriteAllText(Path.Combine(_folder, "bad.onnx"), "no network in here");

        var (code, output, errors) = await RunAsync(arguments);

        Assert.Equal(2, code);
        Assert.Equal("", output);
        Assert.StartsWith(message, errors);
        Assert.DoesNotContain("   at ", errors);
        Assert.True(errors.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length <= 2, errors);
    }

    [Fact]
    public async Task What_a_network_cannot_do_is_refused_before_anything_trains()
    {
        Assert.SkipUnless(Directory.Exists("/usr/share/datasets/fashion-mnist"), "dataset-fashion-mnist is not installed");
        File.WriteAllText(Path.Combine(_folder, "s.yaml"),
            "model: lenet5\ndataset: fashion-mnist\nstages:\n  - train\n  - prune: { multiplications: [0.5, 0.0001] }\n  - quantize: { exclude: \"classifier.3, fc\" }\n");

        var (code, _, errors) = await RunAsync("run", "s.yaml");

        Assert.Equal(2, code);
        var lines = errors.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(2, lines.Length);
        Assert.StartsWith("s.yaml:5:37: stages[1].prune.multiplications[1]: ", lines[0]);
        Assert.Contains("cannot be reached", lines[0]);
        Assert.StartsWith("s.yaml:6:17: stages[2].quantize.exclude: the network has no layer 'fc'; its layers are features.0, ", lines[1]);
        Assert.StartsWith("no sweeps yet", (await RunAsync("status")).Output);
    }

    [Fact]
    public async Task A_data_set_that_the_named_folder_lacks_is_taken_from_its_package_and_told()
    {
        const string Package = "/usr/share/datasets/fashion-mnist";
        Assert.SkipUnless(Directory.Exists(Package), "dataset-fashion-mnist is not installed");
        File.WriteAllText(Path.Combine(_folder, "s.yaml"), "model: lenet5\ndataset: fashion-mnist\nstages:\n  - train\n  - prune: { multiplications: 0.0001 }\n");

        var (code, _, errors) = await RunAsync("run", "s.yaml", "--data", ".");

        Assert.Equal(2, code);
        var lines = errors.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(2, lines.Length);
        Assert.Equal($"lathe: data set fashion-mnist is not in {_folder}, which --data or LATHE_DATA names; taken from {Package}.", lines[0]);
        Assert.StartsWith("s.yaml:5:", lines[1]);
    }

    [Fact]
    public async Task A_plan_shows_the_tree_and_makes_no_database_and_no_store()
    {
        File.WriteAllText(Path.Combine(_folder, "s.yaml"), "name: planned\nmodel: lenet5\ndataset: mnist\nstages:\n  - train\n  - prune: { multiplications: [0.5, 0.25] }\n  - evaluate\n");

        var (code, output, errors) = await RunAsync("plan", "s.yaml", "--why");

        Assert.True(code == 0, errors);
        Assert.Contains("lathe: note: data set mnist is not here.", errors);
        Assert.Contains("prune multiplications=0.25", output);
        Assert.Contains("580k–756k", output);
        Assert.Contains("prune: there is no earlier execution\n", output);
        Assert.Contains("5 executions: 0 cached, 5 to run; how long they take is not known", output);
        Assert.False(Path.Exists(Path.Combine(_folder, ".lathe", "lathe.db")) || Path.Exists(Path.Combine(_folder, ".lathe", "checkpoints")));

        var plan = JsonDocument.Parse((await RunAsync("plan", "s.yaml", "--set", "seed=[1,2,3,4,5,6,7,8,9,10]", "--json", "-")).Output).RootElement;
        Assert.Equal((50, 50), (plan.GetProperty("size").GetInt32(), plan.GetProperty("executions").GetArrayLength()));
    }

    [Fact]
    public async Task Models_are_listed_for_people_and_for_programs()
    {
        Assert.Contains("lenet5", (await RunAsync("models")).Output);
        var first = JsonDocument.Parse((await RunAsync("models", "--json")).Output).RootElement[0];
        Assert.Equal("lenet5", first.GetProperty("name").GetString());
        Assert.Equal("fashion-mnist", first.GetProperty("dataset").GetString());
        Assert.Equal(215_546, first.GetProperty("parameters").GetInt64());
        Assert.Equal(3_024_384, first.GetProperty("multiplications").GetInt64());
    }

    [Fact]
    public async Task Models_that_are_named_are_shown_alone_with_their_widths()
    {
        var (code, output, _) = await RunAsync("models", "resnet20@.50", "densenet40-12");
        Assert.Equal(0, code);
        Assert.Contains("resnet20@0.5 ", output);
        Assert.Contains("densenet40-12 ", output);
        Assert.Equal(3, output.TrimEnd().Split('\n').Length);

        var models = JsonDocument.Parse((await RunAsync("models", "densenet40-12", "resnet20", "resnet20@0.5", "--json")).Output).RootElement.EnumerateArray().ToList();
        Assert.Equal(["densenet40-12", "resnet20", "resnet20@0.5"], models.Select(m => m.GetProperty("name").GetString()));
        Assert.Equal([176_122L, 269_722, 68_050], models.Select(m => m.GetProperty("parameters").GetInt64()));
        Assert.InRange(models[2].GetProperty("multiplications").GetDouble() / models[1].GetProperty("multiplications").GetDouble(), 0.25, 0.27);

        Assert.Contains("and densenetL-K for any depth L", (await RunAsync("models")).Output);
        Assert.DoesNotContain("densenet40-12", (await RunAsync("models", "--json")).Output);
    }

    [Fact]
    public async Task An_output_that_takes_nothing_is_no_bug_of_Lathe()
    {
        using var bash = Process.Start(new ProcessStartInfo("bash", ["-c", "dotnet \"$0\" models > /dev/full", typeof(Lathe.Cli.Output.Terminal).Assembly.Location])
        {
            WorkingDirectory = _folder, RedirectStandardError = true,
        })!;
        var errors = await bash.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await bash.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal("lathe: standard output cannot be written: No space left on device\n", errors);
        Assert.Equal(2, bash.ExitCode);
    }

    [Fact]
    public async Task Defaults_are_shown_as_they_are_typed() => Assert.Contains("[default: submit]", (await RunAsync("keys", "create", "--help")).Output);

    [Fact]
    public async Task A_home_without_sweeps_says_so_and_makes_nothing()
    {
        var (code, output, _) = await RunAsync("status");
        Assert.Equal(0, code);
        Assert.Equal("no sweeps yet; start one with: lathe run SWEEP\n", output);
        Assert.Empty(Directory.GetFileSystemEntries(_folder));
    }

    [Fact]
    public async Task The_doctor_looks_at_everything_and_finds_a_broker_that_is_not_there()
    {
        var (code, output, _) = await RunAsync("doctor");
        Assert.True(code == 0, output);
        foreach (var name in (string[])[".NET", "libtorch", "home", "store", "disk", "processors", "broker", "database", "coordinator", "fashion-mnist"]) Assert.Contains(name, output);

        (code, output, _) = await RunAsync("doctor", "--data", "/nonexistent");
        Assert.Equal(1, code);
        Assert.Contains("no such folder", string.Join(' ', output.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);

        (code, output, _) = await RunAsync("doctor", "--broker", "amqp://guest:guest@127.0.0.1:1");
        Assert.Equal(1, code);
        Assert.Contains("problem", output);
    }

    private async Task<(int Code, string Output, string Errors)> RunAsync(params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", [typeof(Lathe.Cli.Output.Terminal).Assembly.Location, .. arguments])
        {
            WorkingDirectory = _folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var name in start.Environment.Keys.Where(k => k.StartsWith("LATHE_", StringComparison.Ordinal) && k != "LATHE_TEST_RUN").ToList()) start.Environment.Remove(name);
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        using var limit = new CancellationTokenSource(Limit);
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        finally
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }

        return (process.ExitCode, await output, await errors);
    }
}
