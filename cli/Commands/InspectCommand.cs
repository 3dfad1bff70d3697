using System.CommandLine;
using Lathe.Cli.Output;
using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Cli.Commands;

/// <summary><c>lathe inspect CHECKPOINT</c></summary>
internal static class InspectCommand
{
    public static Command Create()
    {
        var checkpoint = new Argument<string>("CHECKPOINT") { Description = "Digest, a unique start of one (4 characters or more), or a file." };
        var json = new Option<bool>("--json") { Description = "Print a JSON object." };
        var command = new DetailedCommand(
            "inspect",
            "Shows what is in a checkpoint: its layers, where its bytes go, and how it came about.",
            """
            Examples:
              lathe inspect 3f9a
              lathe inspect model.safetensors --json
            """) { checkpoint, json };
        command.SetAction(call =>
        {
            var inspection = CheckpointInspection.Of(PathOf(call.GetValue(checkpoint)!, CommonOptions.Settings(call)));
            if (call.GetValue(json)) Console.Out.WriteLine(inspection.ToJson());
            else inspection.Show(new Terminal());
        });
        return command;
    }

    private static string PathOf(string name, HostingSettings settings)
    {
        if (File.Exists(name)) return name;
        if (Directory.Exists(name)) throw new LatheException($"{name}: is a folder; expected a checkpoint's digest, the start of one, or a file");
        if (name.Contains('/', StringComparison.Ordinal) || name.Contains('.', StringComparison.Ordinal))
            throw new LatheException($"{name}: no such file; expected a checkpoint's digest, the start of one, or a file");
        var store = new CheckpointStore(settings);
        return store.PathOf(store.Find(name));
    }
}
