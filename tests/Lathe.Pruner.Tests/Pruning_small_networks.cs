using System.Text.Json;
using CsCheck;
using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.Graph.Sizing;
using Lathe.Hosting;
using Lathe.NN.Checkpoints;
using Lathe.NN.Execution;
using Lathe.NN.FixedPoint;
using Lathe.NN.Runtime;
using Lathe.Testing;

namespace Lathe.Pruner.Tests;

/// <summary>The whole stage with every method, on networks that tie channels and have layers without batch norm.</summary>
[Trait("oneDNN", "on and off")]
public sealed class Pruning_small_networks : IDisposable
{
    // 448 images are left to train on.
    private const int StepsPerEpoch = 14;
    private const int Epochs = 2;

    private readonly string _root = Directory.CreateTempSubdirectory("lathe-small-").FullName;

    public Pruning_small_networks()
    {
        BarImages.Write(Path.Combine(_root, "data"), train: 512, test: 64);
        TorchRuntime.Configure(1);
    }

    public static TheoryData<PruneMethod, string> Runs => new MatrixTheoryData<PruneMethod, string>(Enum.GetValues<PruneMethod>(), ["residual", "depthwise"]);

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Theory]
    [MemberData(nameof(Runs))]
    public void Both_budgets_hold_and_a_stop_at_a_random_step_changes_no_bit(PruneMethod method, string network)
    {
        var dense = Dense(network);
        var parameters = Parameters(method, new { });
        var trial = new StageTrial(Settings("undisturbed"));
        var undisturbed = trial.Run<PruneStage, PruneParameters>(parameters, "mnist", dense);
        var (before, after) = (Complexity.Of(Graph(network)), Complexity.Of(CheckpointHeader.Read(trial.Checkpoints.PathOf(undisturbed.Output)).Graph));
        Assert.InRange(after.Multiplications, 1, 0.4 * before.Multiplications);
        Assert.InRange(after.Parameters, 1, 0.5 * before.Parameters);
        Assert.InRange(undisturbed.Metrics["surgeryLogitDifference"], 0, SurgeryProof.Bound);

        Gen.Int[1, (StepsPerEpoch * Epochs) - 1].Sample(step =>
        {
            var (outcome, stops) = Interrupted.Run<PruneStage, PruneParameters>(Settings("interrupted"), parameters, "mnist", dense, step);
            Assert.Equal(1, stops);
            Assert.Equal(undisturbed.Output, outcome.Output);
        }, iter: 1);
    }

    [Fact]
    public void A_network_with_rounded_activations_is_cut_although_sums_in_another_order_round_otherwise()
    {
        var trial = new StageTrial(Settings("home"));
        var made = trial.Run<PruneStage, PruneParameters>(Parameters(PruneMethod.L1, new { epochs = 1 }), "mnist", Dense("rounded"));
        Assert.InRange(made.Metrics["surgeryLogitDifference"], 0, SurgeryProof.Bound);
        Assert.Contains(CheckpointHeader.Read(trial.Checkpoints.PathOf(made.Output)).Graph.Nodes, node => node is Quantize);
    }

    [Fact]
    public void Methods_that_need_no_training_fine_tune_for_all_of_it()
    {
        var phases = new List<string>();
        new StageTrial(Settings("home")) { OnProgress = progress => phases.Add(progress.Phase) }
            .Run<PruneStage, PruneParameters>(Parameters(PruneMethod.L1, new { epochs = 1 }), "mnist", Dense("residual"));
        Assert.NotEmpty(phases);
        Assert.All(phases, phase => Assert.Equal("fine-tuning", phase));
    }

    [Theory]
    [InlineData("float32")]
    [InlineData("bfloat16")]
    public void Distillation_changes_the_weights_and_no_share_of_it_changes_nothing(string precision)
    {
        var dense = Dense("residual");
        var plain = Weights(new { epochs = 1, precision });
        Assert.Equal(plain, Weights(new { epochs = 1, precision, distill = 0.0, distillTemperature = 2.0 }));
        var distilled = Weights(new { epochs = 1, precision, distill = 0.5 });
        Assert.NotEqual(plain, distilled);
        Assert.NotEqual(distilled, Weights(new { epochs = 1, precision, distill = 0.5, distillTemperature = 2.0 }));

        float[] Weights(object more)
        {
            var trial = new StageTrial(Settings("home"));
            var made = trial.Run<PruneStage, PruneParameters>(Parameters(PruneMethod.L1, more), "mnist", dense);
            using var checkpoint = CheckpointFile.Read(trial.Checkpoints.PathOf(made.Output));
            return [.. checkpoint.Tensors.OrderBy(t => t.Key, StringComparer.Ordinal).SelectMany(t => t.Value.data<float>().ToArray())];
        }
    }

    private static NetworkGraph Graph(string network) => network switch
    {
        "residual" => SmallNetworks.Residual(),
        "depthwise" => SmallNetworks.Depthwise(),
        _ => Rounded(SmallNetworks.Wide()),
    };

    /// <summary>With steps of 1/64 after every layer: thousands of values lie so near a tie that the last bit of a sum decides.</summary>
    private static NetworkGraph Rounded(NetworkGraph graph) =>
        ActivationPoints.Insert(graph, ActivationPoints.Of(graph).ToDictionary(point => point.Tensor, point => (Fraction: 6, point.Signed)), bits: 8);

    private static JsonElement Parameters(PruneMethod method, object more)
    {
        var all = new Dictionary<string, object>
        {
            ["method"] = JsonNamingPolicy.CamelCase.ConvertName(method.ToString()),
            ["multiplications"] = 0.4,
            ["parameters"] = 0.5,
            ["epochs"] = Epochs,
            ["batchSize"] = 32,
            ["learningRate"] = 0.02,
            ["validation"] = 0.125,
        };
        foreach (var property in JsonSerializer.SerializeToElement(more).EnumerateObject()) all[property.Name] = property.Value;
        return JsonSerializer.SerializeToElement(all);
    }

    private HostingSettings Settings(string home) => HostingSettings.In(Path.Combine(_root, home)) with
    {
        Data = Path.Combine(_root, "data"),
        Threads = 1,
        SlotFolder = Path.Combine(_root, "slots"),
    };

    /// <summary>An untrained network, in every store.</summary>
    private CheckpointRef Dense(string network)
    {
        var graph = Graph(network);
        using var module = GraphModule.Create(graph, seed: 1);
        using var checkpoint = new Checkpoint(graph, module.Snapshot(), Lineage.Empty, new Dictionary<string, WeightFormat>());
        return new[] { "home", "undisturbed", "interrupted" }
            .Select(home => new CheckpointStore(Settings(home)).Write(stream => CheckpointFile.Write(stream, checkpoint))).Distinct().Single();
    }
}
