using Lathe.NN.Data;
using Lathe.NN.Execution;
using Lathe.NN.Runtime;
using Lathe.NN.Training;
using Lathe.Pruner;
using Lathe.Quantizer;
using Lathe.Quantizer.Weights;
using TorchSharp.Modules;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;
using SymogPrior = Lathe.Quantizer.Methods.Symog;

namespace Lathe.Benchmarks.Engine;

/// <summary>
/// The ways to train a network. All load the same images through the same loader and read the loss at every step; all parameters decay.
/// </summary>
internal sealed class Contestants(Workload workload, Split images, int threads)
{
    public const string Plain = "plain";
    public const string PlainChannelsLast = "plain-channels-last";
    public const string Lathe = "lathe";
    public const string LatheBfloat16 = "lathe-bfloat16";
    public const string LatheHfp = "lathe-hfp";
    public const string LatheSymog = "lathe-symog";
    public const string LatheSettling = "lathe-symog-settling";
    public const string LatheDistilled = "lathe-distilled";
    public const string LatheClosed = "lathe-half-closed";
    public const string LatheCut = "lathe-half-cut";

    private const double LearningRate = 0.01;
    private const double Momentum = 0.9;
    private const double WeightDecay = 5e-4;

    private static readonly string[] Methods = [LatheHfp, LatheSymog, LatheSettling, LatheDistilled, LatheClosed, LatheCut];

    /// <summary>All there are, in the order of the table.</summary>
    public static IReadOnlyList<string> Known { get; } = [Plain, PlainChannelsLast, Lathe, LatheBfloat16, .. Methods];

    /// <summary>Those that this network is measured with.</summary>
    public IReadOnlyList<string> Names { get; } = [.. Known.Where(name => workload.HasMethods || !Methods.Contains(name))];

    /// <summary>Starts one.</summary>
    public Contestant Create(string name) => name switch
    {
        Plain => new Contestant(name, Precision.Float32, threads, stepped => ByHand(channelsLast: false, stepped)),
        PlainChannelsLast => new Contestant(name, Precision.Float32, threads, stepped => ByHand(channelsLast: true, stepped)),
        Lathe => new Contestant(name, Precision.Float32, threads, stepped => FromGraph(Precision.Float32, stepped)),
        LatheBfloat16 => new Contestant(name, Precision.Bfloat16, threads, stepped => FromGraph(Precision.Bfloat16, stepped)),
        LatheHfp => new Contestant(name, Precision.Float32, threads, Hfp),
        LatheSymog => new Contestant(name, Precision.Float32, threads, stepped => Symog(progress: 0.5, stepped)),
        LatheSettling => new Contestant(name, Precision.Float32, threads, stepped => Symog(progress: 0.9, stepped)),
        LatheDistilled => new Contestant(name, Precision.Float32, threads, Distilled),
        LatheClosed => new Contestant(name, Precision.Float32, threads, stepped => FineTune(cut: false, stepped)),
        LatheCut => new Contestant(name, Precision.Float32, threads, stepped => FineTune(cut: true, stepped)),
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, "no such contestant"),
    };

    private TrainingRecipe Recipe => new(
        Epochs: 1,
        BatchSize: workload.Batch,
        LearningRate: LearningRate,
        Schedule: LearningRateSchedule.Constant,
        Momentum: Momentum,
        WeightDecay: WeightDecay,
        DecayNormAndBias: true);

    private void ByHand(bool channelsLast, Action stepped)
    {
        using var network = workload.ByHand(workload.Classes);
        if (channelsLast)
            StoreChannelsLast(network);
        using var optimizer = optim.SGD(network.parameters(), LearningRate, Momentum, weight_decay: WeightDecay);
        network.train();
        foreach (var batch in new BatchLoader(images, workload.Batch, seed: 1).Epoch(0))
        {
            using (NewDisposeScope())
            using (batch)
            {
                optimizer.zero_grad();
                var logits = network.call(channelsLast ? ChannelsLast(batch.Images) : batch.Images);
                var loss = F.cross_entropy(logits, batch.Labels);
                loss.backward();
                optimizer.step();
                if (!float.IsFinite(loss.item<float>()))
                    throw new InvalidOperationException("the loss is no number");
            }

            stepped();
        }
    }

    private void FromGraph(Precision precision, Action stepped)
    {
        using var module = GraphModule.Create(workload.Graph, seed: 1);
        Train(module, Recipe with { Precision = precision }, new TrainingHooks { AfterStep = _ => stepped() });
    }

    /// <summary>HFP in the middle of its work: half of the channels are closed, and the target still pulls.</summary>
    private void Hfp(Action stepped)
    {
        using var module = GraphModule.Create(workload.Graph, seed: 1);
        var parameters = new PruneParameters
        {
            Multiplications = 0.2,
            GlideShare = 0,
            PruningShare = 1,
            // One epoch is trained: the exact finish, which comes once, is never reached.
            Epochs = 2,
        };
        CloseEverySecondChannel(module, parameters.Threshold);
        using var pruning = new Pruning(module.Graph, module.Parameters, parameters);
        Train(module, Recipe, pruning.Hooks(_ => stepped()));
    }

    /// <summary>After the choice: half of the multiplications gone, their channels only closed or cut out of the network.</summary>
    private void FineTune(bool cut, Action stepped)
    {
        using var module = GraphModule.Create(workload.Graph, seed: 1);
        var parameters = new PruneParameters { Method = PruneMethod.Uniform, Multiplications = 0.5, Epochs = 1 };
        using var pruning = new Pruning(module.Graph, module.Parameters, parameters);
        using var small = new EarlyCut(module, pruning, images);
        var hooks = pruning.Hooks(_ => stepped());
        Train(module, Recipe, cut ? small.Around(hooks) : hooks);
    }

    /// <summary>SYMOG as it is at one moment of its schedule: over the last fifth weights also settle at their modes.</summary>
    private void Symog(double progress, Action stepped)
    {
        using var module = GraphModule.Create(workload.Graph, seed: 1);
        var parameters = new QuantizeParameters { Bits = 2 };
        var tensors = module.Parameters.ToDictionary(p => p.Key, p => (Tensor)p.Value);
        var hooks = SymogPrior.Hooks(new QuantizedWeights(module.Parameters, StepSizes.Choose(tensors, StepSizes.BitsByLayer(module.Graph, parameters))), parameters);
        Train(module, Recipe, new TrainingHooks
        {
            AfterBackward = step => hooks.AfterBackward!(step with { Progress = progress }),
            AfterStep = step =>
            {
                hooks.AfterStep!(step with { Progress = progress });
                stepped();
            },
        });
    }

    private void Distilled(Action stepped)
    {
        using var module = GraphModule.Create(workload.Graph, seed: 1);
        var teacher = module.Parameters.Select(p => KeyValuePair.Create(p.Key, (Tensor)p.Value)).Concat(module.Buffers).ToDictionary();
        using var distillation = Distillation.By(workload.Graph, teacher, share: 0.9, temperature: 4, Precision.Float32, CPU)!;
        Train(module, Recipe, new TrainingHooks { TaskLoss = distillation.Loss, AfterStep = _ => stepped() });
    }

    private void Train(GraphModule module, TrainingRecipe recipe, TrainingHooks hooks) =>
        TrainingLoop.Run(module, images, recipe, seed: 1, hooks, state: null, progress: null, CancellationToken.None);

    private static void CloseEverySecondChannel(GraphModule module, double threshold)
    {
        using var noGradient = no_grad();
        foreach (var (name, parameter) in module.Parameters.Where(p => module.Buffers.ContainsKey(NormOf(p.Key) + ".running_mean")))
        {
            if (!name.EndsWith(".weight", StringComparison.Ordinal))
                continue;
            using var odd = parameter[TensorIndex.Slice(1, null, 2)];
            using var small = tensor((float)threshold / 2);
            odd.copy_(small);
        }
    }

    private static string NormOf(string parameter) => parameter[..parameter.LastIndexOf('.')];

    /// <summary>The same values with each pixel's channels side by side; TorchSharp has no word for it.</summary>
    private static Tensor ChannelsLast(Tensor x) => x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2);

    private static void StoreChannelsLast(PlainResNet network)
    {
        using var scope = NewDisposeScope();
        foreach (var conv in network.modules().OfType<Conv2d>())
        {
            var weight = new Parameter(ChannelsLast(conv.weight.detach()));
            weight.DetachFromDisposeScope();
            conv.weight = weight;
        }
    }
}
