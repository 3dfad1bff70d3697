using System.CommandLine;
using System.Text.RegularExpressions;
using Lathe.Cli.Output;
using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Hosting;

namespace Lathe.Cli.Commands;

/// <summary>The command <c>lathe</c>, its options and its exit codes.</summary>
internal static partial class LatheCommand
{
    /// <summary>Everything succeeded.</summary>
    public const int Success = 0;

    /// <summary>The input was good, but something failed.</summary>
    public const int Failure = 1;

    /// <summary>The input was bad.</summary>
    public const int BadInput = 2;

    /// <summary>The sweep was cancelled from elsewhere.</summary>
    public const int Cancelled = 3;

    /// <summary>Runs one call.</summary>
    /// <returns>Exit code.</returns>
    public static async Task<int> RunAsync(string[] args)
    {
        StandardOutput.Use();
        var root = Create();
        // A name that begins with @ is a name, not a file of further arguments.
        var call = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (call.Errors.Count > 0 && call.Action is not DetailedCommand.Help)
        {
            foreach (var problem in CallProblems.Of(call)) Console.Error.WriteLine($"lathe: {problem}");
            var name = string.Join(' ', Names(call.CommandResult.Command));
            Tell($"see {name} --help");
            return BadInput;
        }

        using var interruption = new Interruption();
        var configuration = new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null };
        try
        {
            return await call.InvokeAsync(configuration, interruption.Token);
        }
        catch (LatheException problem)
        {
            Tell(problem.Message);
            if (call.GetValue(CommonOptions.Debug)) Tell(problem.ToString());
            return BadInput;
        }
        catch (OperationCanceledException) when (interruption.Token.IsCancellationRequested)
        {
            Tell("interrupted");
            return Interruption.ExitCode;
        }
        catch (Exception fault) when (Outage.IsOfDisk(fault) || MachineFault.Find(fault) is not null)
        {
            Tell(MachineFault.Find(fault) ?? $"the database cannot be written: {fault.GetBaseException().Message} Make room on its disk (lathe doctor shows where it is), and run the same again");
            if (call.GetValue(CommonOptions.Debug)) Tell(fault.ToString());
            return Failure;
        }
        // One that was there when the command began.
        catch (Exception fault) when (Outage.IsOfDatabase(fault))
        {
            Tell($"the database does not answer any more: {fault.GetBaseException().Message.TrimEnd('.')}. Run the same again once it does");
            if (call.GetValue(CommonOptions.Debug)) Tell(fault.ToString());
            return Failure;
        }
#pragma warning disable CA1031 // The last place that could turn a fault into words instead of a stack trace.
        catch (Exception fault)
#pragma warning restore CA1031
        {
            Tell($"unexpected error, a bug in Lathe: {fault.GetType().Name}: {fault.Message}");
            Tell(call.GetValue(CommonOptions.Debug) ? fault.ToString() : "run it again with --debug for details");
            return Failure;
        }
    }

    private static RootCommand Create()
    {
        var root = new RootCommand("Turns a dense convolutional network into a small fixed-point one: train, prune (HFP), quantize (SYMOG), evaluate.");
        DetailedCommand.ShowDetails(
            root,
            """
            Examples:
              lathe run examples/sweeps/fashion-lenet5.yaml
              lathe run sweep.yaml --set prune.multiplications=[0.5,0.25] --json results.json
              lathe results fashion-lenet5
              lathe doctor
            """);
        foreach (var option in CommonOptions.All) root.Options.Add(option);
        foreach (var command in (Command[])
            [
                RunCommand.Create(), PlanCommand.Create(), SubmitCommand.Create(), StatusCommand.Create(), ResultsCommand.Create(), LogsCommand.Create(), .. ControlCommands.Create(), ModelsCommand.Create(),
                InspectCommand.Create(), EvaluateCommand.Create(), ExportCommand.Create(), ReportCommand.Create(), UiCommand.Create(),
                CoordinatorCommand.Create(), WorkerCommand.Create(), KeysCommand.Create(), GcCommand.Create(), DeadLettersCommand.Create(), ConformanceCommand.Create(), DoctorCommand.Create(),
            ]) root.Subcommands.Add(command);
        return root;
    }

    private static IEnumerable<string> Names(Command command) =>
        command is RootCommand ? ["lathe"] : [.. Names((Command)command.Parents.First()), command.Name];

    /// <summary>A message with a place (file:line:column) begins with it, so that editors find it. Any other begins with "lathe: ".</summary>
    private static void Tell(string message)
    {
        foreach (var line in message.Split('\n')) Console.Error.WriteLine(HasPlace().IsMatch(line) ? line : $"lathe: {line}");
    }

    [GeneratedRegex(@"^\S+:\d+:\d+: ")]
    private static partial Regex HasPlace();
}
