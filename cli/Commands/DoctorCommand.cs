using System.CommandLine;
using System.Runtime.InteropServices;
using Lathe.Cli.Data;
using Lathe.Cli.Output;
using Lathe.Cli.Sources;
using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Hosting;
using Lathe.NN.Runtime;
using Lathe.Reports.Terminals;
using Spectre.Console;

namespace Lathe.Cli.Commands;

/// <summary><c>lathe doctor</c></summary>
internal static class DoctorCommand
{
    public static Command Create()
    {
        var command = new Command("doctor", "Checks everything that Lathe needs on this machine, and says what to do about problems. Exit code 1 if there is one.");
        command.SetAction(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult call, CancellationToken stop)
    {
        var settings = CommonOptions.Settings(call);
        List<DoctorCheck> checks =
        [
            new DoctorCheck(".NET", true, $"{RuntimeInformation.FrameworkDescription} on {RuntimeInformation.OSDescription} ({RuntimeInformation.RuntimeIdentifier})"),
            Torch(settings),
            .. await Doctor.CheckAsync(settings, stop),
            await DatabaseAsync(settings, stop),
            await CoordinatorAsync(call, stop),
            .. DataSets(settings),
        ];
        Show(checks);
        return checks.TrueForAll(c => c.Ok) ? LatheCommand.Success : LatheCommand.Failure;
    }

    private static DoctorCheck Torch(HostingSettings settings)
    {
        try
        {
            var compute = ComputeSetup.Of(settings.Threads, settings.Device);
            var versions = compute.Versions();
            var oneDnn = OneDnn.State;
            return new DoctorCheck(
                "libtorch",
                true,
                $"{versions["torch"]} loads, computes on {Devices.Describe(compute.Device)} with {versions["threads"]} {(versions["threads"] == "1" ? "thread" : "threads")} (TorchSharp {versions["torchsharp"]}); "
                + $"its convolutions were checked and are right, {(oneDnn.IsOn ? "by" : "without")} oneDNN: {oneDnn.Why}; instructions {versions["instructions"]}");
        }
        catch (LatheException problem)
        {
            return new DoctorCheck("libtorch", false, problem.Message);
        }
    }

    private static async Task<DoctorCheck> DatabaseAsync(HostingSettings settings, CancellationToken stop)
    {
        try
        {
            var store = await CoordinatorStore.ForReadingAsync(DatabaseAddress.Load(settings), stop);
            if (!await store.ExistsAsync(stop)) return new DoctorCheck("database", true, $"{store.Address}: none yet, the first run makes it");
            var sweeps = await new SweepQueries(store, TimeProvider.System).ListAsync(stop: stop);
            return new DoctorCheck("database", true, $"{store.Address} opens, {sweeps.Count} sweep{(sweeps.Count == 1 ? "" : "s")}");
        }
        catch (LatheException problem)
        {
            return new DoctorCheck("database", false, problem.Message);
        }
    }

    private static async Task<DoctorCheck> CoordinatorAsync(ParseResult call, CancellationToken stop)
    {
        try
        {
            if (CommonOptions.CoordinatorAddress(call) is not { } address) return new DoctorCheck("coordinator", true, "none named: lathe run brings its own");
            using var client = new CoordinatorClient(address);
            var stages = await client.StagesAsync(stop);
            return new DoctorCheck("coordinator", true, $"{address} answers and knows {string.Join(", ", stages.Select(s => s.Name).DefaultIfEmpty("no stage yet"))}");
        }
        catch (LatheException problem)
        {
            return new DoctorCheck("coordinator", false, problem.Message);
        }
    }

    /// <summary>A missing data set is no problem, because only some sweeps need it. A named folder that does not exist is one.</summary>
    private static IEnumerable<DoctorCheck> DataSets(HostingSettings settings)
    {
        if (settings.Data is { } named && !BucketAddress.IsOne(named) && !Directory.Exists(named))
            return [new DoctorCheck("data", false, $"--data or {HostingSettings.DataVariable} is '{named}': no such folder")];
        return DataSetFiles.ByName.Keys.Select(name => new DoctorCheck(
            name,
            true,
            DataPlaces.Locate(name, settings)
                ?? $"not here{(name == FashionMnist.Name ? "; lathe run gets it when a sweep needs it" : $"; put its files into a folder and name that with --data or {HostingSettings.DataVariable}")}"));
    }

    private static void Show(IEnumerable<DoctorCheck> checks)
    {
        var wrapping = new TextColumn("", Wraps: true);
        var table = new TextTable(wrapping, wrapping, wrapping);
        foreach (var check in checks)
            table.Add([new Markup(check.Ok ? "[green]ok[/]" : "[red]problem[/]"), new Text(check.Name), new Text(check.Message)]);
        new Terminal().Write(table.Content);
    }
}
