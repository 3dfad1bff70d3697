using Lathe.NN.Execution;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Lathe.NN.Training;

/// <summary>Where training is. Handed to a stage's hooks.</summary>
/// <param name="Module">The network that is trained.</param>
/// <param name="Epoch">From 0.</param>
/// <param name="Step">Within the epoch, from 0.</param>
/// <param name="StepsPerEpoch">Steps in each epoch.</param>
/// <param name="GlobalStep">Over all epochs, from 0.</param>
/// <param name="Progress">0 at the first step, 1 at the last.</param>
/// <param name="LearningRate">Of this step.</param>
public sealed record StepContext(
    GraphModule Module, int Epoch, int Step, int StepsPerEpoch, long GlobalStep, double Progress, double LearningRate);

/// <summary>
/// Functions that a stage adds to training. Each is called on the training thread, within a dispose scope of the step, so a stage
/// must detach the tensors that it keeps from this scope.
/// </summary>
public sealed record TrainingHooks
{
    /// <summary>Replaces parameters in the forward pass.</summary>
    public ParameterView? View { get; init; }

    /// <summary>Replaces what nodes make in the forward pass.</summary>
    public ActivationView? Outputs { get; init; }

    /// <summary>Parameters that are trained with those of the network, without weight decay, and saved with the state. The stage owns them.</summary>
    public IReadOnlyDictionary<string, Parameter> ExtraParameters { get; init; } = new Dictionary<string, Parameter>();

    /// <summary>Computes the loss of a step from its images, its logits and the task's loss; null: the task's loss.</summary>
    public Func<Tensor, Tensor, Tensor, Tensor>? TaskLoss { get; init; }

    /// <summary>A scalar added to the task's loss, or null for none at this step.</summary>
    public Func<StepContext, Tensor?>? LossTerm { get; init; }

    /// <summary>After the backward pass and before the optimizer's step: a stage may add to <c>.grad</c> in place. No gradients are recorded.</summary>
    public Action<StepContext>? AfterBackward { get; init; }

    /// <summary>After the parameters have moved: clipping and the like. No gradients are recorded.</summary>
    public Action<StepContext>? AfterStep { get; init; }

    /// <summary>After an epoch's last step, before the state is saved. No gradients are recorded.</summary>
    public Action<StepContext>? AfterEpoch { get; init; }

    /// <summary>
    /// Measures the network after an epoch, as it would be if training ended there; by names of the stage's metrics. Called after <see cref="AfterEpoch"/>, and must not change anything. No gradients
    /// are recorded.
    /// </summary>
    public Func<StepContext, IReadOnlyDictionary<string, double>>? Measure { get; init; }

    /// <summary>The stage's own state, to be saved with the network's. It may return the very tensors it works with.</summary>
    public Func<IReadOnlyDictionary<string, Tensor>>? SaveState { get; init; }

    /// <summary>
    /// Restores the tensors of <see cref="SaveState"/>. Copy them, because they are disposed afterwards. The network's own tensors are restored
    /// later, because this state may cut the network.
    /// </summary>
    public Action<IReadOnlyDictionary<string, Tensor>>? LoadState { get; init; }

    /// <summary>After a saved training is restored, including the network's tensors.</summary>
    public Action? Resumed { get; init; }

    /// <summary>
    /// Returns, once, a smaller network to continue with; null: continue with the present one. Called before the first step, after each step, and after a
    /// saved state is restored. The smaller network's weights must include the extra parameters, which are no longer trained.
    /// </summary>
    public Func<CutNetwork?>? Cut { get; init; }

    /// <summary>Advice for the user if training reaches values that are not finite, in terms of the stage's parameters.</summary>
    public string Remedy { get; init; } = "Try a smaller learningRate.";

    /// <summary>Phase of the training, one word for people; null: <c>training</c>.</summary>
    public Func<StepContext, string>? Phase { get; init; }
}

/// <summary>A network that replaces the one trained so far.</summary>
/// <param name="Module">The network; it belongs to the stage.</param>
/// <param name="Keep">
/// Cuts tensors with the names and shapes of the former network's in the same way; the results are new tensors in the current dispose scope.
/// </param>
public sealed record CutNetwork(GraphModule Module, Func<IReadOnlyDictionary<string, Tensor>, IReadOnlyDictionary<string, Tensor>> Keep);

/// <summary>One epoch as it was.</summary>
/// <param name="Epoch">From 0.</param>
/// <param name="Loss">Mean task loss of its steps.</param>
/// <param name="Accuracy">On the augmented training images, a fraction of 1.</param>
/// <param name="LearningRate">Of its last step.</param>
public sealed record EpochRecord(int Epoch, double Loss, double Accuracy, double LearningRate)
{
    /// <summary>What the stage measured after it, by names of its metrics; null: nothing.</summary>
    public IReadOnlyDictionary<string, double>? Measured { get; init; }
}

/// <summary>Training as it was.</summary>
/// <param name="Epochs">In order, those before an interruption included.</param>
public sealed record TrainingHistory(IReadOnlyList<EpochRecord> Epochs);
