using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;

namespace Lathe.Examples.LowRank;

/// <summary>What <c>lowrank: { ... }</c> in a sweep may say.</summary>
public sealed record LowRankParameters
{
    [Description("Most parameters that may be left: a share of the input network's (0 to 1), or above 1 an absolute number. Absent: no limit.")]
    [Range(0.0, double.MaxValue, MinimumIsExclusive = true)]
    [JsonPropertyName("parameters")]
    public double? TargetParameters { get; init; }

    [Description("Most multiplications that may be left: a share of the input network's (0 to 1), or above 1 an absolute number. Absent: no limit.")]
    [Range(0.0, double.MaxValue, MinimumIsExclusive = true)]
    public double? Multiplications { get; init; }

    [Description("Layers that stay whole.")]
    public IReadOnlyList<string> Skip { get; init; } = [];
}
