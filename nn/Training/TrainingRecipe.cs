using Lathe.Contracts;
using Lathe.NN.Data;
using Lathe.NN.Runtime;

namespace Lathe.NN.Training;

/// <summary>How the learning rate goes from its first to its final value.</summary>
public enum LearningRateSchedule
{
    /// <summary>Half a cosine wave.</summary>
    Cosine,

    /// <summary>A straight line.</summary>
    Linear,

    /// <summary>It is multiplied by a factor at fixed intervals of epochs.</summary>
    Step,

    /// <summary>It stays.</summary>
    Constant,
}

/// <summary>How parameters follow their gradients.</summary>
public enum OptimizerKind
{
    /// <summary>Stochastic gradient descent with momentum.</summary>
    Sgd,

    /// <summary>Adam with decoupled weight decay.</summary>
    AdamW,
}

/// <summary>How to train: optimizer, schedule, and changes to images, labels, gradients and weights during training.</summary>
/// <param name="Epochs">Times through the training images, at least 1.</param>
/// <param name="BatchSize">Images per step, at least 1.</param>
/// <param name="LearningRate">After warm-up, above 0.</param>
/// <param name="FinalLearningRate">At the end of a cosine or linear schedule, at least 0.</param>
/// <param name="Momentum">In [0, 1); AdamW's β₁.</param>
/// <param name="Nesterov">Looks ahead along the momentum; for SGD.</param>
/// <param name="WeightDecay">At least 0.</param>
/// <param name="DecayNormAndBias">Whether batch norm's γ and β and all biases decay too.</param>
/// <param name="Schedule">Course of the learning rate, step by step.</param>
/// <param name="WarmupEpochs">Number of epochs, possibly fractional, over which the learning rate rises linearly from near 0.</param>
/// <param name="LabelSmoothing">In [0, 1).</param>
/// <param name="Augmentation">Null: none.</param>
/// <param name="Optimizer">What moves the parameters.</param>
/// <param name="StepEpochs">Epochs between two changes of a step schedule, fractions included, above 0.</param>
/// <param name="StepFactor">Factor of a step schedule, above 0 and at most 1.</param>
/// <param name="GradientClip">Greatest Euclidean length of all gradients together; 0: any.</param>
/// <param name="Precision">What layers compute with while training.</param>
/// <param name="AverageDecay">Decay of the moving average of the weights that training ends with, in [0, 1); 0: the last weights.</param>
public sealed record TrainingRecipe(
    int Epochs,
    int BatchSize = 128,
    double LearningRate = 0.1,
    double FinalLearningRate = 0,
    double Momentum = 0.9,
    bool Nesterov = false,
    double WeightDecay = 5e-4,
    bool DecayNormAndBias = false,
    LearningRateSchedule Schedule = LearningRateSchedule.Cosine,
    double WarmupEpochs = 0,
    double LabelSmoothing = 0,
    Augmentation? Augmentation = null,
    OptimizerKind Optimizer = OptimizerKind.Sgd,
    double StepEpochs = 30,
    double StepFactor = 0.1,
    double GradientClip = 0,
    double AverageDecay = 0,
    Precision Precision = Precision.Float32)
{
    /// <summary>Refuses values out of their range.</summary>
    /// <exception cref="LatheException">Names the first such value.</exception>
    public void Check()
    {
        if (Problems() is [var first, ..])
            throw new LatheException($"{string.Join('.', JsonPointer.Steps(first.Pointer))} {first.Message}.");
    }

    /// <summary>Values out of their range, and those that do not go together.</summary>
    public IReadOnlyList<ParameterProblem> Problems()
    {
        var problems = new List<ParameterProblem>();
        Require(Epochs >= 1, "epochs", Epochs, "at least 1");
        Require(BatchSize >= 1, "batchSize", BatchSize, "at least 1");
        Require(LearningRate > 0 && double.IsFinite(LearningRate), "learningRate", LearningRate, "above 0");
        Require(FinalLearningRate >= 0 && double.IsFinite(FinalLearningRate), "finalLearningRate", FinalLearningRate, "at least 0");
        Require(Momentum is >= 0 and < 1, "momentum", Momentum, "at least 0 and below 1");
        Require(!Nesterov || Momentum > 0, "momentum", Momentum, "above 0 where nesterov is on");
        Require(!Nesterov || Optimizer == OptimizerKind.Sgd, "nesterov", Nesterov, "off where the optimizer is adamW");
        Require(StepEpochs > 0 && double.IsFinite(StepEpochs), "stepEpochs", StepEpochs, "above 0");
        Require(StepFactor is > 0 and <= 1, "stepFactor", StepFactor, "above 0 and at most 1");
        Require(GradientClip >= 0 && double.IsFinite(GradientClip), "gradientClip", GradientClip, "at least 0");
        Require(AverageDecay is >= 0 and < 1, "averageDecay", AverageDecay, "at least 0 and below 1");
        Require(WeightDecay >= 0 && double.IsFinite(WeightDecay), "weightDecay", WeightDecay, "at least 0");
        Require(WarmupEpochs >= 0 && WarmupEpochs < Epochs, "warmupEpochs", WarmupEpochs, "at least 0 and below epochs");
        Require(LabelSmoothing is >= 0 and < 1, "labelSmoothing", LabelSmoothing, "at least 0 and below 1");
        Require(Augmentation is null or { IsValid: true }, "augmentation", Augmentation?.ToString(), "of sizes and strengths that are at least 0, and shares within (0, 1]");
        return problems;

        void Require(bool holds, string key, object? value, string expected)
        {
            if (!holds)
                problems.Add(ParameterProblem.Of(key, $"is {value}; it must be {expected}"));
        }
    }

    /// <summary>Learning rate of a step.</summary>
    /// <param name="globalStep">From 0, over all epochs.</param>
    /// <param name="stepsPerEpoch">At least 1.</param>
    public double LearningRateAt(long globalStep, int stepsPerEpoch)
    {
        var steps = (double)Epochs * stepsPerEpoch;
        var warmup = WarmupEpochs * stepsPerEpoch;
        if (globalStep < warmup)
            return LearningRate * Math.Min(1, (globalStep + 1) / warmup);
        var passed = (globalStep - warmup) / (steps - warmup);
        return Schedule switch
        {
            LearningRateSchedule.Cosine => FinalLearningRate + ((LearningRate - FinalLearningRate) * 0.5 * (1 + Math.Cos(Math.PI * passed))),
            LearningRateSchedule.Linear => LearningRate + ((FinalLearningRate - LearningRate) * passed),
            LearningRateSchedule.Step => LearningRate * Math.Pow(StepFactor, Math.Floor((globalStep - warmup) / (StepEpochs * stepsPerEpoch))),
            _ => LearningRate,
        };
    }
}
