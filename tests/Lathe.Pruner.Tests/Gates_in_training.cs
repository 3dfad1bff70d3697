using CsCheck;
using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Models;
using Lathe.NN.Data;
using Lathe.NN.Execution;
using Lathe.NN.Runtime;
using Lathe.NN.Training;
using Lathe.Pruner.Budget;
using Lathe.Pruner.Gates;
using Lathe.Testing;
using static TorchSharp.torch;

namespace Lathe.Pruner.Tests;

/// <summary>What closes a gate, what holds it closed, and what may open it again until the choice.</summary>
public sealed class Gates_in_training : IDisposable
{
    private const double LearningRate = 0.05;

    private static readonly PruneParameters Parameters =
        new() { Multiplications = 0.4, Epochs = 2, BatchSize = 32, PruningShare = 0.9, LearningRate = LearningRate };

    private readonly string _root = Directory.CreateTempSubdirectory("lathe-gates-").FullName;

    public Gates_in_training() => TorchRuntime.Configure(1);

    public static TheoryData<OptimizerKind> Optimizers => [.. Enum.GetValues<OptimizerKind>()];

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Theory]
    [MemberData(nameof(Optimizers))]
    public void A_gate_that_the_pull_closed_stays_closed_where_the_task_wants_nothing(OptimizerKind optimizer)
    {
        using var module = GraphModule.Create(SmallNetworks.Residual(), seed: 1);
        Spread(module, least: 0.05);
        using var pruning = new Pruning(module.Graph, module.Parameters, Parameters);
        var hooks = pruning.Hooks(_ => { }) with { TaskLoss = (_, _, loss) => loss.Times(0) };
        Train(module, hooks, Parameters.Epochs, images: 512, optimizer);
        Assert.InRange(pruning.Path.Sum(p => p.Closed), 3, 100);
        Assert.Equal(0, pruning.Path.Sum(p => p.Reopened));
    }

    [Fact]
    public void A_closed_channel_behind_a_ReLU_feels_the_task()
    {
        using var module = GraphModule.Create(SmallNetworks.Residual(), seed: 1);
        Spread(module, least: 0.5);
        // One channel of the stage that passes the sum, and one within the block; the shift is negative for most of a channel's values.
        string[] norms = ["stem.norm", "block.norm1", "block.norm2"];
        using (no_grad())
        {
            foreach (var norm in norms)
            {
                module.Parameters[$"{norm}.weight"][4] = tensor(0.002f);
                module.Parameters[$"{norm}.bias"][4] = tensor(-0.001f);
            }
        }

        using var pruning = new Pruning(module.Graph, module.Parameters, Parameters);
        Assert.Equal(2, pruning.Gates.Live.Sum(group => group.Count(open => !open)));
        var felt = new Dictionary<string, float>();
        var hooks = pruning.Hooks(_ => { });
        Train(module, hooks with { AfterBackward = Look }, epochs: 1, images: 32);
        Assert.All(norms, norm => Assert.NotEqual(0, felt[norm]));

        void Look(StepContext step)
        {
            foreach (var norm in norms) felt[norm] = step.Module.Parameters[$"{norm}.weight"].grad![4].item<float>();
        }
    }

    [Theory]
    [InlineData("resnet20")]
    [InlineData("resnet50@0.25")]
    [InlineData("mobilenetv2@0.25")]
    [InlineData("densenet76-12")]
    [InlineData("vgg7@0.25")]
    public void Closed_gates_make_the_network_that_surgery_starts_from(string model) =>
        Compare(Zoo.Build(model, new TensorShape(3, 32, 32), 10), seed: 4);

    [Fact]
    public void Closed_gates_make_the_network_that_surgery_starts_from_whatever_follows_a_gated_layer() =>
        Gen.Select(RandomNetworks.Wide, Gen.Int[1, 1000]).Sample(
            (graph, seed) => Compare(graph, seed), iter: 100, print: drawn => GraphJson.Write(drawn.Item1));

    [Fact]
    public void The_finish_cuts_no_open_channel_to_bring_a_closed_one_back()
    {
        var graph = SmallNetworks.Residual();
        using var scope = NewDisposeScope();
        using var module = GraphModule.Create(graph, seed: 1);
        Spread(module, least: 0.5);
        using (no_grad())
        {
            foreach (var scale in module.Parameters.Where(p => p.Key.Contains("norm", StringComparison.Ordinal) && p.Key.EndsWith(".weight", StringComparison.Ordinal)))
                scale.Value[..4] = tensor(0.001f);
        }

        using var pruning = new Pruning(graph, module.Parameters, Parameters with { Epochs = 1, PruningShare = 1, Multiplications = 0.2 });
        bool[][] open = [.. pruning.Gates.Live.Select(group => group.ToArray())];
        Assert.Contains(open, group => group.Contains(false));
        // From before they closed, the loss remembers the closed channels best.
        pruning.Gates.Sensitivity.Restore([.. open.SelectMany(group => group.Select((isOpen, c) => isOpen ? 1.0 + (0.01 * c) : 5))]);
        pruning.Hooks(_ => { }).AfterStep!(new StepContext(module, 0, 0, 1, 0, 1, LearningRate));
        foreach (var (live, was) in pruning.Finished!.Live.Zip(open))
        {
            if (live.Zip(was).Any(gate => gate is (true, false)))
                Assert.DoesNotContain(live.Zip(was), gate => gate is (false, true));
        }
    }

    private static void Compare(NetworkGraph graph, int seed)
    {
        using var scope = NewDisposeScope();
        using var module = GraphModule.Create(graph, seed: 5);
        Spread(module, least: 0, seed);
        var groups = ChannelGroups.Of(graph);
        using var gates = new ChannelGates(graph, groups, threshold: 0.3);
        var random = new Random(seed);
        using (no_grad())
        {
            foreach (var gate in gates.OwnGates.Values) gate.copy_(tensor([.. Enumerable.Range(0, (int)gate.numel()).Select(_ => (float)random.NextDouble())]));
        }

        gates.Update(module.Parameters);
        var images = randn([4, graph.Input.Channels, graph.Input.Height, graph.Input.Width], generator: new Generator(1));
        var training = module.Forward(images, training: false, gates.View, outputs: gates.Outputs);
        gates.Freeze(gates.Live);
        using var folded = GraphModule.FromTensors(graph, gates.Fold(module.Snapshot()));
        SurgeryProof.Compare(folded, folded, images);
        var expected = folded.Forward(images, training: false);
        Assert.True(training.allclose(expected, rtol: 1e-4, atol: 1e-4 * expected.abs().max().item<float>()));
    }

    /// <summary>Scales and shifts of all batch norms, by chance.</summary>
    private static void Spread(GraphModule module, double least, int seed = 2)
    {
        using var _ = no_grad();
        var random = new Random(seed);
        foreach (var norm in module.Graph.Nodes.OfType<BatchNorm>())
        {
            module.Parameters[$"{norm.Name}.weight"].copy_(tensor([.. Enumerable.Range(0, norm.Channels).Select(_ => (float)(least + ((1 - least) * random.NextDouble())))]));
            module.Parameters[$"{norm.Name}.bias"].copy_(tensor([.. Enumerable.Range(0, norm.Channels).Select(_ => (float)(random.NextDouble() - 0.5))]));
        }
    }

    private void Train(GraphModule module, TrainingHooks hooks, int epochs, int images, OptimizerKind optimizer = default)
    {
        BarImages.Write(_root, train: images, test: 64);
        var train = DataSets.Open("mnist", _root, new ImageOptions(28)).Train;
        var recipe = new TrainingRecipe(epochs, Parameters.BatchSize, LearningRate, Optimizer: optimizer);
        TrainingLoop.Run(module, train, recipe, 1, hooks, null, null, CancellationToken.None);
    }
}
