using System.CommandLine;
using Lathe.Cli.Embedded;
using Lathe.Contracts;
using Lathe.Hosting;
using Lathe.NN.Runtime;

namespace Lathe.Cli.Commands;

/// <summary><c>lathe worker STAGE</c></summary>
internal static class WorkerCommand
{
    public static Command Create()
    {
        var stage = new Argument<string>("STAGE") { Description = $"One of {string.Join(", ", BuiltInStages.ByName.Keys)}." };
        var command = new DetailedCommand(
            "worker",
            "Runs one stage as a service that receives work from the broker, until it is stopped.",
            """
            Example:
              lathe worker prune --broker amqp://guest:guest@localhost
            """) { stage };
        foreach (var option in SettingsOptions.OfWorkers) command.Options.Add(option);
        command.SetAction((call, stop) =>
        {
            var name = call.GetValue(stage)!;
            var settings = CommonOptions.Settings(call);
            if (settings.Device.Kind == DeviceKind.Cuda) Devices.Find(settings.Device);
            return BuiltInStages.ByName.TryGetValue(name, out var built)
                ? built.RunAsync(settings, stop)
                : throw new LatheException(
                    $"there is no stage '{name}'{Nearest.Hint(name, BuiltInStages.ByName.Keys)}; expected one of {string.Join(", ", BuiltInStages.ByName.Keys)}");
        });
        return command;
    }
}
