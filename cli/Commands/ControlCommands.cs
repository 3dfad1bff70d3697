using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Lathe.Cli.Embedded;
using Lathe.Cli.Output;
using Lathe.Cli.Sources;
using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Hosting;
using Lathe.NN.Runtime;

namespace Lathe.Cli.Commands;

/// <summary>A part of a sweep.</summary>
/// <param name="Stage">Only its executions of this stage; null: all.</param>
/// <param name="Execution">Only this execution; null: all.</param>
internal sealed record SweepPart(string? Stage = null, int? Execution = null)
{
    /// <summary>True for a whole sweep.</summary>
    public bool IsWhole => Stage is null && Execution is null;
}

/// <summary>
/// <c>lathe pause | resume | cancel | retry | priority | pin | unpin | delete SWEEP</c>. They ask <c>--coordinator</c>, or write into the database under
/// <c>--home</c>, where a <c>lathe run</c> of another terminal obeys within a second or two.
/// </summary>
internal static class ControlCommands
{
    private const string Where = "It asks --coordinator; without one it writes into the database under --home, and a lathe run in another terminal obeys within two seconds.";

    public static IEnumerable<Command> Create() => [Pause(), Resume(), Cancel(), Retry(), Priority(), Pin("pin", isPinned: true), Pin("unpin", isPinned: false), Delete()];

    private static Command Pause() => OfPart(
        "pause",
        "Pauses a sweep, a stage of it or one execution. What runs stops at its next batch and keeps its state.",
        "Examples:\n  lathe pause fashion-lenet5\n  lathe pause fashion-lenet5 --stage quantize",
        async (call, control, sweep, part, stop) => Moved(await control.PauseAsync(sweep, part.Stage, part.Execution, stop), sweep, part, "paused", "pause", n =>
            $"sweep {sweep} is paused, {n} with it: nothing more is sent, and what runs stops at its next batch and keeps its state. Go on with: lathe resume {sweep}"));

    private static Command Cancel() => OfPart(
        "cancel",
        "Calls off what has not finished: of a sweep, a stage of it or one execution. Finished results are kept.",
        "Examples:\n  lathe cancel fashion-lenet5\n  lathe cancel fashion-lenet5 --execution 17",
        async (call, control, sweep, part, stop) => Moved(await control.CancelAsync(sweep, part.Stage, part.Execution, stop), sweep, part, "cancelled, and what starts from there is skipped", "cancel", n =>
            $"sweep {sweep} is cancelled, {n} with it: what runs stops at its next batch and keeps its state, and finished results are kept. Try again with: lathe retry {sweep}"));

    private static Command Resume()
    {
        var json = ResultsCommand.Json();
        var command = GoingOn(
            "resume",
            "Goes on with what was paused or interrupted. A sweep of a lathe run that is over goes on in this process, to its end.",
            $"Examples:\n  lathe resume fashion-lenet5\n  lathe resume fashion-lenet5 --stage quantize",
            json,
            _ => null,
            (control, sweep, part, _, stop) => control.ResumeAsync(sweep, part.Stage, part.Execution, stop),
            (orchestrator, target, _, stop) => orchestrator.ResumeAsync(target, stop),
            (sweep, part, answer) => Moved(answer, sweep, part, "no longer paused", "resume", n => $"sweep {sweep} goes on with {n}. Watch it with: lathe status {sweep}"));
        return command;
    }

    private static Command Retry()
    {
        var json = ResultsCommand.Json();
        var set = new Option<string[]>("--set") { Description = "Another value for a parameter of what runs again: train.learningRate=0.01", HelpName = "STAGE.PARAMETER=VALUE" };
        var command = GoingOn(
            "retry",
            "Runs again what failed or was cancelled, and what was skipped because of it. What is done stays; training goes on from its saved state.",
            "Examples:\n  lathe retry fashion-lenet5\n  lathe retry fashion-lenet5 --stage train --set train.batchSize=64",
            json,
            call => Mends(call.GetValue(set) ?? []),
            (control, sweep, part, mends, stop) => control.RetryAsync(sweep, part.Stage, part.Execution, mends, stop),
            async (orchestrator, target, mends, stop) => await MendedRetry.RetryAsync(orchestrator, target, mends, stop),
            (sweep, _, answer) => WithNotes(
                answer,
                $"{Executions(answer.Executions)} of sweep {sweep} {(answer.Executions == 1 ? "runs" : "run")} again, and what was skipped because of {(answer.Executions == 1 ? "it" : "them")}. Watch it with: lathe status {sweep}"));
        command.Options.Add(set);
        return command;
    }

    private static Command Priority()
    {
        var sweep = StatusCommand.SweepReference();
        var number = new Argument<int>("N") { Description = $"{SweepLimits.LowestPriority} to {SweepLimits.HighestPriority}; {SweepLimits.DefaultPriority} is usual." };
        var command = new DetailedCommand(
            "priority", "Sets the priority of a sweep: executions of a higher one are sent first. What runs goes on.",
            $"{Where}\n\nExample:\n  lathe priority fashion-lenet5 5") { sweep, number };
        command.SetAction((call, stop) => OrderAsync(call, async control =>
        {
            var priority = call.GetValue(number);
            if (priority is < SweepLimits.LowestPriority or > SweepLimits.HighestPriority)
                throw new LatheException($"the priority is {priority}, expected a whole number from {SweepLimits.LowestPriority} to {SweepLimits.HighestPriority}");
            await control.PriorityAsync(call.GetValue(sweep)!, priority, stop);
            return $"sweep {call.GetValue(sweep)} has priority {priority} now: it counts for what is sent from now on, and what runs goes on";
        }));
        return command;
    }

    private static Command Pin(string name, bool isPinned)
    {
        var sweep = StatusCommand.SweepReference();
        var command = new DetailedCommand(
            name, isPinned ? "Keeps everything of a sweep, whatever the rules of retention say." : "Takes the pin of a sweep away.",
            $"{Where}\n\nExample:\n  lathe {name} fashion-lenet5") { sweep };
        command.SetAction((call, stop) => OrderAsync(call, async control =>
        {
            await control.PinAsync(call.GetValue(sweep)!, isPinned, stop);
            return isPinned ? $"sweep {call.GetValue(sweep)} is pinned: it cannot be deleted before lathe unpin {call.GetValue(sweep)}" : $"sweep {call.GetValue(sweep)} is no longer pinned";
        }));
        return command;
    }

    private static Command Delete()
    {
        var sweep = StatusCommand.SweepReference();
        var yes = new Option<bool>("--yes") { Description = "Do not ask." };
        var command = new DetailedCommand(
            "delete", "Forgets a sweep that is over. Its results stay in the store, and the same sweep finds them there.",
            $"{Where}\n\nExample:\n  lathe delete fashion-lenet5 --yes") { sweep, yes };
        command.SetAction(async (call, stop) =>
        {
            var reader = StatusCommand.Reader(call);
            using var _ = reader as IDisposable;
            var found = await reader.StatusAsync(call.GetValue(sweep)!, stop);
            // Before the question: whoever has answered it should not hear that it was in vain.
            if (SweepOrders.KeepsFromDeleting(found.Name, found.State, found.Pinned) is { } reason) throw new LatheException(reason);
            if (!call.GetValue(yes) && !IsSure($"delete sweep {found.Name} ({found.Id}) with {Executions(found.Size)}?")) return LatheCommand.BadInput;
            return await OrderAsync(call, async control =>
            {
                await control.DeleteAsync(found.Id.ToString(), stop);
                return $"sweep {found.Name} ({found.Id}) is deleted; its results stay in the store";
            });
        });
        return command;
    }

    /// <summary>A command about a sweep or a part of it that says what happened.</summary>
    private static DetailedCommand OfPart(string name, string summary, string examples, Func<ParseResult, ISweepControl, string, SweepPart, CancellationToken, Task<string>> order)
    {
        var (sweep, stage, execution) = (StatusCommand.SweepReference(), Stage(), Execution());
        var command = new DetailedCommand(name, summary, $"{Where}\n\n{examples}") { sweep, stage, execution };
        command.SetAction((call, stop) =>
            OrderAsync(call, control => order(call, control, call.GetValue(sweep)!, new SweepPart(call.GetValue(stage), call.GetValue(execution)), stop)));
        return command;
    }

    /// <summary>A command that has a sweep go on: where its coordinator is, or in this process if that is gone.</summary>
    private static DetailedCommand GoingOn(
        string name,
        string summary,
        string examples,
        Option<string?> json,
        Func<ParseResult, IReadOnlyDictionary<string, JsonElement>?> read,
        Func<ISweepControl, string, SweepPart, IReadOnlyDictionary<string, JsonElement>?, CancellationToken, Task<OrderAnswer>> order,
        Func<Orchestrator, ControlTarget, IReadOnlyDictionary<string, JsonElement>?, CancellationToken, Task<OrderAnswer>> orderHere,
        Func<string, SweepPart, OrderAnswer, string> words)
    {
        var (sweep, stage, execution) = (StatusCommand.SweepReference(), Stage(), Execution());
        var command = new DetailedCommand(
            name, summary,
            $"""
            {Where}
            If the sweep belonged to a lathe run that is over, it runs in this process to its end, with the exit codes of run.

            {examples}
            """) { sweep, stage, execution, json };
        command.SetAction(async (call, stop) =>
        {
            var (reference, part, mends) = (call.GetValue(sweep)!, new SweepPart(call.GetValue(stage), call.GetValue(execution)), read(call));
            if (CommonOptions.CoordinatorAddress(call) is null)
            {
                var settings = CommonOptions.Settings(call);
                var (row, steps) = await new DatabaseControl(settings).FindAsync(reference, stop);
                CheckStages(mends, [.. steps.Select(step => step.Stage)]);
                if (DatabaseControl.IsWithoutOwner(row))
                {
                    return await HereAsync(
                        settings, row, steps, call.GetValue(json),
                        async (orchestrator, s) => words(row.Name, part, await orderHere(orchestrator, new ControlTarget(row.Id, part.Stage, part.Execution), mends, s)), stop);
                }
            }

            if (call.GetValue(json) is not null) throw new LatheException($"--json is for a sweep that goes on in this process; this one goes on elsewhere. Its results: lathe results {reference} --json FILE");
            return await OrderAsync(call, async control => words(reference, part, await order(control, reference, part, mends, stop)));
        });
        return command;
    }

    private static async Task<int> HereAsync(
        HostingSettings settings, SweepRow sweep, IReadOnlyList<StepCountRow> steps, string? json, Func<Orchestrator, CancellationToken, Task<string>> order, CancellationToken stop)
    {
        ResultsJson.Check(json);
        if (settings.Device.Kind == DeviceKind.Cuda) Devices.Find(settings.Device);
        var other = steps.FirstOrDefault(s => settings.Broker is null && BuiltInStages.Manifests.GetValueOrDefault(s.Stage)?.Version != s.Version);
        if (other is not null)
        {
            throw new LatheException(BuiltInStages.Manifests.TryGetValue(other.Stage, out var here)
                ? $"sweep {sweep.Name} was planned for {other.Stage} version {other.Version}, and this Lathe has version {here.Version}; run the sweep's file again: what is still good is taken from the store"
                : $"sweep {sweep.Name} needs the stage {other.Stage}, which is not built in; name the broker of its workers with --broker");
        }

        var terminal = new Terminal(machineReadable: json == "-");
        return await new EmbeddedRun(settings, terminal, json).ToEndAsync(
            [.. steps.Select(s => s.Stage).Distinct()],
            async (coordinator, s) =>
            {
                await coordinator.Orchestrator.AdoptAsync(sweep.Id, s);
                terminal.Say(await order(coordinator.Orchestrator, s));
                return sweep.Id;
            },
            $"lathe resume {sweep.Name} goes on from there",
            stop);
    }

    private static async Task<int> OrderAsync(ParseResult call, Func<ISweepControl, Task<string>> order)
    {
        ISweepControl control = CommonOptions.CoordinatorAddress(call) is { } address ? new CoordinatorClient(address) : new DatabaseControl(CommonOptions.Settings(call));
        using var _ = control as IDisposable;
        new Terminal().Line(await order(control));
        return LatheCommand.Success;
    }

    private static Option<string?> Stage() => new("--stage") { Description = "Only its executions of this stage.", HelpName = "NAME" };

    private static Option<int?> Execution() => new("--execution") { Description = "Only this execution; lathe status SWEEP --all shows the numbers.", HelpName = "INDEX" };

    /// <summary>What an order changed, and what else is needed, a line each.</summary>
    private static string Moved(OrderAnswer answer, string sweep, SweepPart part, string done, string verb, Func<string, string> whole) => WithNotes(answer, answer.Executions switch
    {
        0 => $"{Nothing(sweep, part, verb)}; lathe status {sweep} --all shows how it stands",
        _ when part.IsWhole => whole(Executions(answer.Executions)),
        var moved => $"{Executions(moved)} of sweep {sweep} {(moved == 1 ? "is" : "are")} {done}. lathe status {sweep} shows how it stands",
    });

    /// <summary>Why an order changed nothing.</summary>
    private static string Nothing(string sweep, SweepPart part, string verb)
    {
        var whole = part.IsWhole ? $"sweep {sweep}" : $"{(part.Execution is { } index ? $"execution {index}" : part.Stage)} of sweep {sweep}";
        return verb switch
        {
            "resume" => $"{whole} was not paused{(part.IsWhole ? "" : " by itself")}",
            "pause" => $"nothing was left to pause: {whole} is paused already, or over",
            _ => $"nothing was left to {verb}: {whole} is over",
        };
    }

    private static string WithNotes(OrderAnswer answer, string said) => string.Join('\n', answer.Notes.Prepend(said));

    private static string Executions(int count) => count == 1 ? "1 execution" : $"{Figures.Count(count)} executions";

    /// <summary>Parameters by stage.</summary>
    /// <exception cref="LatheException">An option is none about a stage's parameter.</exception>
    private static Dictionary<string, JsonElement>? Mends(string[] texts)
    {
        if (texts.Length == 0) return null;
        var mends = new Dictionary<string, JsonObject>();
        foreach (var set in SetOption.ParseParameters(texts))
        {
            if (!mends.TryGetValue(set.Stage!, out var parameters)) mends.Add(set.Stage!, parameters = []);
            parameters[set.Name] = set.Value.ToJson();
        }

        return mends.ToDictionary(m => m.Key, m => JsonSerializer.SerializeToElement(m.Value));
    }

    private static void CheckStages(IReadOnlyDictionary<string, JsonElement>? mends, IReadOnlyList<string> stages)
    {
        foreach (var stage in mends?.Keys.Where(s => !stages.Contains(s)) ?? [])
            throw new LatheException($"--set {stage}: the sweep has no stage '{stage}'; it has {string.Join(", ", stages.Distinct())}{Nearest.Hint(stage, stages)}");
    }

    private static bool IsSure(string question)
    {
        if (Console.IsInputRedirected) throw new LatheException($"{question} There is nobody to ask here; say so with --yes");
        Console.Error.Write($"lathe: {question} [y/N] ");
        return Console.ReadLine()?.Trim() is "y" or "Y" or "yes";
    }
}
