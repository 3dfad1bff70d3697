using System.CommandLine;
using Lathe.Cli.Output;
using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Hosting;
using Lathe.Reports.Terminals;

namespace Lathe.Cli.Commands;

/// <summary><c>lathe results SWEEP</c></summary>
internal static class ResultsCommand
{
    /// <summary>Shared with the commands that end with results.</summary>
    public static Option<string?> Json() => new("--json")
    {
        Description = "Also write the results as a JSON array to this file; - is standard output.",
        HelpName = "FILE",
    };

    public static Command Create()
    {
        var sweep = new Argument<string>("SWEEP") { Description = "Id, start of an id, or name (the latest of it)." };
        var json = Json();
        var command = new DetailedCommand(
            "results",
            "Shows the results of a sweep, one row for each leaf of its tree.",
            """
            Below each way stands the start of its checkpoint's digest, by which evaluate, export and inspect find it.

            Examples:
              lathe results fashion-lenet5
              lathe results fashion-lenet5 --json - | jq '.[].top1'
            """) { sweep, json };
        command.SetAction(async (call, stop) =>
        {
            ResultsJson.Check(call.GetValue(json));
            var reader = StatusCommand.Reader(call);
            using var _ = reader as IDisposable;
            var results = await reader.ResultsAsync(call.GetValue(sweep)!, stop);
            if (call.GetValue(json) is not null) results = StoredDetails.AddTo(results, new ResultStore(CommonOptions.Settings(call)));
            Show(new Terminal(call.GetValue(json) == "-"), results, call.GetValue(json), showCheckpoints: true);
            return LatheCommand.Success;
        });
        return command;
    }

    /// <summary>Prints the table, and writes the JSON file if it was requested.</summary>
    public static void Show(Terminal terminal, SweepResults results, string? json, bool showCheckpoints = false)
    {
        terminal.Write(ResultText.Of(ShownResults.Of(results), terminal.Width, showCheckpoints));
        if (json is not null) ResultsJson.Write(results.Leaves, json);
    }
}
