using System.Globalization;
using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Models;
using Lathe.Hosting;
using Lathe.NN.Data;
using Lathe.NN.Execution;
using Lathe.NN.Runtime;
using Lathe.NN.Training;

namespace Lathe.Benchmarks.Engine;

/// <summary>What <c>backends</c> measures.</summary>
/// <param name="Threads">Threads that libtorch computes with.</param>
/// <param name="Steps">Steps that a way makes in each of its turns.</param>
/// <param name="Rounds">Turns that each way gets.</param>
/// <param name="Models">Names of networks in the zoo.</param>
internal sealed record BackendsOptions(int Threads, int Steps, int Rounds, IReadOnlyList<string> Models)
{
    /// <exception cref="LatheException">A switch is unknown or its value unusable.</exception>
    public static BackendsOptions Parse(IReadOnlyList<string> words)
    {
        var switches = new Switches("backends", words);
        var options = new BackendsOptions(
            switches.Number("threads", CpuBudget.OfProcess), switches.Number("steps", 3), switches.Number("rounds", 5), switches.Text("models")?.Split(',') ?? ["lenet5", "resnet20"]);
        switches.RefuseOthers("--threads, --steps, --rounds and --models");
        return options;
    }
}

/// <summary><c>backends</c>: training steps with oneDNN and without, in turns, so that the machine's moods fall on all ways alike.</summary>
internal static class BackendsCommand
{
    private const int Batch = 128;
    private const int Warmup = 2;

    private static readonly Way[] Ways =
    [
        new("oneDNN, float32", Precision.Float32, OneDnn: true, Nnpack: false),
        new("without, float32", Precision.Float32, OneDnn: false, Nnpack: false),
        new("without, with NNPACK, float32", Precision.Float32, OneDnn: false, Nnpack: true),
        new("oneDNN, bfloat16", Precision.Bfloat16, OneDnn: true, Nnpack: false),
        new("without, bfloat16", Precision.Bfloat16, OneDnn: false, Nnpack: false),
    ];

    /// <summary>Measures and prints a table for each network: median and quartiles of a step, and the ratio to the first way.</summary>
    /// <exception cref="LatheException">A network is unknown, or oneDNN may not compute here.</exception>
    public static void Run(BackendsOptions options)
    {
        TorchRuntime.Configure(options.Threads);
        if (!NN.Runtime.OneDnn.State.IsOn)
            throw new LatheException($"backends: oneDNN is off ({NN.Runtime.OneDnn.State.Why}); the comparison needs a machine where it is right.");
        foreach (var model in options.Models)
            Measure(model, options);
    }

    private static void Measure(string model, BackendsOptions options)
    {
        var input = model == "lenet5" ? new TensorShape(1, 28, 28) : new TensorShape(3, 32, 32);
        var images = Images(input, (Warmup + (options.Steps * options.Rounds) + 1) * Batch);
        var graph = Zoo.Build(model, input, 10);
        var contestants = Ways.Select(way => new Contestant(way.Name, way.Precision, options.Threads, stepped => Train(graph, images, way.Precision, stepped), way.Enter)).ToList();
        try
        {
            foreach (var contestant in contestants)
            {
                contestant.Turn(Warmup);
                contestant.Forget();
            }

            for (var round = 0; round < options.Rounds; round++)
            {
                foreach (var contestant in contestants)
                    contestant.Turn(options.Steps);
            }
        }
        finally
        {
            contestants.ForEach(contestant => contestant.Dispose());
        }

        var first = Quartiles.Of(contestants[0].Milliseconds).Median;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{model}, {Batch} images a step, {options.Threads} threads: median ms of a step (quartiles), ratio"));
        foreach (var contestant in contestants)
        {
            var times = Quartiles.Of(contestant.Milliseconds);
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"  {contestant.Variant,-30} {times.Median,8:0.0} ({times.Lower:0.0} to {times.Upper:0.0}) {times.Median / first,7:0.00}"));
        }
    }

    private static void Train(NetworkGraph graph, Split images, Precision precision, Action stepped)
    {
        using var module = GraphModule.Create(graph, seed: 1);
        var recipe = new TrainingRecipe(Epochs: 1, BatchSize: Batch, LearningRate: 0.01, Precision: precision);
        TrainingLoop.Run(module, images, recipe, seed: 1, new TrainingHooks { AfterStep = _ => stepped() }, state: null, progress: null, CancellationToken.None);
    }

    private static Split Images(TensorShape input, int count)
    {
        var random = new Random(1);
        var (pixels, labels) = (new byte[count * input.Channels * input.Height * input.Width], new byte[count]);
        random.NextBytes(pixels);
        for (var i = 0; i < count; i++)
            labels[i] = (byte)random.Next(10);
        double[] half = [.. Enumerable.Repeat(0.5, input.Channels)];
        return new Split(pixels, labels, input, 10, new Normalization(half, half));
    }

    private sealed record Way(string Name, Precision Precision, bool OneDnn, bool Nnpack)
    {
        public void Enter()
        {
            ConvolutionBackends.UseOneDnn(OneDnn);
            ConvolutionBackends.UseNnpack(Nnpack);
        }
    }
}
