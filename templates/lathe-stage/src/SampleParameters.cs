using System.ComponentModel;
using System.ComponentModel.DataAnnotations;

namespace AcmeNamespace;

/// <summary>What <c>sample-word: { ... }</c> in a sweep may say.</summary>
public sealed record SampleParameters
{
    [Description("Share of the weights of each layer that becomes zero: the smallest ones.")]
    [Range(0.0, 0.99)]
    public double Share { get; init; } = 0.5;

    [Description("Layers that stay as they are.")]
    public IReadOnlyList<string> Skip { get; init; } = [];
}
