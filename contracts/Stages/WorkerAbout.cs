using System.Text.Json.Serialization;

namespace Lathe.Contracts;

/// <summary>What a worker says of itself, for people who look after workers.</summary>
/// <param name="Lathe">Release of Lathe that it is made with.</param>
/// <param name="StartedAt">When its process started.</param>
/// <param name="Threads">CPU threads of one computation, where the sweep does not say.</param>
/// <param name="Device">What it computes on, as a person says it: <c>auto</c>, <c>cpu</c>, <c>cuda:0</c>.</param>
/// <param name="Exports">Forms in which it exports checkpoints; empty: none.</param>
public sealed record WorkerAbout(string Lathe, DateTimeOffset StartedAt, int Threads, string Device, IReadOnlyList<OfferedExport> Exports)
{
    /// <summary>Pool that it takes its work from (<see cref="WorkerPool"/>); null: none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Pool { get; init; }
}
