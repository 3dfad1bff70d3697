using System.Text.Json;
using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.Hosting;
using Lathe.NN.Checkpoints;
using Lathe.NN.Execution;
using Lathe.NN.Runtime;
using Lathe.Testing;

namespace Lathe.Quantizer.Tests;

/// <summary>The stage with a network to quantize, and images that a network learns in a moment.</summary>
internal sealed class QuantizerTrial : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("lathe-quantizer-").FullName;
    private readonly StageTrial _trial;

    /// <param name="graph">For images of 1 x 28 x 28; its weights come from a seed.</param>
    public QuantizerTrial(NetworkGraph graph)
    {
        BarImages.Write(Path.Combine(_root, "data"), train: 1024, test: 64);
        _trial = new StageTrial(Settings) { Logger = Warned, OnProgress = Reports.Add };
        TorchRuntime.Configure(1);
        using var module = GraphModule.Create(graph, seed: 1);
        using var checkpoint = new Checkpoint(graph, module.Snapshot(), Lineage.Empty, new Dictionary<string, WeightFormat>());
        Float = _trial.Checkpoints.Write(stream => CheckpointFile.Write(stream, checkpoint));
    }

    /// <summary>Their reports of progress.</summary>
    public List<StageProgress> Reports { get; } = [];

    /// <summary>What runs warned of.</summary>
    public Warnings Warned { get; } = new();

    /// <summary>The network as it was.</summary>
    public CheckpointRef Float { get; }

    public string Data => Path.Combine(_root, "data");

    private HostingSettings Settings => HostingSettings.In(Path.Combine(_root, "home")) with
    {
        Data = Data,
        Threads = 1,
        SlotFolder = Path.Combine(_root, "slots"),
    };

    public StageOutcome Run(object parameters, long seed = 1, CheckpointRef? input = null) =>
        _trial.Run<QuantizeStage, QuantizeParameters>(JsonSerializer.SerializeToElement(parameters), "mnist", input ?? Float, seed);

    /// <summary>The same, stopped after its first step and after so many more, and gone on with.</summary>
    public (StageOutcome Outcome, int Stops) RunInterrupted(object parameters, params int[] steps) =>
        Interrupted.Run<QuantizeStage, QuantizeParameters>(Settings, JsonSerializer.SerializeToElement(parameters), "mnist", Float, [1, .. steps]);

    public Checkpoint Read(CheckpointRef checkpoint) => CheckpointFile.Read(PathOf(checkpoint));

    public CheckpointHeader ReadHeader(CheckpointRef checkpoint) => CheckpointHeader.Read(PathOf(checkpoint));

    public string PathOf(CheckpointRef checkpoint) => _trial.Checkpoints.PathOf(checkpoint);

    public void Dispose() => Directory.Delete(_root, recursive: true);
}
