using System.CommandLine;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Lathe.Cli.Embedded;
using Lathe.Cli.Output;
using Lathe.Contracts;

namespace Lathe.Cli.Commands;

/// <summary><c>lathe ui</c></summary>
internal static class UiCommand
{
    private const int HighestPort = 65535;

    /// <summary>That of a coordinator, so that a bookmark holds.</summary>
    private const int UsualPort = 5080;

    /// <summary>Ports that are looked at when the usual one is taken.</summary>
    private const int Tries = 20;

    public static Command Create()
    {
        var port = new Option<int?>("--port") { Description = $"Port of this machine to serve the page on; 0 takes any free one. [default: {UsualPort}, or the next free one]", HelpName = "PORT" };
        var command = new DetailedCommand(
            "ui",
            "Serves the web page with the sweeps under --home, until Ctrl-C.",
            """
            Only programs of this machine can reach the page. A sweep that is started from it runs in this process; Ctrl-C stops it at the next batch, and
            'lathe resume' goes on with it. A coordinator serves the same page itself, under its own address.

            Examples:
              lathe ui
              lathe ui --home /data/lathe --port 8080
            """) { port };
        command.SetAction((call, stop) => RunAsync(call, call.GetValue(port), stop));
        return command;
    }

    /// <summary>Serves the page until the user stops it; what runs then saves its state.</summary>
    public static async Task ServeAsync(LocalCoordinator coordinator, Terminal terminal, string what, CancellationToken stop)
    {
        terminal.Say($"{what} at {coordinator.Page} until Ctrl-C");
        await Task.Delay(Timeout.Infinite, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await coordinator.StopAsync();
        await coordinator.InterruptAsync();
    }

    /// <summary>The usual port, or the next one that nothing listens on.</summary>
    /// <param name="isFree">Whether nothing listens on a port.</param>
    internal static int FreePort(Func<int, bool> isFree) => Enumerable.Range(UsualPort, Tries).FirstOrDefault(isFree);

    private static bool IsFree(int port)
    {
        try
        {
            using var listener = new TcpListener(IPAddress.Loopback, port);
            listener.Start();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private static async Task<int> RunAsync(ParseResult call, int? wanted, CancellationToken stop)
    {
        if (wanted is < 0 or > HighestPort) throw new LatheException($"--port {wanted}: expected a number from 0 to {HighestPort}");
        var terminal = new Terminal();
        if (CommonOptions.CoordinatorAddress(call) is { } address)
        {
            terminal.Line($"the coordinator serves its page itself: {address}");
            return LatheCommand.Success;
        }

        var port = wanted ?? FreePort(IsFree);
        if (wanted is null && port != UsualPort) terminal.Say($"port {UsualPort} is taken; --port names another one");
        var settings = CommonOptions.Settings(call);
        using var log = new LogFile(settings.Home, "ui", TimeProvider.System);
        await using var coordinator = await LocalCoordinator.StartAsync(
            settings, [], log, terminal.Say, string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}"), stop);
        await ServeAsync(coordinator, terminal, $"web page of the sweeps in {settings.Home}", stop);
        foreach (var warning in log.Warnings) terminal.Say($"warning: {warning}");
        return LatheCommand.Success;
    }
}
