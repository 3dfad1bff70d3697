using System.Text.Json;
using Lathe.Contracts;

namespace Lathe.Coordinator;

/// <summary>Reads the JSON of rows.</summary>
internal static class SweepRows
{
    public static SweepLimits? LimitsOf(SweepRow sweep) => LimitsOf(sweep.Limits);

    public static SweepLimits? LimitsOf(string? json) => json is null ? null : JsonSerializer.Deserialize<SweepLimits>(json, LatheJson.Options);
}
