using System.CommandLine;
using System.Globalization;
using Lathe.Cli.Output;
using Lathe.Cli.Sources;
using Lathe.Contracts;
using Lathe.Reports.Terminals;

namespace Lathe.Cli.Commands;

/// <summary><c>lathe status [SWEEP]</c></summary>
internal static class StatusCommand
{
    /// <summary>An id begins with the time in milliseconds, which identifies a sweep.</summary>
    private const int IdCharacters = 13;

    public static Command Create()
    {
        var sweep = new Argument<string?>("SWEEP") { Description = "Id, start of an id, or name (the latest of it). Without it: a list of sweeps.", Arity = ArgumentArity.ZeroOrOne };
        var command = new DetailedCommand(
            "status",
            "Shows all sweeps, or the executions of one. Reads the database under --home, or asks --coordinator.",
            """
            Examples:
              lathe status
              lathe status fashion-lenet5
            """) { sweep };
        command.SetAction((call, stop) => RunAsync(call, call.GetValue(sweep), stop));
        return command;
    }

    /// <summary>The source that the call's options name. The caller disposes it if it is disposable.</summary>
    public static ISweepReader Reader(ParseResult call) =>
        CommonOptions.CoordinatorAddress(call) is { } address ? new CoordinatorClient(address) : new DatabaseReader(CommonOptions.Settings(call));

    private static async Task<int> RunAsync(ParseResult call, string? reference, CancellationToken stop)
    {
        var reader = Reader(call);
        using var _ = reader as IDisposable;
        var terminal = new Terminal();
        if (reference is null)
        {
            List(terminal, await reader.ListAsync(stop));
            return LatheCommand.Success;
        }

        var sweep = await reader.StatusAsync(reference, stop);
        terminal.Line($"{sweep.Name} {sweep.Id}: {Words.Of(sweep.State)}, submitted {Moment(sweep.SubmittedAt)}");
        terminal.Write(ExecutionTable.Render(sweep, TimeProvider.System.GetUtcNow()));
        TellFailures(terminal.Line, sweep);
        return LatheCommand.Success;
    }

    /// <summary>Why executions failed, one line each.</summary>
    public static void TellFailures(Action<string> tell, SweepStatus sweep)
    {
        foreach (var failed in sweep.Executions.Where(e => e.State == ExecutionState.Failed))
            tell($"{ProgressLines.Name(failed, sweep.Executions)} failed: {failed.Error}");
    }

    private static void List(Terminal terminal, IReadOnlyList<SweepSummary> sweeps)
    {
        if (sweeps.Count == 0)
        {
            terminal.Line("no sweeps yet; start one with: lathe run SWEEP");
            return;
        }

        var table = new TextTable("id", "name", "state", "finished", "submitted");
        foreach (var sweep in sweeps)
            table.Add(sweep.Id.ToString()[..IdCharacters], sweep.Name, Words.Of(sweep.State), $"{sweep.Finished}/{sweep.Executions}", Moment(sweep.SubmittedAt));
        terminal.Write(table.Content);
    }

    private static string Moment(DateTimeOffset moment) => moment.ToLocalTime().ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture);
}
