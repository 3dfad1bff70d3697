using System.CommandLine;
using Lathe.Cli.Data;
using Lathe.Cli.Output;
using Lathe.Cli.Sources;
using Lathe.Cli.Sweeps;
using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Hosting;

namespace Lathe.Cli.Commands;

/// <summary><c>lathe submit SWEEP</c></summary>
internal static class SubmitCommand
{
    public static Command Create()
    {
        var sweep = SweepArgument();
        var set = Set();
        var fresh = Fresh();
        var wait = new Option<bool>("--wait") { Description = "Show progress until the sweep is finished, then its results. The exit code is the same as for run." };
        var json = ResultsCommand.Json();
        var command = new DetailedCommand(
            "submit",
            "Submits a sweep to a running coordinator and prints its id.",
            """
            Without --coordinator it asks the one on this machine, http://127.0.0.1:5080.

            Example:
              lathe submit sweep.yaml --coordinator http://localhost:5080 --wait
            """) { sweep, set, fresh, wait, json };
        command.SetAction((call, stop) =>
            RunAsync(call, call.GetValue(sweep)!, call.GetValue(set) ?? [], call.GetValue(fresh), call.GetValue(wait), call.GetValue(json), stop));
        return command;
    }

    public static Argument<string> SweepArgument() => new("SWEEP") { Description = "Sweep file (YAML)." };

    public static Option<string[]> Set() => new("--set")
    {
        Description = "Set a parameter in every stage of a name, or seed=, model=, dataset=, threads=, device=, name=. A list is an axis: prune.multiplications=[0.5,0.25]",
        HelpName = "STAGE.PARAMETER=VALUE",
    };

    public static Option<bool> Fresh() => new("--fresh") { Description = "Run everything again, without reusing results." };

    private static async Task<int> RunAsync(
        ParseResult call, string file, string[] sets, bool fresh, bool wait, string? json, CancellationToken stop)
    {
        if (json is not null && !wait) throw new LatheException("--json needs --wait: there are no results before the sweep is over");
        ResultsJson.Check(json);
        var settings = CommonOptions.Settings(call);
        var terminal = new Terminal(json == "-");
        var store = new CheckpointStore(settings);
        using var http = new HttpClient();
        var document = await TakenIn.ReadAsync(file, sets, store, http, terminal.Say, stop);
        using var client = new CoordinatorClient(CommonOptions.CoordinatorAddress(call) ?? CommonOptions.DefaultCoordinator);
        var sweep = Taken(await client.SubmitAsync(new SweepSubmission(document.Spec, fresh), stop), document, terminal);
        if (!wait)
        {
            Console.Out.WriteLine(sweep);
            return LatheCommand.Success;
        }

        terminal.Say($"sweep {sweep}");
        var status = await new SweepWatch(terminal, s => client.StatusAsync(sweep.ToString(), s), TimeProvider.System).FollowAsync(stop);
        return await FinishAsync(terminal, client, status, json, stop);
    }

    /// <summary>The sweep that a coordinator accepted. Prints what could not be checked.</summary>
    /// <exception cref="LatheException">It refused the sweep: everything that is wrong, one line each with its place.</exception>
    public static Guid Taken(SubmissionOutcome outcome, SweepDocument document, Terminal terminal)
    {
        foreach (var note in outcome.Notes) terminal.Say($"note: {note}");
        return outcome.Id ?? throw document.Sources.Fault(outcome.Problems);
    }

    /// <summary>Prints results and reasons of failures of a finished sweep, and returns its exit code.</summary>
    public static async Task<int> FinishAsync(Terminal terminal, ISweepReader reader, SweepStatus sweep, string? json, CancellationToken stop)
    {
        terminal.Line("");
        await ResultsCommand.ShowAsync(terminal, reader, sweep.Id.ToString(), isAll: false, json, null, stop);
        StatusCommand.TellFailures(terminal.Say, sweep);
        return sweep.State == SweepState.Succeeded ? LatheCommand.Success : LatheCommand.Failure;
    }
}
