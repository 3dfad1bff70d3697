using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Lathe.Cli.Output;
using Lathe.Cli.Sources;
using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Cli.Commands;

/// <summary><c>lathe status [SWEEP]</c></summary>
internal static class StatusCommand
{
    private const int UsualSweeps = 20;
    private const int UsualExecutions = 30;
    private const int AtATime = 1000;

    private static readonly Option<bool> All = new("--all") { Description = "All executions, or all sweeps." };

    private static readonly Option<bool> Failed = new("--failed") { Description = "Only executions that failed, each with its reason." };

    private static readonly Option<string?> State = new("--state") { Description = $"Only executions in this state: {string.Join(", ", Enum.GetValues<ExecutionState>().Select(Words.Of))}.", HelpName = "STATE" };

    private static readonly Option<string?> Stage = new("--stage") { Description = "Only executions of this stage.", HelpName = "NAME" };

    private static readonly Option<int?> Limit = new("--limit") { Description = $"The most executions of a page [{UsualExecutions}], or sweeps of the list [{UsualSweeps}].", HelpName = "N" };

    private static readonly Option<int?> After = new("--after") { Description = "The page after this execution; the page before names its number.", HelpName = "INDEX" };

    private static readonly Option<bool> Json = new("--json") { Description = "Print JSON, as the coordinator's HTTP interface has it: an array of sweeps, a sweep, or a page of its executions." };

    public static Command Create()
    {
        var sweep = SweepReference("Id, start of an id, or name (the latest of it). Without it: the latest sweeps.", isOptional: true);
        var command = new DetailedCommand(
            "status",
            "Shows the latest sweeps, or how one of them stands. Reads the database under --home, or asks --coordinator.",
            $"""
            Up to {SweepOverview.Many} executions are shown as a tree. Of more, it shows how many of each stage are in which state, what runs, and why some failed;
            the options below list executions, a page at a time.

            Examples:
              lathe status
              lathe status fashion-lenet5
              lathe status fashion-lenet5 --failed
              lathe status fashion-lenet5 --stage prune --state running --limit 100
              lathe status fashion-lenet5 --json | jq -r .state
            """) { sweep, All, Failed, State, Stage, Limit, After, Json };
        command.SetAction((call, stop) => RunAsync(call, call.GetValue(sweep), stop));
        return command;
    }

    /// <summary>The argument that names a sweep.</summary>
    public static Argument<string?> SweepReference(string description = "Id, start of an id, or name (the latest of it).", bool isOptional = false)
    {
        var argument = new Argument<string?>("SWEEP") { Description = description, Arity = isOptional ? ArgumentArity.ZeroOrOne : ArgumentArity.ExactlyOne };
        argument.Validators.Add(given =>
        {
            if (given.Tokens.Any(token => string.IsNullOrWhiteSpace(token.Value))) given.AddError($"{argument.Name} is empty; expected: {description}");
        });
        return argument;
    }

    /// <summary>The source that the call's options name. The caller disposes it if it is disposable.</summary>
    public static ISweepReader Reader(ParseResult call) =>
        CommonOptions.CoordinatorAddress(call) is { } address ? new CoordinatorClient(address) : new DatabaseReader(CommonOptions.Settings(call));

    /// <summary>Why executions failed: one line each, or one for each reason where there are many.</summary>
    public static void TellFailures(Action<string> tell, SweepStatus sweep)
    {
        if (sweep.Size > SweepOverview.Many)
        {
            foreach (var reason in sweep.Failures ?? []) tell($"{Figures.Count(reason.Count)} of {reason.Stage} failed (first: execution {reason.First}): {reason.Error}");
            return;
        }

        var names = new ExecutionNames(sweep.Executions);
        foreach (var failed in sweep.Executions.Where(e => e.State == ExecutionState.Failed)) tell($"{names.Of(failed)} failed: {failed.Error}");
    }

    private static async Task<int> RunAsync(ParseResult call, string? reference, CancellationToken stop)
    {
        var reader = Reader(call);
        using var _ = reader as IDisposable;
        var terminal = new Terminal();
        if (call.GetValue(Limit) is < 1) throw new LatheException($"{Limit.Name} is {call.GetValue(Limit)}, expected a whole number from 1 on");
        if (call.GetValue(After) is < 0) throw new LatheException($"{After.Name} is {call.GetValue(After)}, expected the number of an execution, 0 or more");
        if (reference is null)
        {
            if ((Option[])[Failed, State, Stage, After] is var ofOne && ofOne.FirstOrDefault(o => call.GetResult(o) is { Implicit: false }) is { } alone)
                throw new LatheException($"{alone.Name} needs a sweep: lathe status SWEEP {alone.Name}");
            int? most = call.GetValue(All) ? null : call.GetValue(Limit) ?? UsualSweeps;
            if (call.GetValue(Json)) Print(await reader.ListAsync(most, stop));
            else List(terminal, await reader.ListAsync(most + 1, stop), most, TimeProvider.System.GetUtcNow());
            return LatheCommand.Success;
        }

        if (((Option[])[All, Failed, State, Stage, Limit, After]).Any(o => call.GetResult(o) is { Implicit: false })) await PagesAsync(terminal, reader, reference, call, stop);
        else if (call.GetValue(Json)) Print(await reader.StatusAsync(reference, stop));
        else await OverviewAsync(terminal, reader, reference, stop);
        return LatheCommand.Success;
    }

    private static async Task OverviewAsync(Terminal terminal, ISweepReader reader, string reference, CancellationToken stop)
    {
        var sweep = await reader.StatusAsync(reference, stop);
        var marks = (sweep.Priority == SweepLimits.DefaultPriority ? "" : $", priority {sweep.Priority}") + (sweep.Pinned ? ", pinned" : "");
        terminal.Line($"{sweep.Name} {sweep.Id}: {Words.Of(sweep.State)}, submitted {Moment(sweep.SubmittedAt)}{marks}");
        terminal.Write(SweepOverview.Screen(sweep, TimeProvider.System.GetUtcNow(), terminal.Width));
        if (sweep.Search is { } search) terminal.Line(SearchLine(search));
        if (sweep.Size > SweepOverview.Many) terminal.Line($"lists: lathe status {reference} {(sweep.Failures is null ? "" : "--failed | ")}--stage NAME | --state STATE | --all");
        else TellFailures(terminal.Line, sweep);
        if (HowToGoOn(sweep) is { } hint) terminal.Line(hint);
    }

    /// <summary>How a search stands, in one line.</summary>
    internal static string SearchLine(SearchStatus search)
    {
        (string State, string Word)[] words = [("done", "done"), ("open", "under way"), ("failed", "failed"), ("stopped", "stopped early"), ("pruned", "left out, as they cannot keep the constraints")];
        var begun = search.Counts.Where(c => c.Key != "pruned").Sum(c => c.Value);
        return $"search by {search.Strategy}: {begun}{(search.Trials is { } all ? $" of {all}" : "")} trials begun; "
            + string.Join(", ", words.Where(w => search.Counts.ContainsKey(w.State)).Select(w => $"{search.Counts[w.State]} {w.Word}"));
    }

    private static string? HowToGoOn(SweepStatus sweep) => sweep.State switch
    {
        SweepState.Paused => $"go on with: lathe resume {sweep.Name}",
        SweepState.Interrupted => $"go on with: lathe resume {sweep.Name}, or run its file again",
        SweepState.Failed or SweepState.Cancelled => $"try again what has no result with: lathe retry {sweep.Name}",
        _ => null,
    };

    private static async Task PagesAsync(Terminal terminal, ISweepReader reader, string reference, ParseResult call, CancellationToken stop)
    {
        var state = StateOf(call);
        var isAll = call.GetValue(All);
        // By its id: a sweep of the same name may begin in the meantime.
        var sweep = await reader.StatusAsync(reference, stop);
        if (call.GetValue(Stage) is { } stage && sweep.Steps?.Any(s => s.Stage == stage) == false)
            throw new LatheException($"the sweep has no stage '{stage}'; it has {string.Join(", ", sweep.Steps.Select(s => s.Stage).Distinct())}");
        var request = new PageRequest(call.GetValue(After), isAll ? AtATime : call.GetValue(Limit) ?? UsualExecutions, state, call.GetValue(Stage));
        if (call.GetValue(Json))
        {
            Print(await PageAsync(reader, sweep.Id, request, isAll, stop));
            return;
        }

        var listed = 0;
        while (true)
        {
            var page = await reader.PageAsync(sweep.Id.ToString(), request, stop);
            listed += page.Executions.Count;
            if (page.Executions.Count > 0) terminal.Write(ExecutionList.Render(page, terminal.Width));
            foreach (var line in ExecutionList.Failures(page)) terminal.Line(line);
            if (page.Next is null && listed == 0) terminal.Line("no such executions");
            if (page.Next is not { } next) return;
            request = request with { After = next };
            if (isAll) continue;
            var options = string.Concat(
                call.GetValue(Failed) ? " --failed" : state is { } one ? $" --state {Words.Of(one)}" : "",
                call.GetValue(Stage) is { } name ? $" --stage {name}" : "",
                call.GetValue(Limit) is { } limit ? $" --limit {limit}" : "");
            terminal.Line($"next page: lathe status {reference}{options} --after {next}");
            return;
        }
    }

    /// <summary>A page, or everything as one.</summary>
    private static async Task<ExecutionPage> PageAsync(ISweepReader reader, Guid sweep, PageRequest request, bool isAll, CancellationToken stop)
    {
        var page = await reader.PageAsync(sweep.ToString(), request, stop);
        while (isAll && page.Next is { } next)
        {
            var more = await reader.PageAsync(sweep.ToString(), request with { After = next }, stop);
            page = more with { Executions = [.. page.Executions, .. more.Executions], Above = null };
        }

        return page;
    }

    private static void Print<T>(T value) => Console.Out.WriteLine(JsonSerializer.Serialize(value, LatheJson.Indented));

    /// <exception cref="LatheException">There is no such state.</exception>
    private static ExecutionState? StateOf(ParseResult call)
    {
        var given = call.GetValue(State);
        if (call.GetValue(Failed)) return given is null or "failed" ? ExecutionState.Failed : throw new LatheException($"{Failed.Name} and {State.Name} {given} contradict each other");
        if (given is null) return null;
        var words = Enum.GetValues<ExecutionState>().ToDictionary(Words.Of);
        return words.TryGetValue(given.ToLowerInvariant(), out var state)
            ? state
            : throw new LatheException($"{State.Name} is '{given}', expected one of {string.Join(", ", words.Keys)}{Nearest.Hint(given, words.Keys)}");
    }

    private static void List(Terminal terminal, IReadOnlyList<SweepSummary> sweeps, int? most, DateTimeOffset now)
    {
        if (sweeps.Count == 0)
        {
            terminal.Line("no sweeps yet; start one with: lathe run SWEEP");
            return;
        }

        terminal.Write(SweepList.Render([.. sweeps.Take(most ?? int.MaxValue)], now, terminal.Width));
        if (sweeps.Count > most) terminal.Line($"older ones: lathe status --limit {most * 5}, or --all");
    }

    private static string Moment(DateTimeOffset moment) => moment.ToLocalTime().ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture);
}
