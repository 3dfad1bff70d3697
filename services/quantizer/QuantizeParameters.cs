using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using Lathe.Hosting;
using Lathe.NN.Data;
using Lathe.NN.FixedPoint;
using Lathe.NN.Runtime;
using Lathe.NN.Training;
using Lathe.Quantizer.Weights;

namespace Lathe.Quantizer;

/// <summary>How weights become N-bit fixed-point numbers.</summary>
public enum QuantizeMethod
{
    /// <summary>A pull towards the nearest mode that grows until the weights have become modes.</summary>
    Symog,

    /// <summary>SYMOG's predecessor: a pull towards all modes by their responsibilities, which harden.</summary>
    Sgm,

    /// <summary>Rounding without training, for comparison.</summary>
    Naive,

    /// <summary>Straight-through training, for comparison.</summary>
    Ste,

    /// <summary>Proximal relaxation, for comparison.</summary>
    Proximal,
}

/// <summary>How the prior weighs layers of different size.</summary>
public enum PriorNormalization
{
    /// <summary>Each weight is pulled alike: η·λ is the share of its distance that one step removes, whatever the layer.</summary>
    Sum,

    /// <summary>
    /// Each layer's term is divided by its number of weights, and λ counts for the largest layer, so that it need not grow
    /// with the network: the largest is pulled as by <see cref="Sum"/>, one of a tenth of its weights ten times as hard. Small layers, where
    /// each weight counts for more, settle while the large ones can still adapt to them.
    /// </summary>
    Mean,
}

/// <summary>What <c>quantize: { ... }</c> in a sweep may say.</summary>
public sealed record QuantizeParameters : TrainingParameters
{
    [Description("How weights become fixed-point numbers; naive rounds without training.")]
    public QuantizeMethod Method { get; init; } = QuantizeMethod.Symog;

    [Description("Bits of a weight, 2 to 8: for all layers, or by layer as { default: 2, \"features.0\": 8, \"classifier.*\": 4 }.")]
    [ParameterSchema(LayerBits.Schema)]
    public LayerBits Bits { get; init; } = 2;

    [Description("Target for the bytes of all stored tensors, weights packed: a share of the input network's (0 to 1), a number of bytes, or a text such as 40 KiB. Each layer then gets the bits, up to 8, that the loss feels most for their bytes; 'bits' is the fewest that a layer may have, and a layer that it names keeps its own. Absent: no target.")]
    [ParameterSchema(ByteTarget.Schema)]
    public ByteTarget? Bytes { get; init; }

    [Description("Bits of activations: 8 for fixed-point numbers between layers, calibrated and trained through; none: float.")]
    [ParameterSchema(ActivationBits.Schema)]
    public ActivationBits Activations { get; init; } = ActivationBits.None;

    [Description("Epochs of training, over which the pull grows.")]
    public override int Epochs { get; init; } = 6;

    [Description("symog, sgm: weight λ₀ of the prior at the start.")]
    [Range(0.0, 1e9, MinimumIsExclusive = true)]
    public double PullStart { get; init; } = 1e-6;

    [Description("symog, sgm: weight λ₁ of the prior at the end; λ rises exponentially between the two.")]
    [Range(0.0, 1e9, MinimumIsExclusive = true)]
    public double PullEnd { get; init; } = 100;

    [Description("symog, sgm: how the prior weighs layers of different size.")]
    public PriorNormalization Normalization { get; init; } = PriorNormalization.Mean;

    [Description("sgm: standard deviation σ of the modes at the start, in steps Δ.")]
    [Range(0.0, 1.0, MinimumIsExclusive = true)]
    public double SigmaStart { get; init; } = 0.5;

    [Description("sgm: σ at the end; it falls exponentially between the two.")]
    [Range(0.01, 1.0)]
    public double SigmaEnd { get; init; } = 0.05;

    [Description("symog, ste, proximal: clip weights to the outer modes after each step, so that none stays beyond them.")]
    public bool Clipping { get; init; } = true;

    [Description("Choose step sizes again after each epoch while the pull is weak, instead of once before training.")]
    public bool RefineStepSizes { get; init; }

    [Description("Before training, scale each filter in front of a batch norm so that its layer's step size fits it best; the batch norm takes the scale back, and the network computes the same.")]
    public bool FitFilters { get; init; }

    [Description("Names of layers whose weights stay float, in one text, separated by commas; * and ? match several names.")]
    public string Exclude { get; init; } = "";

    [Description("Share of the loss that comes from the input network's answers instead of the labels (distillation); 0: none.")]
    [Range(0.0, 1.0)]
    public double Distill { get; init; }

    [Description("Temperature of the answers in distillation.")]
    [Range(0.0, 100.0, MinimumIsExclusive = true)]
    public double DistillTemperature { get; init; } = 4;

    public override int BatchSize { get; init; } = 128;

    public override double LearningRate { get; init; } = 0.03;

    [Description("Learning rate at the end; it falls linearly.")]
    public override double FinalLearningRate { get; init; } = 0.003;

    public override double Momentum { get; init; } = 0.9;

    [Description("Weight decay. The prior already holds the weights, so none by default.")]
    public override double WeightDecay { get; init; }

    /// <inheritdoc/>
    public override TrainingRecipe Recipe(Augmentation usual, Precision precision) =>
        base.Recipe(usual, precision) with { Schedule = LearningRateSchedule.Linear };
}
