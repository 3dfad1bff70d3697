using System.Text;
using CsCheck;
using Lathe.Contracts;
using Lathe.Graph;
using Lathe.NN.Data;
using Lathe.NN.Execution;
using Lathe.NN.Runtime;
using Lathe.NN.Training;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Lathe.NN.Tests.Training;

[Trait("oneDNN", "on and off")]
public class TrainingLoopTests
{
    private static readonly TrainingRecipe Recipe = new(
        Epochs: 4, BatchSize: 16, LearningRate: 0.05, Nesterov: true, WarmupEpochs: 0.5, LabelSmoothing: 0.1, Augmentation: new Augmentation(1, true, 2));

    public TrainingLoopTests() => TorchRuntime.Configure(1);

    [Fact]
    public void Training_learns_and_says_how_it_went()
    {
        using var module = GraphModule.Create(Samples.Network(), 1);
        var reports = new List<StageProgress>();
        var recipe = new TrainingRecipe(8, 16, 0.05);
        var history = TrainingLoop.Run(module, Samples.Images(), recipe, 1, null, null, new Collect(reports), CancellationToken.None);

        Assert.Equal(8, history.Epochs.Count);
        Assert.True(history.Epochs[^1].Loss < history.Epochs[0].Loss / 2);
        var result = Evaluation.Run(module, Samples.Images(90, seed: 6), 32);
        Assert.True(result.Top1 > 0.95, $"top-1 is {result.Top1}");
        Assert.Equal(90, result.Predictions.Length);
        Assert.Equal(8, reports[^1].Epoch);
        Assert.Equal(0, reports[^1].SecondsLeft);
        Assert.True(reports[^1].ImagesPerSecond > 0);
    }

    [Fact]
    public void A_batch_of_one_image_is_refused_where_a_batch_norm_would_see_one_value()
    {
        Assert.All(Train(Samples.Network(), new TrainingRecipe(1, 1, 0.01)), weight => Assert.True(float.IsFinite(weight)));
        var net = new GraphBuilder("flat", Samples.Network().Input);
        net.Flatten("flatten");
        net.Linear("hidden", 8);
        net.BatchNorm("norm");
        net.Linear("logits", 3);
        var flat = net.Build();
        var error = Assert.Throws<LatheException>(() => Train(flat, new TrainingRecipe(1, 1, 0.01)));
        Assert.Contains("'norm'", error.Message, StringComparison.Ordinal);
        Assert.Contains("choose 2 or more", error.Message, StringComparison.Ordinal);
        Assert.All(Train(flat, new TrainingRecipe(1, 2, 0.01)), weight => Assert.True(float.IsFinite(weight)));

        static List<float> Train(NetworkGraph graph, TrainingRecipe recipe)
        {
            using var module = GraphModule.Create(graph, 1);
            TrainingLoop.Run(module, Samples.Images(), recipe, 1, null, null, null, CancellationToken.None);
            return [.. module.Snapshot().Values.SelectMany(values => values.data<float>().ToArray())];
        }
    }

    [Theory]
    [InlineData(OptimizerKind.Sgd)]
    [InlineData(OptimizerKind.AdamW)]
    public void Stopped_at_any_step_and_resumed_training_ends_with_the_same_bits(OptimizerKind optimizer)
    {
        var recipe = optimizer == OptimizerKind.Sgd
            ? Recipe
            : Recipe with { Optimizer = optimizer, Nesterov = false, LearningRate = 0.01, GradientClip = 0.5, AverageDecay = 0.9, Schedule = LearningRateSchedule.Step, StepEpochs = 1 };
        var undisturbed = Train(new MemoryState(), [], out var stops, recipe: recipe);
        Assert.Equal(0, stops);
        // 6 steps in each of 4 epochs: single steps, an epoch's end, many at once.
        Assert.Equal(undisturbed, Train(new MemoryState(), [1, 4, 6, 7, 13, 20, 22], out stops, recipe: recipe));
        Assert.InRange(stops, 6, 7);
        Gen.Int[1, 23].Sample(step => Assert.Equal(undisturbed, Train(new MemoryState(), [step], out _, recipe: recipe)), iter: 1);
        Assert.NotEqual(undisturbed, Train(new MemoryState(), [], out _, seed: 3, recipe: recipe));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(0.9)]
    public void Measuring_after_each_epoch_changes_no_bit_and_sees_what_training_would_end_with(double averageDecay)
    {
        var recipe = Recipe with { AverageDecay = averageDecay };
        var reports = new List<StageProgress>();
        var undisturbed = Weights(null, null);
        var measured = Weights(context => new Dictionary<string, double> { ["top1"] = Evaluation.Run(context.Module, Samples.Images(90, seed: 6), 32).Loss }, new Collect(reports));

        Assert.Equal(undisturbed, measured);
        var epochs = reports.Where(r => r.LastEpoch is not null).DistinctBy(r => r.LastEpoch!.Epoch).Select(r => r.LastEpoch!.Metrics!["top1"]).ToList();
        Assert.Equal(4, epochs.Distinct().Count());

        List<float> Weights(Func<StepContext, IReadOnlyDictionary<string, double>>? measure, IProgress<StageProgress>? progress)
        {
            using var module = GraphModule.Create(Samples.Network(), 1);
            TrainingLoop.Run(module, Samples.Images(), recipe, 1, new TrainingHooks { Measure = measure }, null, progress, CancellationToken.None);
            // The last epoch's figure is that of the network that is left.
            if (progress is not null) Assert.Equal(Evaluation.Run(module, Samples.Images(90, seed: 6), 32).Loss, reports[^1].LastEpoch!.Metrics!["top1"]);
            return [.. module.Snapshot().Values.SelectMany(values => values.data<float>().ToArray())];
        }
    }

    [Fact]
    public void A_worker_that_is_lost_goes_on_from_the_last_epoch()
    {
        var undisturbed = Train(new MemoryState(), [], out _);
        var state = new MemoryState();
        using (var module = GraphModule.Create(Samples.Network(), 2))
        using (var stage = new SampleStage())
        {
            var hooks = stage.Hooks with { AfterStep = context => { stage.Hooks.AfterStep!(context); if (context.GlobalStep == 15) throw new IOException("lost"); } };
            Assert.Throws<IOException>(() => TrainingLoop.Run(module, Samples.Images(), Recipe, 2, hooks, state, null, CancellationToken.None));
        }

        Assert.Equal(2, state.Saves);
        Assert.Equal(undisturbed, Train(state, [], out _));
    }

    [Fact]
    public void Finished_training_is_not_repeated()
    {
        var state = new MemoryState();
        var first = Train(state, [], out _);
        Assert.Equal(first, Train(state, [], out _));
    }

    [Fact]
    public void Another_seed_refuses_the_saved_state()
    {
        var state = new MemoryState();
        Train(state, [], out _);
        Assert.Throws<LatheException>(() => Train(state, [], out _, seed: 9));
    }

    [Fact]
    public void A_damaged_state_is_told_of_and_training_starts_over_to_the_same_bits()
    {
        var undisturbed = Train(new MemoryState(), [], out _);
        var saved = Saved();
        var data = 8 + (int)BitConverter.ToInt64(saved);
        Assert.Equal(undisturbed, StartsOver("garbage in here"u8.ToArray(), "is not a sound safetensors file"));
        Assert.Equal(undisturbed, StartsOver([], "is not a sound safetensors file"));
        foreach (var length in (int[])[1, 8, data / 2, data, data + 1, saved.Length - 1])
            Assert.Equal(undisturbed, StartsOver(saved[..length], "is not a sound safetensors file"));
        Assert.Equal(undisturbed, StartsOver([.. saved, 0], "is not a sound safetensors file"));
        foreach (var place in (int[])[data, (data + saved.Length) / 2, saved.Length - 1])
            Assert.Equal(undisturbed, StartsOver(Flipped(saved, place, 1), "its content does not have the checksum"));
        Assert.Equal(undisturbed, StartsOver(Changed("Step\\\":1,", "Step\\\":2,"), "its content does not have the checksum"));
        Assert.Equal(undisturbed, StartsOver(Changed("conv1.weight", "conv2.weighs"), "its content does not have the checksum"));
        Assert.Equal(undisturbed, StartsOver(Changed("\"sha256\"", "\"sha255\""), "has no checksum"));
        Assert.Equal(undisturbed, StartsOver(Changed("\"training\"", "\"trainimg\""), "does not say how far training was"));

        byte[] Changed(string from, string to)
        {
            var text = Encoding.Latin1.GetString(saved);
            Assert.Contains(from, text, StringComparison.Ordinal);
            return Encoding.Latin1.GetBytes(text.Replace(from, to, StringComparison.Ordinal));
        }
    }

    [Fact]
    public void Whatever_bit_of_a_state_has_changed_training_ends_with_the_same_bits()
    {
        var undisturbed = Train(new MemoryState(), [], out _);
        var saved = Saved();
        Gen.Select(Gen.Int[0, saved.Length - 1], Gen.Int[0, 7]).Sample(
            (place, bit) => Assert.Equal(undisturbed, Train(new MemoryState { Bytes = Flipped(saved, place, bit) }, [], out _)), iter: 40, threads: 1);
    }

    [Fact]
    public void A_state_that_cannot_be_read_now_is_not_taken_for_damaged()
    {
        var error = Assert.Throws<LatheException>(() =>
        {
            using var module = GraphModule.Create(Samples.Network(), 2);
            TrainingLoop.Run(module, Samples.Images(), Recipe, 2, null, new UnreadableState(), null, CancellationToken.None);
        });
        Assert.Equal(FailureKind.Transient, error.Kind);
    }

    /// <summary>The state in the middle of the third epoch.</summary>
    private static byte[] Saved()
    {
        var state = new MemoryState();
        using var module = GraphModule.Create(Samples.Network(), 2);
        using var stage = new SampleStage();
        using var stop = new CancellationTokenSource();
        var hooks = stage.Hooks with { AfterStep = context => { stage.Hooks.AfterStep!(context); if (context.GlobalStep == 12) stop.Cancel(); } };
        Assert.Throws<OperationCanceledException>(() => TrainingLoop.Run(module, Samples.Images(), Recipe, 2, hooks, state, null, stop.Token));
        return state.Bytes!;
    }

    private static byte[] Flipped(byte[] bytes, int place, int bit)
    {
        byte[] flipped = [.. bytes];
        flipped[place] ^= (byte)(1 << bit);
        return flipped;
    }

    private static string StartsOver(byte[] bytes, string expected)
    {
        var state = new MemoryState { Bytes = bytes };
        var digest = Train(state, [], out _);
        Assert.Contains(expected, Assert.Single(state.Damages), StringComparison.Ordinal);
        return digest;
    }

    private sealed class UnreadableState : ITrainingState
    {
        public Stream Open() => new Broken(new byte[5000]);

        public void Save(Action<Stream> write) => throw new InvalidOperationException();

        public void Damaged(string how) => throw new InvalidOperationException(how);

        private sealed class Broken(byte[] bytes) : MemoryStream(bytes)
        {
            public override int Read(byte[] buffer, int offset, int count) => throw new IOException("the disk is gone");

            public override int Read(Span<byte> buffer) => throw new IOException("the disk is gone");
        }
    }

    [Fact]
    public void Steps_leave_no_tensors_behind()
    {
        using var module = GraphModule.Create(Samples.Network(), 1);
        using var stage = new SampleStage();
        var counts = new List<long>();
        var hooks = stage.Hooks with { AfterEpoch = _ => counts.Add(DisposeScopeManager.Statistics.ThreadTotalLiveCount) };
        TrainingLoop.Run(module, Samples.Images(), new TrainingRecipe(6, 16, 0.01), 1, hooks, new MemoryState(), null, CancellationToken.None);
        Assert.Equal(6, counts.Count);
        Assert.All(counts, count => Assert.Equal(counts[1], count));
    }

    [Fact]
    public void A_loss_that_is_no_number_is_reported_with_its_place()
    {
        using var module = GraphModule.Create(Samples.Network(), 1);
        var hooks = new TrainingHooks { LossTerm = context => context.GlobalStep == 8 ? tensor(float.NaN) : null };
        var error = Assert.Throws<LatheException>(() =>
            TrainingLoop.Run(module, Samples.Images(), new TrainingRecipe(4, 16, 0.05), 1, hooks, null, null, CancellationToken.None));
        Assert.Contains("epoch 2 of 4, step 3 of 6, at learning rate 0.0", error.Message, StringComparison.Ordinal);
        // Of what only some stages have, those speak.
        Assert.EndsWith(". Try a smaller learningRate.", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("fc.weight")]
    [InlineData("bn1.running_var")]
    public void A_step_that_ruins_the_weights_ends_training_and_is_not_saved(string name)
    {
        using var module = GraphModule.Create(Samples.Network(), 1);
        var state = new MemoryState();
        // The last of the second epoch's six steps: no loss is computed with them any more.
        var hooks = new TrainingHooks
        {
            AfterStep = context =>
            {
                if (context.GlobalStep == 11) (module.Parameters.TryGetValue(name, out var parameter) ? parameter : module.Buffers[name]).copy_(tensor(float.PositiveInfinity));
            },
        };
        var error = Assert.Throws<LatheException>(() =>
            TrainingLoop.Run(module, Samples.Images(), new TrainingRecipe(2, 16, 0.05), 1, hooks, state, null, CancellationToken.None));
        Assert.Contains($"{name} has values that are no finite numbers in epoch 2 of 2, step 6 of 6", error.Message, StringComparison.Ordinal);
        Assert.Equal(1, state.Saves);
    }

    [Fact]
    public void The_learning_rate_follows_its_schedule()
    {
        var cosine = new TrainingRecipe(10, LearningRate: 0.1, FinalLearningRate: 0.01, WarmupEpochs: 2);
        Assert.Equal(0.1 / 20, cosine.LearningRateAt(0, 10), 12);
        Assert.Equal(0.1, cosine.LearningRateAt(20, 10), 12);
        Assert.Equal(0.055, cosine.LearningRateAt(60, 10), 12);
        var linear = new TrainingRecipe(10, LearningRate: 0.1, FinalLearningRate: 0, Schedule: LearningRateSchedule.Linear);
        Assert.Equal(0.05, linear.LearningRateAt(50, 10), 12);
        var step = new TrainingRecipe(10, LearningRate: 0.1, WarmupEpochs: 1, Schedule: LearningRateSchedule.Step, StepEpochs: 2.5, StepFactor: 0.1);
        Assert.Equal([0.1, 0.1, 0.01, 0.01, 0.001], new long[] { 10, 34, 35, 59, 60 }.Select(at => Math.Round(step.LearningRateAt(at, 10), 12)));
        Assert.Throws<LatheException>(() => new TrainingRecipe(0).Check());
        Assert.Throws<LatheException>(() => new TrainingRecipe(1, Momentum: 1).Check());
        Assert.Throws<LatheException>(() => new TrainingRecipe(1, Nesterov: true, Optimizer: OptimizerKind.AdamW).Check());
    }

    /// <summary>Trains in a new process's manner for each stop: new module, new stage, same state.</summary>
    private static string Train(MemoryState state, int[] stopAfter, out int stops, long seed = 2, TrainingRecipe? recipe = null)
    {
        stops = 0;
        for (var attempt = 0; ; attempt++)
        {
            using var module = GraphModule.Create(Samples.Network(), seed);
            using var stage = new SampleStage();
            using var stop = new CancellationTokenSource();
            var last = attempt < stopAfter.Length ? stopAfter[attempt] : int.MaxValue;
            var hooks = stage.Hooks with
            {
                AfterStep = context =>
                {
                    stage.Hooks.AfterStep!(context);
                    if (context.GlobalStep + 1 >= last)
                        stop.Cancel();
                },
            };
            try
            {
                TrainingLoop.Run(module, Samples.Images(), recipe ?? Recipe, seed, hooks, state, null, stop.Token);
                using var scope = NewDisposeScope();
                var tensors = module.Snapshot().ToDictionary();
                tensors.Add("gate", stage.Gate);
                tensors.Add("mean", stage.Mean);
                return Samples.Digest(tensors);
            }
            catch (OperationCanceledException)
            {
                stops++;
            }
        }
    }

    private sealed class Collect(List<StageProgress> reports) : IProgress<StageProgress>
    {
        public void Report(StageProgress value) => reports.Add(value);
    }

    /// <summary>A stage that uses every hook: a gate on conv2, a loss term, a pull added to gradients, clipping, state of its own.</summary>
    private sealed class SampleStage : IDisposable
    {
        public Parameter Gate { get; } = new(ones(4));

        public Tensor Mean { get; } = zeros(1);

        public TrainingHooks Hooks => new()
        {
            View = (name, value) => name == "conv2.weight" ? value * Gate.view(4, 1, 1, 1) : value,
            ExtraParameters = new Dictionary<string, Parameter> { ["gate"] = Gate },
            LossTerm = context => Gate.abs().sum() * 0.01,
            AfterBackward = context =>
            {
                using var gradient = context.Module.Parameters["fc.weight"].grad!;
                gradient.add_(context.Module.Parameters["fc.weight"], 0.01);
            },
            AfterStep = context =>
            {
                context.Module.Parameters["conv1.weight"].clamp_(-0.8, 0.8);
                Mean.mul_(0.9).add_(Gate.mean(), 0.1);
            },
            SaveState = () => new Dictionary<string, Tensor> { ["mean"] = Mean },
            LoadState = tensors => Mean.copy_(tensors["mean"]),
        };

        public void Dispose()
        {
            Gate.Dispose();
            Mean.Dispose();
        }
    }
}
