using System.CommandLine;
using Lathe.Coordinator;

namespace Lathe.Cli.Commands;

/// <summary><c>lathe coordinator</c></summary>
internal static class CoordinatorCommand
{
    public static Command Create()
    {
        var command = new DetailedCommand(
            "coordinator",
            "Runs a coordinator until it is stopped. It accepts sweeps over HTTP and sends their executions to workers on the broker.",
            $"""
            It listens on {CoordinatorHost.HttpVariable} (default {CoordinatorHost.DefaultHttp}) and keeps its state in {DatabaseAddress.Variable}
            (postgres://...; default a SQLite file under --home). On an address beyond this machine, http://*:5080 for example, every request needs a key,
            which 'lathe keys create' makes. {ApiSettings.HostsVariable} lists further names of the coordinator, lathe.example.org for example.

            Example:
              lathe coordinator --broker amqp://guest:guest@localhost
            """);
        command.SetAction((call, stop) => CoordinatorHost.RunAsync(CommonOptions.Settings(call), stop));
        return command;
    }
}
