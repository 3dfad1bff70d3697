using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using Lathe.Hosting;
using Lathe.NN.Data;
using Lathe.NN.Runtime;
using Lathe.NN.Training;

namespace Lathe.Trainer;

/// <summary>What <c>train: { ... }</c> in a sweep may say.</summary>
public sealed record TrainParameters : TrainingParameters
{
    [Description("Zoo name, or digest of a network in the store. Filled in from the sweep's 'model'.")]
    [Required]
    [SweepModel]
    public required string Model { get; init; }

    [Description("Weights to start from: a safetensors file or .pth with torchvision's names, or its http address. A changed file gives a new result, also under the same name. Empty: from the seed.")]
    [WeightsFile]
    public string Init { get; init; } = "";

    [Description("Passes over the training images; 0: keeps the weights as they are.")]
    [Range(0, 100_000)]
    public override int Epochs { get; init; } = 6;

    public override int BatchSize { get; init; } = 128;

    public override double LearningRate { get; init; } = 0.1;

    [Description("Learning rate that a cosine or linear schedule ends with.")]
    public override double FinalLearningRate { get; init; }

    [Description("Course of the learning rate.")]
    public LearningRateSchedule Schedule { get; init; } = LearningRateSchedule.Cosine;

    [Description("Epochs between two changes of a step schedule.")]
    [Range(0.0, 100_000.0, MinimumIsExclusive = true)]
    public double StepEpochs { get; init; } = 30;

    [Description("Factor of each change of a step schedule.")]
    [Range(0.0, 1.0, MinimumIsExclusive = true)]
    public double StepFactor { get; init; } = 0.1;

    [Description("Epochs over which the learning rate rises from 0.")]
    [Range(0.0, 1000.0)]
    public double WarmupEpochs { get; init; }

    [Description("Algorithm that updates the weights.")]
    public OptimizerKind Optimizer { get; init; } = OptimizerKind.Sgd;

    [Description("Momentum of SGD; the first moment's decay of AdamW.")]
    public override double Momentum { get; init; } = 0.9;

    [Description("Nesterov's form of momentum, for SGD.")]
    public bool Nesterov { get; init; }

    public override double WeightDecay { get; init; } = 5e-4;

    [Description("Largest norm of all gradients together; 0: no limit.")]
    [Range(0.0, 1e9)]
    public double GradientClip { get; init; }

    [Description("Decay of the moving average of the weights that training ends with, for example 0.999; 0: the last weights.")]
    [Range(0.0, 1.0, MaximumIsExclusive = true)]
    public double AverageDecay { get; init; }

    [Description("Share of the target that label smoothing spreads over all classes.")]
    [Range(0.0, 1.0, MaximumIsExclusive = true)]
    public double LabelSmoothing { get; init; }

    public override PrecisionChoice Precision { get; init; } = PrecisionChoice.Float32;

    [Description("Height and width that photographs are cut to; data sets of one size have their own.")]
    [Range(8, 2048)]
    public int ImageSize { get; init; } = 224;

    [Description("Random shifts and, if the data set allows it, flips of the training images; of photographs random resized crops.")]
    public override bool Augment { get; init; } = true;

    [Description("Side of a square set to the mean at a random place of each training image; 0: none.")]
    [Range(0, 2048)]
    public int Cutout { get; init; }

    [Description("Greatest change of brightness, contrast and saturation of training images, each by a random factor from 1 - x to 1 + x; 0: none.")]
    [Range(0.0, 1.0)]
    public double ColourJitter { get; init; }

    [Description("Blends each training image and its label with another, in shares from the distribution Beta(m, m); 0: none.")]
    [Range(0.0, 1.0)]
    public double Mixup { get; init; }

    /// <inheritdoc/>
    public override TrainingRecipe Recipe(Augmentation usual, Precision precision)
    {
        var recipe = base.Recipe(usual, precision);
        return recipe with
        {
            Schedule = Schedule,
            StepEpochs = StepEpochs,
            StepFactor = StepFactor,
            WarmupEpochs = WarmupEpochs,
            Optimizer = Optimizer,
            Nesterov = Nesterov,
            GradientClip = GradientClip,
            AverageDecay = AverageDecay,
            LabelSmoothing = LabelSmoothing,
            Augmentation = (recipe.Augmentation ?? new Augmentation()) with
            {
                Cutout = Cutout,
                Colours = ColourJitter > 0 ? new ColourJitter(ColourJitter, ColourJitter, ColourJitter) : null,
                Mixup = Mixup,
            },
        };
    }
}
