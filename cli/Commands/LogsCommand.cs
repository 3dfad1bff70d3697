using System.CommandLine;
using System.Globalization;
using Lathe.Cli.Output;
using Lathe.Cli.Sources;
using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Hosting;

namespace Lathe.Cli.Commands;

/// <summary><c>lathe logs EXECUTION</c></summary>
internal static class LogsCommand
{
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(1);

    public static Command Create()
    {
        var execution = new Argument<string>("EXECUTION") { Description = "SWEEP:INDEX as 'lathe status SWEEP --all' shows the index, an execution's id, or its key." };
        var follow = new Option<bool>("--follow", "-f") { Description = "Go on with new lines until the execution ends." };
        var tail = new Option<int?>("--tail") { Description = "Begin with the last so many lines.", HelpName = "LINES" };
        var command = new DetailedCommand(
            "logs",
            "Shows what an execution's worker wrote about it. Reads the store, or asks --coordinator.",
            $"""
            A worker writes an execution's log into the store every few seconds while it computes, and at its end. The store keeps the last {ExecutionLogs.MostLines:#,0}
            lines of all attempts, each up to {ExecutionLogs.MostCharacters:#,0} characters. Of an execution that was cached it has the log of the computation.

            Examples:
              lathe logs fashion-lenet5:3
              lathe logs fashion-lenet5:3 --follow --tail 20
            """) { execution, follow, tail };
        command.SetAction((call, stop) => RunAsync(call, call.GetValue(execution)!, call.GetValue(follow), call.GetValue(tail), stop));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult call, string execution, bool follow, int? tail, CancellationToken stop)
    {
        if (tail is < 0) throw new LatheException($"--tail {tail}: expected 0 or more");
        var terminal = new Terminal();
        using var client = CommonOptions.CoordinatorAddress(call) is { } address ? new CoordinatorClient(address) : null;
        var read = client is not null ? (after => client.LogAsync(execution, after, stop)) : await LocalAsync(CommonOptions.Settings(call), execution, stop);
        var (page, last) = (await read(0), (Attempt: 0, Worker: ""));
        if (page.Lines.Count == 0 && !(follow && page.IsOpen)) terminal.Say(page.IsOpen ? "nothing yet; --follow waits for it" : "the store has no log of it");
        var lines = page.Lines.TakeLast(tail ?? int.MaxValue);
        while (true)
        {
            foreach (var line in lines)
            {
                if (last != (line.Attempt, line.Worker)) terminal.Line($"attempt {line.Attempt} on {line.Worker}");
                last = (line.Attempt, line.Worker);
                terminal.Line(Text(line));
            }

            if (!follow || !page.IsOpen) return LatheCommand.Success;
            await Task.Delay(Look, stop);
            page = await read(page.Next);
            lines = page.Lines;
        }
    }

    private static async Task<Func<long, Task<LogPage>>> LocalAsync(HostingSettings settings, string execution, CancellationToken stop)
    {
        var store = await CoordinatorStore.ForReadingAsync(DatabaseAddress.Load(settings), stop);
        if (!await store.ExistsAsync(stop)) throw new LatheException($"there are no sweeps in {store.Address}; name another home with --home, or a coordinator with --coordinator");
        var (targets, logs) = (new SweepTargets(store, new SweepQueries(store, TimeProvider.System)), new ExecutionLogs(settings));
        return async after =>
        {
            try
            {
                return await LogRoutes.PageAsync(execution, after, ExecutionLogs.MostLines, targets, store, logs, stop);
            }
            catch (ApiFault fault)
            {
                throw new LatheException(fault.Message, inner: fault);
            }
        };
    }

    private static string Text(LogLine line) => string.Create(
        CultureInfo.InvariantCulture, $"{line.At.ToLocalTime():yyyy-MM-dd HH:mm:ss} {(line.Level == "information" ? "" : $"{line.Level}: ")}{line.Text}");
}
