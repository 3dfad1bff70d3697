using System.CommandLine;
using Lathe.Cli.Output;
using Lathe.Cli.Sources;

namespace Lathe.Cli.Commands;

/// <summary><c>lathe inspect CHECKPOINT</c></summary>
internal static class InspectCommand
{
    public static Command Create()
    {
        var checkpoint = new Argument<string>("CHECKPOINT") { Description = CheckpointSource.Description };
        var json = new Option<bool>("--json") { Description = "Print a JSON object." };
        var command = new DetailedCommand(
            "inspect",
            "Shows a checkpoint: its layers, the size of each part, and its history. Of an ONNX file, shows the network that would be imported.",
            """
            Examples:
              lathe inspect 3f9a
              lathe inspect 3f9a --coordinator http://host:5080
              lathe inspect model.safetensors --json
              lathe inspect net.onnx
            """) { checkpoint, json };
        command.SetAction(async (call, stop) =>
        {
            var terminal = new Terminal(call.GetValue(json));
            var inspection = CheckpointInspection.Of(await CommonOptions.Checkpoints(call, terminal).PathOfAsync(call.GetValue(checkpoint)!, stop));
            if (call.GetValue(json)) Console.Out.WriteLine(inspection.ToJson());
            else inspection.Show(terminal);
            return LatheCommand.Success;
        });
        return command;
    }
}
