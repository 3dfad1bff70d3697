using System.CommandLine;
using System.Text.Json;
using Lathe.Cli.Output;
using Lathe.Cli.Sources;
using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Hosting;
using Lathe.Reports.Terminals;

namespace Lathe.Cli.Commands;

/// <summary><c>lathe gc</c></summary>
internal static class GcCommand
{
    public static Command Create()
    {
        var days = new Option<int?>("--keep-days") { Description = "Delete checkpoints of sweeps that are over for more days than this.", HelpName = "DAYS" };
        var last = new Option<int?>("--keep-last") { Description = "Delete checkpoints of all but the newest sweeps; what --keep-days keeps is kept too.", HelpName = "SWEEPS" };
        var budget = new Option<string?>("--budget") { Description = "Delete until the store takes no more: checkpoints of stages in between first, then those of leaves, old sweeps first. 200GiB", HelpName = "BYTES" };
        var orphans = new Option<bool>("--orphans") { Description = "Delete also what no record of this database names. Only where no other database uses the store." };
        var dry = new Option<bool>("--dry-run") { Description = "Say what would go, and delete nothing." };
        var json = new Option<bool>("--json") { Description = "Print JSON: lines with what, why, goes, count, bytes; before and after in bytes." };
        var command = new DetailedCommand(
            "gc",
            "Deletes what the store need not keep: checkpoints beyond a rule or a budget, states of executions that ended.",
            """
            Results (the figures) are always kept, and checkpoints on the Pareto front of their sweep, of pinned sweeps, of work that has not finished, and networks
            and weights that a sweep starts from. A result whose checkpoint was deleted is computed again when a sweep asks for it.
            Without --keep-days, --keep-last and --budget only training states of executions that ended and files of processes that died go.
            Nothing that was written within the last hour goes. With --coordinator it works on the coordinator's store and needs a key with the scope admin.
            Exit code: 0, or 1 if a budget is not met.

            Examples:
              lathe gc --keep-days 30 --budget 200GiB --dry-run
              lathe gc --keep-last 10
            """) { days, last, budget, orphans, dry, json };
        command.SetAction(async (call, stop) =>
        {
            var rule = new RetentionRule(
                Least(days, call.GetValue(days)), Least(last, call.GetValue(last)), call.GetValue(budget) is { } bytes ? ByteSize.Parse(bytes, budget.Name) : null, call.GetValue(orphans));
            var report = await CollectAsync(call, rule, call.GetValue(dry), stop);
            Show(report, rule, call.GetValue(json));
            return report.MeetsBudget == false ? LatheCommand.Failure : LatheCommand.Success;
        });
        return command;
    }

    private static int? Least(Option option, int? value) => value is < 0 ? throw new LatheException($"{option.Name} is '{value}', expected a whole number, 0 or more") : value;

    private static async Task<CollectionReport> CollectAsync(ParseResult call, RetentionRule rule, bool isDryRun, CancellationToken stop)
    {
        if (CommonOptions.CoordinatorAddress(call) is { } address)
        {
            using var client = new CoordinatorClient(address);
            return await client.CollectAsync(new CollectionOrder(rule.KeepDays, rule.KeepLast, rule.Budget, rule.Orphans, isDryRun), stop);
        }

        var settings = CommonOptions.Settings(call);
        var store = new CoordinatorStore(DatabaseAddress.Load(settings));
        if (!await store.ExistsAsync(stop)) throw new LatheException($"there is no database {store.Address}, which says what of the store is needed; is --home or {DatabaseAddress.Variable} right?");
        return await new StoreCollector(store, Blobs.Of(settings), TimeProvider.System).CollectAsync(rule, isDryRun, stop);
    }

    private static void Show(CollectionReport report, RetentionRule rule, bool json)
    {
        if (json)
        {
            Console.Out.WriteLine(JsonSerializer.Serialize(report, LatheJson.Indented));
            return;
        }

        var terminal = new Terminal();
        if (report.Lines.Count == 0)
        {
            terminal.Line("the store is empty");
            return;
        }

        var table = new TextTable("", "what", new TextColumn("number", IsRight: true), new TextColumn("size", IsRight: true), new TextColumn("why", Wraps: true));
        foreach (var line in report.Lines) table.Add(line.Goes ? report.IsDryRun ? "would go" : "deleted" : "kept", line.What, Figures.Count(line.Count), Figures.Size(line.Bytes), line.Why);
        terminal.Write(table.Content);
        terminal.Line($"{Figures.Size(report.Before)} before, {Figures.Size(report.After)} {(report.IsDryRun ? "it would be" : "now")}");
        if (report.MeetsBudget == false)
            terminal.Say($"the budget of {Figures.Size(rule.Budget!.Value)} is not met. Most of what is left stays for these reasons: {report.Left()}");
    }
}
