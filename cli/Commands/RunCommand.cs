using System.CommandLine;
using Lathe.Cli.Data;
using Lathe.Cli.Embedded;
using Lathe.Cli.Output;
using Lathe.Cli.Sources;
using Lathe.Cli.Sweeps;
using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Hosting;
using Lathe.NN.Runtime;

namespace Lathe.Cli.Commands;

/// <summary><c>lathe run SWEEP</c></summary>
internal static class RunCommand
{
    public static Command Create()
    {
        var sweep = SubmitCommand.SweepArgument();
        var set = SubmitCommand.Set();
        var fresh = SubmitCommand.Fresh();
        var json = ResultsCommand.Json();
        var command = new DetailedCommand(
            "run",
            "Runs a sweep to its end and shows its results. Results that were computed before are reused.",
            """
            Without --broker all stages run in this process; with it, workers on the broker do the work, and stages without a worker run here.
            Exit code: 0 if every execution succeeded, 1 if one failed, 2 for bad input, 130 if interrupted.

            Examples:
              lathe run examples/sweeps/fashion-lenet5.yaml
              lathe run sweep.yaml --set quantize.bits=[2,3,4] --set seed=[1,2,3]
              lathe run sweep.yaml --broker amqp://guest:guest@localhost --json results.json
            """) { sweep, set, fresh, json };
        command.SetAction((call, stop) => RunAsync(
            CommonOptions.Settings(call), call.GetValue(sweep)!, call.GetValue(set) ?? [], call.GetValue(fresh), call.GetValue(json), stop));
        return command;
    }

    private static async Task<int> RunAsync(HostingSettings settings, string file, string[] sets, bool fresh, string? json, CancellationToken stop)
    {
        var terminal = new Terminal(machineReadable: json == "-");
        ResultsJson.Check(json);
        // Before data are downloaded and anything trains.
        if (settings.Device.Kind == DeviceKind.Cuda) Devices.Find(settings.Device);
        var store = new CheckpointStore(settings);
        using var http = new HttpClient();
        var document = await TakenIn.ReadAsync(file, sets, store, http, terminal.Say, stop);
        if (settings.Broker is null) CheckDevice(document, settings);
        // What the schemas refuse is said before data are fetched; the stages themselves look at the sweep when it is submitted.
        if (settings.Broker is null && SweepPlanner.Plan(document.Spec, BuiltInStages.Manifests).Problems is { Count: > 0 } problems) throw document.Sources.Fault(problems);
        await DataSetup.EnsureAsync(document, settings, terminal.Say, stop);

        using var log = new LogFile(settings.Home, "run", TimeProvider.System);
        SweepStatus? ended = null;
        try
        {
            var wanted = document.Spec.Stages.Select(s => s.Stage).Distinct().ToList();
            await using var coordinator = await LocalCoordinator.StartAsync(settings, wanted, log, terminal.Say, stop);
            ended = await FollowAsync(coordinator, document, fresh, terminal, stop);
            return await SubmitCommand.FinishAsync(terminal, new DatabaseReader(coordinator.Queries), ended, json, stop);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            terminal.Say($"stopped; finished results and training states are kept in {settings.Home}. "
                + $"The same command{(fresh ? " without --fresh" : "")} resumes from there");
            return Interruption.ExitCode;
        }
        finally
        {
            // The results already show why an execution failed.
            var told = ended?.Executions.Select(e => e.Error).OfType<string>().ToList() ?? [];
            foreach (var warning in log.Warnings.Where(w => !told.Exists(w.Contains))) terminal.Say($"warning: {warning}");
            if (log.Warnings.Count > 0) terminal.Say($"log: {log.Path}");
        }
    }

    /// <summary>Without a broker this process computes everything.</summary>
    private static void CheckDevice(SweepDocument document, HostingSettings settings)
    {
        var device = settings.Device.Fit(document.Spec.Device) ?? throw document.Sources.Fault(
        [
            new SweepProblem(
                "/device",
                $"the sweep asks for {document.Spec.Device!.Value.ToString().ToLowerInvariant()}, and this run computes on {settings.Device} (--device or {HostingSettings.DeviceVariable})"),
        ]);
        if (device.Kind == DeviceKind.Cuda) Devices.Find(device);
    }

    private static async Task<SweepStatus> FollowAsync(
        LocalCoordinator coordinator, SweepDocument document, bool fresh, Terminal terminal, CancellationToken stop)
    {
        var sweep = SubmitCommand.Taken(await coordinator.SubmitAsync(new SweepSubmission(document.Spec, fresh), stop), document, terminal);
        try
        {
            return await new SweepWatch(terminal, s => coordinator.Queries.StatusAsync(sweep.ToString(), stop: s), TimeProvider.System).FollowAsync(stop);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            terminal.Say("stopping at the next batch and saving the state; Ctrl-C again ends at once");
            await coordinator.StopAsync();
            await coordinator.InterruptAsync(sweep);
            throw;
        }
    }
}
