using System.CommandLine;
using Lathe.Cli.Data;
using Lathe.Cli.Embedded;
using Lathe.Cli.Output;
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
        var ui = new Option<bool>("--ui") { Description = "Serve the web page of this run on a free port of this machine, also after its end, until Ctrl-C." };
        var options = new SubmissionOptions();
        var command = new DetailedCommand(
            "run",
            "Runs a sweep to its end and shows its results. Results that were computed before are reused.",
            """
            Without --broker all stages run in this process; with it, workers on the broker do the work, and stages without a worker run here.
            While it runs, lathe pause, resume, cancel and priority work on it from another terminal.
            Exit code: 0 if every execution succeeded, 1 if one failed, 2 for bad input, 3 if it was cancelled from elsewhere, 130 if interrupted.

            Examples:
              lathe run examples/sweeps/fashion-lenet5.yaml
              lathe run sweep.yaml --set quantize.bits=[2,3,4] --set seed=[1,2,3]
              lathe run sweep.yaml --ui
              lathe run sweep.yaml --broker amqp://guest:guest@localhost --json results.json
            """) { sweep, set, fresh, json, ui };
        options.AddTo(command);
        command.SetAction((call, stop) => RunAsync(
            CommonOptions.Settings(call), call.GetValue(sweep)!, call.GetValue(set) ?? [], call.GetValue(fresh),
            document => options.Submission(call, document, call.GetValue(fresh)), call.GetValue(json), call.GetValue(ui), stop));
        return command;
    }

    private static async Task<int> RunAsync(
        HostingSettings settings, string file, string[] sets, bool fresh, Func<SweepDocument, SweepSubmission> submission, string? json, bool ui, CancellationToken stop)
    {
        var terminal = new Terminal(machineReadable: json == "-");
        ResultsJson.Check(json);
        // Before data are downloaded and anything trains.
        if (settings.Device.Kind == DeviceKind.Cuda) Devices.Find(settings.Device);
        var store = new CheckpointStore(settings);
        using var http = new HttpClient();
        var document = await TakenIn.ReadAsync(file, sets, isBuiltIn: settings.Broker is null, store, http, terminal.Say, stop);
        // Refuses bad options before data are fetched.
        submission(document);
        if (settings.Broker is null) CheckDevice(document, settings);
        // What the schemas refuse is said before data are fetched; the stages themselves look at the sweep when it is submitted.
        if (settings.Broker is null && SweepPlanner.Problems(document.Spec, BuiltInStages.Manifests) is { Count: > 0 } problems) throw document.Sources.Fault(problems);
        await DataSetup.EnsureAsync(document, settings, terminal.Say, stop);

        var wanted = document.Spec.Stages.Select(s => s.Stage).Distinct().ToList();
        return await new EmbeddedRun(settings, terminal, json, ui).ToEndAsync(
            wanted,
            async (coordinator, s) => SubmitCommand.Taken(await coordinator.SubmitAsync(submission(document), s), document, terminal),
            $"The same command{(fresh ? " without --fresh" : "")} resumes from there",
            stop);
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
}
