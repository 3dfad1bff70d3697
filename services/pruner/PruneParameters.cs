using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;
using Lathe.Hosting;
using Lathe.NN.FixedPoint;
using Lathe.NN.Training;

namespace Lathe.Pruner;

/// <summary>How channels are chosen.</summary>
public enum PruneMethod
{
    /// <summary>Holistic Filter Pruning.</summary>
    Hfp,

    /// <summary>The same share of every layer, filters of the largest L1 norm; for comparison.</summary>
    Uniform,

    /// <summary>Filters of the largest L1 norm over the whole network; for comparison.</summary>
    L1,

    /// <summary>Network slimming: an L1 penalty on batch-norm scales, then one threshold for all; for comparison.</summary>
    Slimming,

    /// <summary>Any channels, by the seed; for comparison.</summary>
    Random,
}

/// <summary>What <c>prune: { ... }</c> in a sweep may say.</summary>
public sealed record PruneParameters : TrainingParameters
{
    [Description("How channels are chosen; all but hfp are there for comparison.")]
    public PruneMethod Method { get; init; } = PruneMethod.Hfp;

    [Description("Target for parameters: a share of the input network's (0 to 1), or above 1 an absolute number. Absent: no target.")]
    [Range(0.0, double.MaxValue, MinimumIsExclusive = true)]
    [JsonPropertyName("parameters")]
    public double? TargetParameters { get; init; }

    [Description("Target for multiplications: a share of the input network's (0 to 1), or above 1 an absolute number. Absent: no target.")]
    [Range(0.0, double.MaxValue, MinimumIsExclusive = true)]
    public double? Multiplications { get; init; }

    [Description("Target for the bytes of all stored tensors, once weights have 'bits': a share of the input network's with the same bits (0 to 1), a number of bytes, or a text such as 40 KiB. Absent: no target.")]
    [ParameterSchema(ByteTarget.Schema)]
    public ByteTarget? Bytes { get; init; }

    [Description("Bits that a quantization after this pruning will give weights; 'bytes' counts with them. A number from 2 to 8; free: each layer's are chosen together with the channels (hfp alone); none: weights stay floats of 32 bits.")]
    [ParameterSchema(PlannedBits.Schema)]
    public PlannedBits Bits { get; init; } = PlannedBits.None;

    [Description("Target for the memory of the activations of one image at their peak, in bytes, once they have 'activations': a share of the input network's with the same activations (0 to 1), a number of bytes, or a text such as 40 KiB. Absent: no target.")]
    [ParameterSchema(ByteTarget.Schema)]
    public ByteTarget? RamBytes { get; init; }

    [Description("Bits that a quantization after this pruning will give activations: 8, or none for floats; 'ramBytes' counts with them.")]
    [ParameterSchema(ActivationBits.Schema)]
    public ActivationBits Activations { get; init; } = ActivationBits.None;

    [Description("Total epochs: pruning, then fine-tuning with the gates frozen.")]
    public override int Epochs { get; init; } = 4;

    [Description("hfp, slimming: share of the epochs before channels are chosen and the budget is met to the channel; the other methods choose before the first epoch.")]
    [Range(0.01, 1.0)]
    public double PruningShare { get; init; } = 0.25;

    [Description("hfp: share of the pruning part over which the target glides from 1 to its value.")]
    [Range(0.0, 1.0)]
    public double GlideShare { get; init; } = 0.7;

    [Description("hfp: strength of the size loss: how far it alone would move channels' magnitudes on average over the pruning part, in units of a layer's mean magnitude; at most a hundredth of a unit in a step, averaged over channels and steps.")]
    [Range(0.0, 1e6, MinimumIsExclusive = true)]
    public double SizeWeight { get; init; } = 2.0;

    [Description("hfp: gate threshold τ; a channel whose magnitude is at or under this share of its layer's mean at the start is closed.")]
    [Range(0.0, 1.0, MinimumIsExclusive = true)]
    public double Threshold { get; init; } = 0.01;

    [Description("slimming: weight of the L1 norm of batch norms' scales in the loss.")]
    [Range(0.0, 1e3)]
    public double SlimmingWeight { get; init; } = 1e-3;

    [Description("Widths are rounded to multiples of this many channels.")]
    [Range(1, 1024)]
    public int ChannelMultiple { get; init; } = 1;

    [Description("Share of the loss that comes from the input network's answers instead of the labels (distillation); 0: none.")]
    [Range(0.0, 1.0)]
    public double Distill { get; init; }

    [Description("Temperature of the answers in distillation.")]
    [Range(0.0, 100.0, MinimumIsExclusive = true)]
    public double DistillTemperature { get; init; } = 4;

    public override int BatchSize { get; init; } = 128;

    public override double LearningRate { get; init; } = 0.05;

    [Description("Learning rate that the cosine schedule ends with.")]
    public override double FinalLearningRate { get; init; }
}
