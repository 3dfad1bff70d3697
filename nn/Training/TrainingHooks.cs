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
/// What a stage adds to training, as plain functions. Each is called on the training thread, within a dispose scope of the step, so
/// tensors that a stage keeps must be detached from it.
/// </summary>
public sealed record TrainingHooks
{
    /// <summary>What the forward pass uses in place of parameters.</summary>
    public ParameterView? View { get; init; }

    /// <summary>Trained with the network's own, without weight decay, and saved with the state. They belong to the stage.</summary>
    public IReadOnlyDictionary<string, Parameter> ExtraParameters { get; init; } = new Dictionary<string, Parameter>();

    /// <summary>Takes the images, the logits and the task's loss of a step, and gives the loss to take in its place; null: the task's.</summary>
    public Func<Tensor, Tensor, Tensor, Tensor>? TaskLoss { get; init; }

    /// <summary>A scalar added to the task's loss, or null for none at this step.</summary>
    public Func<StepContext, Tensor?>? LossTerm { get; init; }

    /// <summary>After the gradients are there and before they are used: a stage may add to <c>.grad</c> in place. No gradients are recorded.</summary>
    public Action<StepContext>? AfterBackward { get; init; }

    /// <summary>After the parameters have moved: clipping and the like. No gradients are recorded.</summary>
    public Action<StepContext>? AfterStep { get; init; }

    /// <summary>After an epoch's last step, before the state is saved. No gradients are recorded.</summary>
    public Action<StepContext>? AfterEpoch { get; init; }

    /// <summary>The stage's own state, to be saved with the network's. It may return the very tensors it works with.</summary>
    public Func<IReadOnlyDictionary<string, Tensor>>? SaveState { get; init; }

    /// <summary>
    /// Takes back what <see cref="SaveState"/> gave; to be copied, for the tensors are disposed afterwards. The network's own tensors are
    /// not back yet, for what is taken here may cut it.
    /// </summary>
    public Action<IReadOnlyDictionary<string, Tensor>>? LoadState { get; init; }

    /// <summary>After a saved training is back in place, the network's tensors included.</summary>
    public Action? Resumed { get; init; }

    /// <summary>
    /// A smaller network to go on with, once; null: go on. Asked before the first step, after each step, and when a saved state has been
    /// taken back. The extra parameters are taken to be in its weights: they are trained no more.
    /// </summary>
    public Func<CutNetwork?>? Cut { get; init; }

    /// <summary>What the stage's user can do where training comes to values that are no numbers, in terms of its parameters.</summary>
    public string Remedy { get; init; } = "Try a smaller learningRate.";

    /// <summary>A word for a person: what training is doing. <c>training</c> where null.</summary>
    public Func<StepContext, string>? Phase { get; init; }
}

/// <summary>A network that takes the place of the one trained so far.</summary>
/// <param name="Module">The network; it belongs to the stage.</param>
/// <param name="Keep">
/// What stays of tensors that have the names and shapes of the former network's, newly made in the current dispose scope.
/// </param>
public sealed record CutNetwork(GraphModule Module, Func<IReadOnlyDictionary<string, Tensor>, IReadOnlyDictionary<string, Tensor>> Keep);

/// <summary>One epoch as it was.</summary>
/// <param name="Epoch">From 0.</param>
/// <param name="Loss">Mean task loss of its steps.</param>
/// <param name="Accuracy">On the augmented training images, a fraction of 1.</param>
/// <param name="LearningRate">Of its last step.</param>
public sealed record EpochRecord(int Epoch, double Loss, double Accuracy, double LearningRate);

/// <summary>Training as it was.</summary>
/// <param name="Epochs">In order, those before an interruption included.</param>
public sealed record TrainingHistory(IReadOnlyList<EpochRecord> Epochs);
