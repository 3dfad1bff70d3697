using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using Lathe.Cli.Output;
using Lathe.Conformance;
using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Cli.Commands;

/// <summary><c>lathe conformance BROKER STAGE</c></summary>
internal static class ConformanceCommand
{
    private static readonly Argument<string> Broker = new("BROKER") { Description = "amqp://user:password@host:port/vhost, where a worker of the stage is up." };
    private static readonly Argument<string> Stage = new("STAGE") { Description = "Name of the stage." };
    private static readonly Option<string?> Version = new("--stage-version") { Description = "Version of the stage, where several are up.", HelpName = "VERSION" };
    private static readonly Option<string> Model = new("--model") { Description = "Network of the zoo that enters, untrained.", DefaultValueFactory = _ => "lenet5", HelpName = "NAME" };
    private static readonly Option<string> Dataset = new("--dataset") { Description = "Data set of stages that read data.", DefaultValueFactory = _ => "fashion-mnist", HelpName = "NAME" };
    private static readonly Option<string?> Parameters = new("--parameters") { Description = "Parameters of the runs, on top of the defaults.", HelpName = "JSON" };
    private static readonly Option<string?> Long = new("--long") { Description = "Parameters, on top of those, with which the stage computes for ten seconds at least.", HelpName = "JSON" };
    private static readonly Option<string?> Restart = new("--restart") { Description = "Shell command that kills the worker (SIGKILL) and starts it again.", HelpName = "COMMAND" };
    private static readonly Option<int> Limit = new("--limit") { Description = "Seconds within which the worker answers and stops.", DefaultValueFactory = _ => 30, HelpName = "SECONDS" };
    private static readonly Option<string[]> Skip = new("--skip") { Description = "Checks to leave out.", HelpName = "CHECK", AllowMultipleArgumentsPerToken = true };

    public static Command Create()
    {
        var json = new Option<string?>("--json") { Description = "Also write the checks as a JSON array to this file; - is standard output.", HelpName = "FILE" };
        var command = new DetailedCommand(
            "conformance",
            "Asks a running worker of a stage whether it keeps to the wire protocol. Exit code 0 only if all checks passed.",
            $"""
            The kit speaks with the worker over the broker as a coordinator would. It needs the worker's store (--store) and, for a stage that reads data, its data (--data). It leaves
            some checkpoints and results in the store. No coordinator is needed.

            Checks:
            {string.Join('\n', StageConformance.Checks.Select(name => $"  {name,-11} {StageConformance.ClaimOf(name)}"))}

            Examples:
              lathe conformance amqp://guest:guest@127.0.0.1:5672 cluster --restart 'pkill -9 -f clusterer.py; python3 clusterer.py &'
              lathe conformance amqp://guest:guest@127.0.0.1:5672 prune --parameters '{"{"} "multiplications": 0.5, "epochs": 2 {"}"}' --skip killed
            """)
        {
            Broker, Stage, Version, Model, Dataset, Parameters, Long, Restart, Limit, Skip, json,
        };
        command.SetAction(async (call, stop) => await RunAsync(call, call.GetValue(json), stop));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult call, string? json, CancellationToken stop)
    {
        if (json is not (null or "-")) OutputFile.Check("--json", json);
        var skipped = (call.GetValue(Skip) ?? []).SelectMany(names => names.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)).ToHashSet();
        foreach (var name in skipped) StageConformance.ClaimOf(name);
        var checks = StageConformance.Checks.Where(name => !skipped.Contains(name)).ToList();
        var restart = call.GetValue(Restart);
        if (call.GetValue(Limit) < 1) throw new LatheException($"--limit is {call.GetValue(Limit)}, expected seconds from 1 on");
        var options = new ConformanceOptions(call.GetValue(Stage)!, CommonOptions.Settings(call) with { Broker = BrokerAddress.Parse(call.GetValue(Broker)!, "BROKER") })
        {
            Version = call.GetValue(Version),
            Model = call.GetValue(Model)!,
            Dataset = call.GetValue(Dataset)!,
            Parameters = Object(call.GetValue(Parameters), Parameters.Name),
            Long = Object(call.GetValue(Long), Long.Name),
            Limit = TimeSpan.FromSeconds(call.GetValue(Limit)),
            Restart = restart is null ? null : cancel => ShellAsync(restart, cancel),
        };
        var terminal = new Terminal(json == "-");
        var width = checks.Max(name => name.Length);
        var results = new List<CheckResult>();
        await using var kit = await StageConformance.OpenAsync(options, stop);
        // Without a worker or a broker there is one thing to say, and not one for each check.
        await kit.FindAsync(stop);
        foreach (var name in checks)
        {
            var result = await kit.CheckAsync(name, stop);
            results.Add(result);
            terminal.Line($"{Word(result.Verdict),-9} {name.PadRight(width)}  {result.Claim}{Detail(result, results)}");
        }

        var passed = results.Count(r => r.Verdict == Verdict.Passed);
        terminal.Line($"{passed} of {results.Count} checks passed{(skipped.Count == 0 ? "" : $", {skipped.Count} left out: {string.Join(", ", skipped)}")}");
        if (json is not null)
        {
            var text = JsonSerializer.Serialize(results, LatheJson.Indented) + "\n";
            if (json == "-") Console.Out.Write(text);
            else OutputFile.Write("--json", json, text);
        }

        return passed == results.Count ? LatheCommand.Success : LatheCommand.Failure;
    }

    /// <summary>What is behind the claim; what an earlier check said already is not said again.</summary>
    private static string Detail(CheckResult result, List<CheckResult> all) => (result.Verdict, result.Detail) switch
    {
        (_, "") => "",
        (Verdict.Passed, var remark) => $" ({remark})",
        var (_, why) when all.First(r => r.Detail == why) is var first && first != result => $": as for {first.Name}",
        var (_, why) => $": {why}",
    };

    private static string Word(Verdict verdict) => verdict switch
    {
        Verdict.Passed => "passed",
        Verdict.Failed => "FAILED",
        _ => "not asked",
    };

    private static JsonElement? Object(string? text, string option)
    {
        if (text is null) return null;
        try
        {
            var json = JsonElement.Parse(text);
            if (json.ValueKind == JsonValueKind.Object) return json;
        }
        catch (JsonException)
        {
            // As for JSON that is no object.
        }

        throw new LatheException($"{option} is no JSON object; expected parameters as {{ \"epochs\": 2 }}");
    }

    private static async Task ShellAsync(string command, CancellationToken stop)
    {
        using var shell = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", command])) ?? throw new LatheException("--restart: there is no /bin/sh");
        await shell.WaitForExitAsync(stop);
    }
}
