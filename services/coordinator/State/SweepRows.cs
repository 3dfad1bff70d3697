using System.Text.Json;
using Lathe.Contracts;

namespace Lathe.Coordinator;

/// <summary>Reads the JSON of rows.</summary>
internal static class SweepRows
{
    public static SweepLimits? LimitsOf(SweepRow sweep) => sweep.Limits is null ? null : JsonSerializer.Deserialize<SweepLimits>(sweep.Limits, LatheJson.Options);
}
