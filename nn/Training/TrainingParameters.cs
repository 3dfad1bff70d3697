using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using Lathe.NN.Data;
using Lathe.NN.Runtime;

namespace Lathe.NN.Training;

/// <summary>
/// What a sweep may say about training to every stage that trains. A stage overrides a parameter to give it a default, a description or a
/// range of its own, or its place among the stage's other parameters; attributes that it does not repeat stay.
/// </summary>
public abstract record TrainingParameters
{
    /// <summary>Passes over the training images.</summary>
    [Range(1, 100_000)]
    public abstract int Epochs { get; init; }

    /// <summary>Images in a batch.</summary>
    [Description("Images in a batch.")]
    [Range(1, 65_536)]
    public virtual int BatchSize { get; init; } = 128;

    /// <summary>Learning rate at the start.</summary>
    [Description("Learning rate at the start.")]
    [Range(0.0, 100.0, MinimumIsExclusive = true)]
    public abstract double LearningRate { get; init; }

    /// <summary>Learning rate at the end.</summary>
    [Range(0.0, 100.0)]
    public abstract double FinalLearningRate { get; init; }

    /// <summary>Share of the step before that goes into the next one.</summary>
    [Description("Momentum of SGD.")]
    [Range(0.0, 1.0, MaximumIsExclusive = true)]
    public virtual double Momentum { get; init; } = 0.9;

    /// <summary>Pull of weights towards zero, in each step of a learning rate of 1.</summary>
    [Description("Weight decay, on weights alone.")]
    [Range(0.0, 1.0)]
    public virtual double WeightDecay { get; init; } = 5e-4;

    /// <summary>Numbers that layers compute with.</summary>
    [Description("Numbers that layers compute with while training; auto: bfloat16 if the worker's processor multiplies it faster. Weights stay float32.")]
    public virtual PrecisionChoice Precision { get; init; } = PrecisionChoice.Float32;

    /// <summary>Whether training images are changed at random.</summary>
    [Description("Random shifts and, if the data set allows it, flips of the training images.")]
    public virtual bool Augment { get; init; } = true;

    /// <summary>Share of the training images held out.</summary>
    [Description("Share of the training images held out for validation, the same in every stage of one seed.")]
    [Range(0.0, 0.5)]
    public double Validation { get; init; } = 0.05;

    /// <summary>How to train by these parameters.</summary>
    /// <param name="usual">The data set's augmentation, for where <see cref="Augment"/> asks for it.</param>
    /// <param name="precision">What <see cref="Precision"/> comes to on this machine.</param>
    public virtual TrainingRecipe Recipe(Augmentation usual, Precision precision) => new(
        Epochs,
        BatchSize,
        LearningRate,
        FinalLearningRate,
        Momentum,
        WeightDecay: WeightDecay,
        Augmentation: Augment ? usual : null,
        Precision: precision);
}
