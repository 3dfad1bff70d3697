using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using Lathe.NN.Training;

namespace Lathe.Examples.Distiller;

/// <summary>What <c>distill: { ... }</c> in a sweep may say, beside what every stage that trains has.</summary>
public sealed record DistillParameters : TrainingParameters
{
    [Description("Digest of the network that teaches, or its start. Empty: the dense network that the sweep began with.")]
    public string Teacher { get; init; } = "";

    [Description("Share of the loss that comes from the teacher's answers; the rest comes from the labels.")]
    [Range(0.0, 1.0, MinimumIsExclusive = true)]
    public double Share { get; init; } = 0.9;

    [Description("Temperature of the answers: above 1 it makes the teacher's second thoughts count for more.")]
    [Range(0.0, 100.0, MinimumIsExclusive = true)]
    public double Temperature { get; init; } = 4;

    [Description("Passes over the training images.")]
    public override int Epochs { get; init; } = 4;

    public override double LearningRate { get; init; } = 0.02;

    [Description("Learning rate that the cosine schedule ends with.")]
    public override double FinalLearningRate { get; init; }
}
