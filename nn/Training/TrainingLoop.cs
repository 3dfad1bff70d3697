using Lathe.Contracts;
using Lathe.Graph;
using Lathe.NN.Data;
using Lathe.NN.Execution;
using Lathe.NN.Runtime;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Lathe.NN.Training;

/// <summary>The one training loop, for every stage. Synchronous; all of it runs on the calling thread.</summary>
public sealed class TrainingLoop : IDisposable
{
    private readonly BatchLoader _loader;
    private readonly TrainingRecipe _recipe;
    private readonly long _seed;
    private readonly TrainingHooks _hooks;
    private readonly ITrainingState? _state;
    private readonly ProgressReporter _progress;
    private readonly List<EpochRecord> _epochs = [];
    private readonly int _imagesPerStep;
    private GraphModule _module;
    private IReadOnlyDictionary<string, TorchSharp.Modules.Parameter> _extra;
    private IReadOnlyList<Trained> _trained;
    private IOptimizer _optimizer;
    private WeightAverage? _average;
    private double _lossSum;
    private long _correct;

    private TrainingLoop(
        GraphModule module, Split train, TrainingRecipe recipe, long seed, TrainingHooks hooks, ITrainingState? state, ProgressReporter progress)
    {
        _module = module;
        _loader = new BatchLoader(train, recipe.BatchSize, seed, recipe.Augmentation);
        _imagesPerStep = Math.Min(recipe.BatchSize, train.Count);
        _recipe = recipe;
        _seed = seed;
        _hooks = hooks;
        _state = state;
        _progress = progress;
        _extra = hooks.ExtraParameters;
        _trained = [.. AllTrained()];
        _optimizer = NewOptimizer();
        _average = recipe.AverageDecay > 0 ? new WeightAverage(module, recipe.AverageDecay) : null;
    }

    private int StepsPerEpoch => _loader.BatchesPerEpoch;

    private long Steps => (long)_recipe.Epochs * StepsPerEpoch;

    /// <summary>
    /// Trains a network in place, from where <paramref name="state"/> left off if it holds one that is not damaged. The same module, data, recipe, seed
    /// and number of threads give the same bits, however often training is stopped and resumed.
    /// </summary>
    /// <param name="module">The network. If the hooks cut it, training continues in their network, and this one keeps its values of that moment.</param>
    /// <param name="train">Training images.</param>
    /// <param name="recipe">How to train.</param>
    /// <param name="seed">Decides the order of the images, their augmentation and dropout.</param>
    /// <param name="hooks">What the stage adds; null: nothing.</param>
    /// <param name="state">Where training is saved, after each epoch and on <paramref name="stop"/>; null: nowhere.</param>
    /// <param name="progress">Told at most four times a second; null: nobody.</param>
    /// <param name="stop">Finish the current step, save, and throw.</param>
    /// <param name="time">The clock for progress; null: the system's.</param>
    /// <exception cref="LatheException">The loss is no longer a number; the recipe or the saved state cannot be used.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="stop"/> was asked for; training is saved.</exception>
    public static TrainingHistory Run(
        GraphModule module,
        Split train,
        TrainingRecipe recipe,
        long seed,
        TrainingHooks? hooks,
        ITrainingState? state,
        IProgress<StageProgress>? progress,
        CancellationToken stop,
        TimeProvider? time = null)
    {
        recipe.Check();
        CheckBatches(module.Graph, recipe.BatchSize, "batchSize");
        CheckBatches(module.Graph, train.Count, "number of training images");
        using var loop = new TrainingLoop(
            module, train, recipe, seed, hooks ?? new TrainingHooks(), state, new ProgressReporter(progress, time ?? TimeProvider.System));
        return loop.Run(stop);
    }

    /// <summary>
    /// What is wrong with batches of this size: a batch norm over one pixel would see a single value of one image, which has no variance, and
    /// libtorch makes NaN of it. Null: nothing.
    /// </summary>
    /// <param name="graph">The network.</param>
    /// <param name="batchSize">Images in a batch.</param>
    public static string? BatchFault(NetworkGraph graph, int batchSize)
    {
        if (batchSize > 1) return null;
        var shapes = GraphValidation.Check(graph);
        return graph.Nodes.FirstOrDefault(node => node is BatchNorm && shapes[node.Name] is { Height: 1, Width: 1 }) is { } norm
            ? $"batches of one image give batch norm '{norm.Name}' one value for each channel, which has no variance; choose 2 or more"
            : null;
    }

    private static void CheckBatches(NetworkGraph graph, int images, string name)
    {
        if (BatchFault(graph, images) is { } fault)
            throw new LatheException($"{name}: {fault}");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        ClearGradients();
        _optimizer.Dispose();
        _average?.Dispose();
    }

    private TrainingHistory Run(CancellationToken stop)
    {
        GoOnWithCut();
        var (firstEpoch, firstStep) = Resume();
        for (var epoch = firstEpoch; epoch < _recipe.Epochs; epoch++, firstStep = 0)
        {
            stop.ThrowIfCancellationRequested();
            var step = firstStep;
            foreach (var batch in _loader.Epoch(epoch, firstStep))
            {
                var context = Context(epoch, step);
                using (var scope = NewDisposeScope())
                using (batch)
                    Step(context, batch.On(_module.Device));
                step++;
                Report(context);
                if (step < StepsPerEpoch && stop.IsCancellationRequested)
                {
                    RefuseNonsense(context);
                    Save(epoch, step);
                    throw new OperationCanceledException(stop);
                }
            }

            EndEpoch(epoch);
        }

        if (_average is not null)
            _module.Load(_average.Tensors);
        return new TrainingHistory([.. _epochs]);
    }

    private void Step(StepContext context, Batch batch)
    {
        ClearGradients();
        var logits = _module.Forward(
            batch.Images, training: true, _hooks.View, CounterRandom.For(_seed, "dropout", context.GlobalStep), _recipe.Precision, outputs: _hooks.Outputs);
        var loss = Loss(logits, batch);
        if (_hooks.TaskLoss is { } taskLoss)
            loss = taskLoss(batch.Images, logits, loss);
        var total = _hooks.LossTerm?.Invoke(context) is { } term ? loss.Plus(term) : loss;
        RefuseNonsense(total.item<float>(), context);
        total.backward();

        using var noGradient = no_grad();
        _hooks.AfterBackward?.Invoke(context);
        if (_recipe.GradientClip > 0)
            GradientNorm.Clip(_trained, _recipe.GradientClip);
        _optimizer.Step(context.LearningRate, context.GlobalStep + 1);
        _hooks.AfterStep?.Invoke(context);
        _average?.Take(context.GlobalStep + 1);
        _lossSum += loss.item<float>();
        _correct += logits.argmax(1).eq(batch.Labels).sum().item<long>();
        GoOnWithCut();
    }

    /// <summary>
    /// If the stage has cut the network, this cuts the optimizer's state and the average of the weights in the same way. The weights then include the stage's
    /// extra parameters.
    /// </summary>
    private void GoOnWithCut()
    {
        if (_hooks.Cut?.Invoke() is not { } cut)
            return;
        ClearGradients();
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        _module = cut.Module;
        _extra = new Dictionary<string, TorchSharp.Modules.Parameter>();
        _trained = [.. AllTrained()];
        using (var former = _optimizer)
        {
            _optimizer = NewOptimizer();
            foreach (var memory in former.State.GroupBy(tensor => tensor.Key[..(tensor.Key.IndexOf('/') + 1)]))
                CopyInto(Named(_optimizer.State, memory.Key), cut.Keep(Named(former.State, memory.Key)));
        }

        if (_average is null)
            return;
        using (var former = _average)
        {
            _average = new WeightAverage(_module, _recipe.AverageDecay);
            CopyInto(_average.Tensors, cut.Keep(former.Tensors));
        }
    }

    private IOptimizer NewOptimizer() => _recipe.Optimizer switch
    {
        OptimizerKind.AdamW => new AdamW(_trained, _recipe.Momentum),
        _ => new MomentumDescent(_trained, _recipe.Momentum, _recipe.Nesterov),
    };

    /// <summary>Cross-entropy; of blended images, each class's in its share.</summary>
    private Tensor Loss(Tensor logits, Batch batch)
    {
        if (batch.Mixed is not { } mixed)
            return F.cross_entropy(logits, batch.Labels, label_smoothing: _recipe.LabelSmoothing);
        var first = F.cross_entropy(logits, batch.Labels, reduction: nn.Reduction.None, label_smoothing: _recipe.LabelSmoothing);
        var second = F.cross_entropy(logits, mixed.Labels, reduction: nn.Reduction.None, label_smoothing: _recipe.LabelSmoothing);
        return lerp(second, first, mixed.Shares).mean();
    }

    private void EndEpoch(int epoch)
    {
        var context = Context(epoch, StepsPerEpoch - 1);
        _epochs.Add(new EpochRecord(
            epoch, _lossSum / StepsPerEpoch, _correct / ((double)StepsPerEpoch * _imagesPerStep), context.LearningRate));
        if (_hooks.AfterEpoch is { } afterEpoch)
        {
            using var scope = NewDisposeScope();
            using var noGradient = no_grad();
            afterEpoch(context);
        }

        if (_hooks.Measure is { } measure)
            _epochs[^1] = _epochs[^1] with { Measured = Measured(measure, context) };
        _progress.Report(ProgressAt(context));
        _lossSum = 0;
        _correct = 0;
        RefuseNonsense(context);
        Save(epoch + 1, 0);
        MemoryTuning.ReturnFreePages();
    }

    /// <summary>Measures the network that training would end with: where there is an average, that one.</summary>
    private IReadOnlyDictionary<string, double> Measured(Func<StepContext, IReadOnlyDictionary<string, double>> measure, StepContext context)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        if (_average is null)
            return measure(context);
        var current = _module.Snapshot();
        try
        {
            _module.Load(_average.Tensors);
            return measure(context);
        }
        finally
        {
            _module.Load(current);
            foreach (var tensor in current.Values)
                tensor.Dispose();
        }
    }

    private StepContext Context(int epoch, int step)
    {
        var globalStep = ((long)epoch * StepsPerEpoch) + step;
        return new StepContext(
            _module,
            epoch,
            step,
            StepsPerEpoch,
            globalStep,
            Steps > 1 ? globalStep / (double)(Steps - 1) : 1,
            _recipe.LearningRateAt(globalStep, StepsPerEpoch));
    }

    private void ClearGradients()
    {
        foreach (var trained in _trained)
            trained.Parameter.grad = null;
    }

    private IEnumerable<Trained> AllTrained()
    {
        foreach (var shape in ParameterShapes.Of(_module.Graph).Where(shape => shape.Trainable))
        {
            var decays = _recipe.DecayNormAndBias || shape.Kind == ParameterKind.Weight;
            yield return new Trained(shape.Name, _module.Parameters[shape.Name], decays ? _recipe.WeightDecay : 0);
        }

        foreach (var (name, parameter) in _extra)
            yield return new Trained($"extra/{name}", parameter, 0);
    }

    private void RefuseNonsense(float loss, StepContext context)
    {
        if (float.IsFinite(loss))
            return;
        throw Failed($"the loss is {loss}", context);
    }

    /// <summary>A step may make weights that are not finite although its loss was finite. Saved and final weights must be finite.</summary>
    private void RefuseNonsense(StepContext context)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        foreach (var (name, tensor) in _module.Parameters.Select(p => (p.Key, (Tensor)p.Value)).Concat(_module.Buffers.Select(b => (b.Key, b.Value))))
        {
            if (!tensor.isfinite().all().item<bool>())
                throw Failed($"{name} has values that are no finite numbers", context);
        }
    }

    private LatheException Failed(string what, StepContext context) => new(
        $"Training failed: {what} in epoch {context.Epoch + 1} of {_recipe.Epochs}, step {context.Step + 1} of " +
        $"{context.StepsPerEpoch}, at learning rate {context.LearningRate:g4}. {_hooks.Remedy}");

    private void Save(int epoch, int step)
    {
        if (_state is null)
            return;
        using var scope = NewDisposeScope();
        var tensors = new Dictionary<string, Tensor>();
        Include("network/", _module.Parameters.Select(p => KeyValuePair.Create(p.Key, (Tensor)p.Value)));
        Include("network/", _module.Buffers);
        Include("extra/", _extra.Select(p => KeyValuePair.Create(p.Key, (Tensor)p.Value)));
        Include("optimizer/", _optimizer.State);
        if (_average is not null)
            Include("average/", _average.Tensors);
        Include("stage/", _hooks.SaveState?.Invoke() ?? new Dictionary<string, Tensor>());
        var place = new TrainingPlace(Identity(), epoch, step, _lossSum, _correct, _epochs);
        _state.Save(stream => SavedTraining.Write(stream, place, tensors));

        void Include(string prefix, IEnumerable<KeyValuePair<string, Tensor>> named)
        {
            foreach (var (name, tensor) in named)
                tensors.Add(prefix + name, tensor);
        }
    }

    private (int Epoch, int Step) Resume()
    {
        using var stream = _state?.Open();
        if (stream is null)
            return (0, 0);
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        TrainingPlace place;
        IReadOnlyDictionary<string, Tensor> tensors;
        try
        {
            (place, tensors) = SavedTraining.Read(stream);
        }
        catch (DamagedStateException e)
        {
            // Nothing is restored yet: training begins as if nothing had been saved.
            _state!.Damaged(e.Message);
            return (0, 0);
        }

        if (place.Recipe != Identity())
            throw new LatheException("The saved training state belongs to another recipe or seed. Run with --fresh to start over.");

        _hooks.LoadState?.Invoke(Named(tensors, "stage/"));
        GoOnWithCut();
        _module.Load(Named(tensors, "network/"));
        CopyInto(_extra.ToDictionary(p => p.Key, p => (Tensor)p.Value), Named(tensors, "extra/"));
        CopyInto(_optimizer.State, Named(tensors, "optimizer/"));
        if (_average is not null)
            CopyInto(_average.Tensors, Named(tensors, "average/"));
        _hooks.Resumed?.Invoke();
        _epochs.AddRange(place.Epochs);
        _lossSum = place.LossSum;
        _correct = place.Correct;
        return (place.Epoch, place.Step);
    }

    private static void CopyInto(IReadOnlyDictionary<string, Tensor> targets, IReadOnlyDictionary<string, Tensor> sources)
    {
        foreach (var (name, target) in targets)
        {
            if (!sources.TryGetValue(name, out var source) || !source.shape.AsSpan().SequenceEqual(target.shape))
                throw new LatheException($"The saved training state has no fitting '{name}'. Run with --fresh to start over.");
            target.copy_(source);
        }
    }

    private static Dictionary<string, Tensor> Named(IReadOnlyDictionary<string, Tensor> tensors, string prefix) => tensors
        .Where(pair => pair.Key.StartsWith(prefix, StringComparison.Ordinal))
        .ToDictionary(pair => pair.Key[prefix.Length..], pair => pair.Value);

    private string Identity() => $"{_recipe} seed {_seed}, {StepsPerEpoch} steps of {_imagesPerStep}";

    private void Report(StepContext context)
    {
        if (_progress.IsDue())
            _progress.Report(ProgressAt(context));
    }

    private StageProgress ProgressAt(StepContext context)
    {
        var steps = context.Step + 1;
        var stepsPerSecond = _progress.StepsPerSecond;
        return new StageProgress(
            _hooks.Phase?.Invoke(context) ?? "training",
            context.Epoch + (steps / (double)context.StepsPerEpoch),
            _recipe.Epochs,
            _lossSum / steps,
            _correct / ((double)steps * _imagesPerStep),
            stepsPerSecond * _imagesPerStep,
            (Steps - 1 - context.GlobalStep) / stepsPerSecond,
            _epochs is [.., var last] ? new EpochFigures(last.Epoch + 1, last.Loss, last.Accuracy) { Metrics = last.Measured } : null);
    }
}
