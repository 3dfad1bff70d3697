using System.CommandLine;
using Lathe.Cli.Output;
using Lathe.Cli.Sources;
using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Hosting;
using Lathe.Reports.Terminals;

namespace Lathe.Cli.Commands;

/// <summary><c>lathe results SWEEP</c></summary>
internal static class ResultsCommand
{
    private const int LeastBest = 5;
    private const int MostBest = 15;
    private const int WideTerminal = 120;

    /// <summary>Shared with the commands that end with results.</summary>
    public static Option<string?> Json() => new("--json")
    {
        Description = "Also write the results as a JSON array to this file; - is standard output.",
        HelpName = "FILE",
    };

    public static Command Create()
    {
        var sweep = StatusCommand.SweepReference();
        var json = Json();
        var all = new Option<bool>("--all") { Description = $"All results; without it, of more than {SweepOverview.Many} only the best." };
        var command = new DetailedCommand(
            "results",
            "Shows the results of a sweep, one row for each leaf of its tree; of many only those that no other beats.",
            """
            Below each way stands the start of its checkpoint's digest, by which evaluate, export and inspect find it (with the same --coordinator). The best results are those on a Pareto
            front of what is wanted (top-1) against what it costs (parameters, multiplications, bytes ...). --json has all of them in any case.

            Examples:
              lathe results fashion-lenet5
              lathe results fashion-lenet5 --json - | jq '.[].top1'
            """) { sweep, all, json };
        command.SetAction(async (call, stop) =>
        {
            ResultsJson.Check(call.GetValue(json));
            var reader = StatusCommand.Reader(call);
            using var _ = reader as IDisposable;
            await ShowAsync(new Terminal(call.GetValue(json) == "-"), reader, call.GetValue(sweep)!, call.GetValue(all), call.GetValue(json), new ResultStore(CommonOptions.Settings(call)), stop);
            return LatheCommand.Success;
        });
        return command;
    }

    /// <summary>Prints the table, and writes the JSON file if it was requested.</summary>
    /// <param name="terminal">Where to print.</param>
    /// <param name="reader">Where the results are.</param>
    /// <param name="reference">The sweep.</param>
    /// <param name="isAll">True: all of them, however many.</param>
    /// <param name="json">Name of the file; null: none.</param>
    /// <param name="details">Has what the stages kept beside their figures, for the file; null: it is left out, and the table names no checkpoints.</param>
    /// <param name="stop">Gives up.</param>
    public static async Task ShowAsync(Terminal terminal, ISweepReader reader, string reference, bool isAll, string? json, ResultStore? details, CancellationToken stop)
    {
        var best = isAll ? null : await reader.BestAsync(reference, Math.Clamp((terminal.Height - 3) / (terminal.Width >= WideTerminal ? 2 : 4), LeastBest, MostBest), stop);
        var isFew = best is null || best.All <= SweepOverview.Many;
        var all = isFew || json is not null ? await reader.ResultsAsync(reference, stop) : null;
        terminal.Write(ResultText.Of(ShownResults.Of(isFew ? all! : best!.Results), terminal.Width, showCheckpoints: details is not null));
        if (!isFew) terminal.Line(Rest(best!, reference));
        if (json is not null) ResultsJson.Write((details is null ? all! : StoredDetails.AddTo(all!, details)).Leaves, json);
    }

    private static string Rest(BestResults best, string reference)
    {
        var shown = best.Results.Leaves.Count;
        var more = best.Fronts > shown ? $" of the best {Figures.Count(best.Fronts)}," : " best";
        return best.Done == 0
            ? $"no results yet, {Figures.Count(best.All)} to come; how it goes: lathe status {reference}"
            : $"{Figures.Count(shown)}{more} of {Figures.Count(best.Done)} results{(best.Done < best.All ? $", {Figures.Count(best.All - best.Done)} are not there" : "")}; all of them: lathe results {reference} --all";
    }
}
