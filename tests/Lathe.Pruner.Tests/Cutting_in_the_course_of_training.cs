using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Models;
using Lathe.Graph.Sizing;
using Lathe.NN.Data;
using Lathe.NN.Execution;
using Lathe.NN.Runtime;
using Lathe.NN.Training;
using Lathe.Testing;

namespace Lathe.Pruner.Tests;

/// <summary>Fine-tuning the cut network is fine-tuning the whole one with its channels closed, at less cost.</summary>
public sealed class Cutting_in_the_course_of_training : IDisposable
{
    private static readonly PruneParameters Parameters = new() { Multiplications = 0.4, Epochs = 2, BatchSize = 32, PruningShare = 0.9 };

    private readonly string _root = Directory.CreateTempSubdirectory("lathe-cut-").FullName;
    private readonly NetworkGraph _graph = Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10);
    private readonly Split _train;

    public Cutting_in_the_course_of_training()
    {
        TorchRuntime.Configure(1);
        BarImages.Write(_root, train: 512, test: 64);
        _train = DataSets.Open("mnist", _root, new ImageOptions(28)).Train;
    }

    public static TheoryData<PruneMethod, OptimizerKind> Trainings =>
        new MatrixTheoryData<PruneMethod, OptimizerKind>([PruneMethod.Hfp, PruneMethod.L1], Enum.GetValues<OptimizerKind>());

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Theory]
    [MemberData(nameof(Trainings))]
    public void Momentum_and_averages_are_cut_with_the_network(PruneMethod method, OptimizerKind optimizer)
    {
        // The choice shortly before the end, a learning rate at which rounding stays rounding, and momentum enough to be missed if it were lost.
        var recipe = new TrainingRecipe(Parameters.Epochs, Parameters.BatchSize, 0.002, Momentum: 0.95, Optimizer: optimizer, AverageDecay: 0.9);
        var closed = Train(method, recipe, early: false);
        var cut = Train(method, recipe, early: true);
        Assert.True(Complexity.Of(cut.Graph).Multiplications < 0.4 * Complexity.Of(_graph).Multiplications);
        foreach (var (name, expected) in closed.Values)
        {
            var largest = expected.Max(Math.Abs);
            Assert.Equal(expected.Length, cut.Values[name].Length);
            for (var i = 0; i < expected.Length; i++)
                Assert.True(Math.Abs(expected[i] - cut.Values[name][i]) <= 1e-3 * largest, $"{name}[{i}]: {cut.Values[name][i]}, expected {expected[i]} of {largest}");
        }
    }

    /// <summary>The network that training ends with, with closed channels cut out of it by then.</summary>
    private (NetworkGraph Graph, Dictionary<string, float[]> Values) Train(PruneMethod method, TrainingRecipe recipe, bool early)
    {
        using var module = GraphModule.Create(_graph, seed: 1);
        using var pruning = new Pruning(_graph, module.Parameters, Parameters with { Method = method });
        using var cut = new EarlyCut(module, pruning, _train);
        var hooks = pruning.Hooks(_ => { });
        TrainingLoop.Run(module, _train, recipe, 1, early ? cut.Around(hooks) : hooks, null, null, CancellationToken.None);
        if (!early)
        {
            // As it is done where training ends with the choice.
            cut.Around(hooks).Cut!();
        }

        var values = cut.Module!.Snapshot();
        try
        {
            return (cut.Module.Graph, values.ToDictionary(p => p.Key, p => p.Value.data<float>().ToArray()));
        }
        finally
        {
            foreach (var tensor in values.Values) tensor.Dispose();
        }
    }
}
