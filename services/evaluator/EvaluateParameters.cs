using System.ComponentModel;
using System.ComponentModel.DataAnnotations;

namespace Lathe.Evaluator;

/// <summary>What <c>evaluate: { ... }</c> in a sweep may say.</summary>
public sealed record EvaluateParameters
{
    [Description("Images in a batch. Changes speed and memory, not the figures.")]
    [Range(1, 65_536)]
    public int BatchSize { get; init; } = 500;

    [Description("Measure latency with ONNX Runtime, for batches of 1 and 32, in turns with the dense ancestor. On a busy machine only the ratio is meaningful.")]
    public bool Latency { get; init; }
}
