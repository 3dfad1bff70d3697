using System.CommandLine;
using System.Text.Json;
using Lathe.Cli.Data;
using Lathe.Cli.Embedded;
using Lathe.Cli.Output;
using Lathe.Cli.Sources;
using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Hosting;

namespace Lathe.Cli.Commands;

/// <summary><c>lathe plan SWEEP</c></summary>
internal static class PlanCommand
{
    public static Command Create()
    {
        var sweep = SubmitCommand.SweepArgument();
        var set = SubmitCommand.Set();
        var fresh = new Option<bool>("--fresh") { Description = "As if everything were to run again." };
        var why = new Option<bool>("--why") { Description = "Say of what is not cached which earlier execution is nearest, and what differs." };
        var all = new Option<bool>("--all") { Description = $"List every execution; without it, of more than {SweepOverview.Many} only the first." };
        var json = new Option<string?>("--json") { Description = "Also write everything as JSON to this file; - is standard output.", HelpName = "FILE" };
        var command = new DetailedCommand(
            "plan",
            "Shows what a sweep would do: its executions, what is cached, sizes, time. Nothing runs.",
            """
            What follows an execution that is not cached runs too: its key is not known before its input is computed. Sizes are predicted by the stages, as a range
            where they depend on what is computed. The time is that of one worker, from the mean of earlier executions of the same version of the stage, of the same
            model and data set where there were some. With --broker the workers on it are asked, as 'lathe run' does. A network or weights that the sweep names by a path are taken into the store, as 'lathe run' does.
            Exit code: 0 if the sweep could run, 2 if not.

            Examples:
              lathe plan examples/sweeps/fashion-lenet5.yaml
              lathe plan sweep.yaml --set quantize.bits=[2,3,4] --why
              lathe plan sweep.yaml --json - | jq .seconds
            """) { sweep, set, fresh, why, all, json };
        command.SetAction((call, stop) => RunAsync(
            call, call.GetValue(sweep)!, call.GetValue(set) ?? [], call.GetValue(fresh), call.GetValue(why), call.GetValue(all), call.GetValue(json), stop));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult call, string file, string[] sets, bool fresh, bool why, bool all, string? json, CancellationToken stop)
    {
        ResultsJson.Check(json);
        var settings = CommonOptions.Settings(call);
        var terminal = new Terminal(json == "-");
        using var http = new HttpClient();
        var store = new CheckpointStore(settings);
        var document = await TakenIn.ReadAsync(file, sets, isBuiltIn: CommonOptions.CoordinatorAddress(call) is null && settings.Broker is null, store, http, terminal.Say, stop);
        var submission = new SweepSubmission(document.Spec, fresh);
        var limit = all || json is not null ? SweepPlanner.MaxExecutions : SweepOverview.Many;
        var forecast = await ForecastAsync(call, settings, store, submission, limit, why, stop);
        foreach (var note in forecast.Notes) terminal.Say($"note: {note}");
        if (forecast.Problems.Count > 0) throw document.Sources.Fault(forecast.Problems);
        foreach (var line in ForecastText.Space(forecast)) terminal.Line(line);
        foreach (var content in ForecastText.Of(forecast, all ? int.MaxValue : SweepOverview.Many)) terminal.Write(content);
        foreach (var line in ForecastText.Rest(forecast, why, all ? int.MaxValue : SweepOverview.Many)) terminal.Line(line);
        terminal.Line(ForecastText.Summary(forecast));
        if (json is not null) Write(forecast, json);
        return LatheCommand.Success;
    }

    private static async Task<SweepForecast> ForecastAsync(ParseResult call, HostingSettings settings, CheckpointStore store, SweepSubmission submission, int limit, bool why, CancellationToken stop)
    {
        if (CommonOptions.CoordinatorAddress(call) is not { } address) return await LocalForecast.OfAsync(settings, submission, limit, why, stop);
        using var client = new CoordinatorClient(address);
        // Its stages look at the networks.
        foreach (var checkpoint in NamedCheckpoints.Of(submission.Spec)) await client.UploadAsync(store.PathOf(store.Find(checkpoint)), stop);
        return await client.ForecastAsync(submission, limit, why, stop);
    }

    private static void Write(SweepForecast forecast, string file)
    {
        var text = JsonSerializer.Serialize(forecast, LatheJson.Indented) + "\n";
        if (file == "-") Console.Out.Write(text);
        else OutputFile.Write("--json", file, text);
    }
}
