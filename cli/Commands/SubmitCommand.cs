using System.CommandLine;
using Lathe.Cli.Data;
using Lathe.Cli.Output;
using Lathe.Cli.Sources;
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
        var options = new SubmissionOptions();
        var command = new DetailedCommand(
            "submit",
            "Submits a sweep to a running coordinator and prints its id.",
            """
            Without --coordinator it asks the one on this machine, http://127.0.0.1:5080. Networks and weights that the sweep names are uploaded. If the answer
            gets lost, it asks again, and the sweep is submitted once. The sweep goes on when --wait is interrupted.

            Examples:
              lathe submit sweep.yaml --coordinator http://localhost:5080 --wait
              lathe submit sweep.yaml --priority 5 --parallel-of train=2 --max-failures 10
            """) { sweep, set, fresh, wait, json };
        options.AddTo(command);
        command.SetAction((call, stop) =>
            RunAsync(
                call, call.GetValue(sweep)!, call.GetValue(set) ?? [], document => options.Submission(call, document, call.GetValue(fresh), Guid.NewGuid().ToString("N")),
                call.GetValue(wait), call.GetValue(json), stop));
        return command;
    }

    public static Argument<string> SweepArgument() => new("SWEEP") { Description = "Sweep file (YAML)." };

    public static Option<string[]> Set() => new("--set")
    {
        Description = "Set a parameter in every stage of a name, or seed=, model=, dataset=, threads=, device=, name=, priority=, share=, weight=, search.KEY=. A list is an axis: prune.multiplications=[0.5,0.25]",
        HelpName = "STAGE.PARAMETER=VALUE",
    };

    public static Option<bool> Fresh() => new("--fresh") { Description = "Run everything again, without reusing results." };

    private static async Task<int> RunAsync(
        ParseResult call, string file, string[] sets, Func<SweepDocument, SweepSubmission> submission, bool wait, string? json, CancellationToken stop)
    {
        if (json is not null && !wait) throw new LatheException("--json needs --wait: there are no results before the sweep is over");
        ResultsJson.Check(json);
        var settings = CommonOptions.Settings(call);
        var terminal = new Terminal(json == "-");
        var store = new CheckpointStore(settings);
        using var http = new HttpClient();
        var document = await TakenIn.ReadAsync(file, sets, isBuiltIn: false, store, http, terminal.Say, stop);
        var submitted = submission(document);
        using var client = new CoordinatorClient(CommonOptions.CoordinatorAddress(call) ?? CommonOptions.DefaultCoordinator);
        foreach (var checkpoint in NamedCheckpoints.Of(document.Spec)) await client.UploadAsync(store.PathOf(store.Find(checkpoint)), stop);
        var sweep = Taken(await SureSubmission.SendAsync(client.SubmitAsync, submitted, terminal.Say, TimeProvider.System, stop), document, terminal);
        if (!wait)
        {
            Console.Out.WriteLine(sweep);
            return LatheCommand.Success;
        }

        terminal.Say($"sweep {sweep}");
        var place = call.GetValue(CommonOptions.Coordinator) is { } named ? $" --coordinator {named}" : CommonOptions.CoordinatorAddress(call) is null ? $" --coordinator {CommonOptions.DefaultCoordinator.ToString().TrimEnd('/')}" : "";
        try
        {
            var status = await new SweepWatch(terminal, s => client.StatusAsync(sweep.ToString(), s), TimeProvider.System).FollowAsync(stop);
            return await PatientReading.ReadAsync(s => FinishAsync(terminal, client, status, json, s), trouble => terminal.Say(trouble ?? "there is an answer again"), TimeProvider.System, stop);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            terminal.Say($"no longer waiting; the sweep goes on. Watch it with: lathe status {sweep}{place}");
            terminal.Say($"cancel it with: lathe cancel {sweep}{place}");
            return Interruption.ExitCode;
        }
        catch (LatheException trouble) when (trouble.Kind == FailureKind.Transient)
        {
            terminal.Say(trouble.Message);
            terminal.Say($"no longer waiting; the sweep goes on as soon as its coordinator does. Watch it with: lathe status {sweep}{place}");
            return LatheCommand.Failure;
        }
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
        if (sweep.State == SweepState.Cancelled) terminal.Say($"the sweep was cancelled; lathe retry {sweep.Name} goes on with it");
        return sweep.State switch
        {
            SweepState.Succeeded => LatheCommand.Success,
            SweepState.Cancelled => LatheCommand.Cancelled,
            _ => LatheCommand.Failure,
        };
    }
}
