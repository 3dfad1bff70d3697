using System.Runtime.InteropServices;
using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Panels;
using Lathe.Graph;
using Lathe.Hosting;

namespace Lathe.Coordinator.Tests;

/// <summary>Writes a checkpoint of one convolution with <c>epochs</c> + 1 channels, every weight the same, without computing anything.</summary>
public sealed class NetworkStage : IStage<MakeParameters>
{
    public const float Weight = 0.5f;

    public static StageManifest Manifest { get; } = new("network", "1", "Writes a network.", StageInput.Model, Contracts.StageOutput.Checkpoint);

    public StageOutcome Run(StageRun run, MakeParameters parameters)
    {
        var channels = parameters.Epochs + 1;
        var graph = new NetworkGraph(parameters.Model, new TensorShape(1, 8, 8), [new Conv2d("conv", ["input"], 1, channels, 3), new Flatten("flatten", ["conv"])], "flatten");
        var values = Enumerable.Repeat(Weight, channels * 9).ToArray();
        var metadata = new Dictionary<string, string>
        {
            ["lathe.format"] = "1", ["lathe.graph"] = GraphJson.Write(graph), ["lathe.lineage"] = """{"dense":null,"steps":[]}""", ["lathe.quantization"] = "{}",
        };
        var header = JsonSerializer.SerializeToUtf8Bytes(new Dictionary<string, object>
        {
            ["__metadata__"] = metadata,
            ["conv.weight"] = new { dtype = "F32", shape = (int[])[channels, 1, 3, 3], data_offsets = (int[])[0, values.Length * 4] },
        });
        return new StageOutcome(
            run.Write(to =>
            {
                to.Write(BitConverter.GetBytes((long)header.Length));
                to.Write(header);
                to.Write(MemoryMarshal.AsBytes(values.AsSpan()));
            }),
            new Dictionary<string, double>(),
            Panels: [new BarChart("bars", "Widths", "channels", ["conv"], [new BarSeries("now", [channels])])]);
    }
}
