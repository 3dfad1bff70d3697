using Lathe.Cli.Embedded;
using Lathe.Cli.Output;
using Lathe.Cli.Sources;
using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Hosting;

namespace Lathe.Cli.Commands;

/// <summary>Runs a sweep to its end in this process and shows how it goes.</summary>
/// <param name="Settings">Home, store, broker.</param>
/// <param name="Terminal">Where to show it.</param>
/// <param name="Json">File for the results; null: none.</param>
/// <param name="IsShown">True: the web page is served, and goes on after the end until the user stops it.</param>
internal sealed record EmbeddedRun(HostingSettings Settings, Terminal Terminal, string? Json, bool IsShown = false)
{
    /// <summary>Runs it.</summary>
    /// <param name="wanted">Names of the stages that the sweep needs.</param>
    /// <param name="begin">Submits the sweep, or has it go on; gives its id.</param>
    /// <param name="again">How to go on after an interruption: a sentence without its full stop.</param>
    /// <param name="stop">Stops it at the next batch.</param>
    /// <returns>Exit code.</returns>
    public async Task<int> ToEndAsync(IReadOnlyCollection<string> wanted, Func<LocalCoordinator, CancellationToken, Task<Guid>> begin, string again, CancellationToken stop)
    {
        using var log = new LogFile(Settings.Home, "run", TimeProvider.System);
        SweepStatus? ended = null;
        try
        {
            await using var coordinator = await LocalCoordinator.StartAsync(Settings, wanted, log, Terminal.Say, IsShown ? LocalCoordinator.FreePort : null, stop);
            if (coordinator.Page is { } page) Terminal.Say($"web page: {page}");
            ended = await FollowAsync(coordinator, begin, stop);
            // What was called off from elsewhere is still being stopped, and saved.
            if (ended.State == SweepState.Cancelled) await coordinator.StopAsync();
            var code = await SubmitCommand.FinishAsync(Terminal, new DatabaseReader(coordinator.Queries), ended, Json, stop);
            if (coordinator.Page is not null) await UiCommand.ServeAsync(coordinator, Terminal, "the sweep is over, and the web page stays", stop);
            return code;
        }
        catch (DiskTrouble trouble)
        {
            Terminal.Say($"the database {DatabaseAddress.Load(Settings)} cannot be written: {trouble.Message}. Make room on its disk. Finished results and training states are kept. {again}");
            return LatheCommand.Failure;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            Terminal.Say($"stopped; finished results and training states are kept in {Settings.Home}. {again}");
            return Interruption.ExitCode;
        }
        finally
        {
            // The results already show why an execution failed.
            var told = ended?.Executions.Select(e => e.Error).OfType<string>().ToList() ?? [];
            foreach (var warning in log.Warnings.Where(w => !told.Exists(w.Contains))) Terminal.Say($"warning: {warning}");
            if (log.Warnings.Count > 0) Terminal.Say($"log: {log.Path}");
        }
    }

    private async Task<SweepStatus> FollowAsync(LocalCoordinator coordinator, Func<LocalCoordinator, CancellationToken, Task<Guid>> begin, CancellationToken stop)
    {
        var sweep = await begin(coordinator, stop);
        try
        {
            return await new SweepWatch(Terminal, s => ReadAsync(coordinator, sweep, s), TimeProvider.System).FollowAsync(stop);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            Terminal.Say("stopping at the next batch and saving the state; Ctrl-C again ends at once");
            await coordinator.StopAsync();
            await coordinator.InterruptAsync(sweep);
            throw;
        }
    }

    /// <summary>The state of the sweep, or the reason why it would never change again.</summary>
    private static Task<SweepStatus> ReadAsync(LocalCoordinator coordinator, Guid sweep, CancellationToken stop) =>
        coordinator.DiskTrouble is { } trouble ? throw new DiskTrouble(trouble) : coordinator.Queries.StatusAsync(sweep.ToString(), stop: stop);

    private sealed class DiskTrouble(string message) : Exception(message);
}
