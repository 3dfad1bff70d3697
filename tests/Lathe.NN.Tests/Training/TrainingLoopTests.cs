using Lathe.Contracts;
using Lathe.NN.Data;
using Lathe.NN.Execution;
using Lathe.NN.Runtime;
using Lathe.NN.Training;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Lathe.NN.Tests.Training;

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
        Assert.Equal(undisturbed, Train(new MemoryState(), [Random.Shared.Next(1, 24)], out _, recipe: recipe));
        Assert.NotEqual(undisturbed, Train(new MemoryState(), [], out _, seed: 3, recipe: recipe));
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
    public void A_damaged_state_is_refused()
    {
        var state = new MemoryState();
        state.Save(stream => stream.Write("garbage in here"u8));
        Assert.Throws<LatheException>(() => Train(state, [], out _));
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
