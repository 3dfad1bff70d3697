using System.Text.Json;
using System.Text.Json.Serialization;
using Lathe.Contracts;
using Lathe.Contracts.Panels;

namespace Lathe.Hosting;

/// <summary>What an execution ended with, kept under its key.</summary>
/// <param name="Key">Execution key.</param>
/// <param name="Stage">Stage name.</param>
/// <param name="Output">Checkpoint made; for a stage that only measures, its input.</param>
/// <param name="Metrics">Named figures.</param>
/// <param name="Seconds">Time spent computing, all attempts together.</param>
/// <param name="SweepId">The sweep it was computed for.</param>
/// <param name="TraceParent">W3C trace context of the execution's span, or null where none was recorded.</param>
/// <param name="Records">More than figures can say, in the stage's own form; null: nothing.</param>
/// <param name="Panels">Pictures and tables of the result; null: none.</param>
internal sealed record StoredResult(
    string Key,
    string Stage,
    CheckpointRef Output,
    IReadOnlyDictionary<string, double> Metrics,
    double Seconds,
    Guid SweepId,
    string? TraceParent,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] JsonElement? Records = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<Panel>? Panels = null);

/// <summary>Results by execution key, <c>results/&lt;key&gt;.json</c>. A result is written before its message is acknowledged.</summary>
/// <param name="blobs">Folder or bucket that holds them.</param>
internal sealed class ResultStore(IBlobs blobs)
{
    public ResultStore(HostingSettings settings)
        : this(Blobs.Of(settings, "results"))
    {
    }

    /// <summary>The result under a key, or null. One that cannot be read counts as none: the stage computes it again.</summary>
    public StoredResult? Find(string key)
    {
        try
        {
            using var file = blobs.Open(NameOf(key));
            if (file is null) return null;
            return JsonSerializer.Deserialize<StoredResult>(file, LatheJson.Options) is { } result && result.Key == key && IsSound(result) ? result : null;
        }
        catch (Exception unreadable) when (unreadable is JsonException or NotSupportedException or ArgumentException)
        {
            return null;
        }
    }

    /// <summary>Writes a result, whole or not at all.</summary>
    public void Commit(StoredResult result) => blobs.Write(stream =>
    {
        JsonSerializer.Serialize(stream, result, LatheJson.Indented);
        return NameOf(result.Key);
    });

    /// <summary>Anybody may write into the store, also a worker in another language: what a reader relies on is looked at here, once.</summary>
    private static bool IsSound(StoredResult result) =>
        result is { Stage: not null, Output: { Bytes: >= 0, Sha256: { } digest }, Metrics: { } metrics } && StoredModel.IsDigest(digest)
        && double.IsFinite(result.Seconds) && metrics.Values.All(double.IsFinite) && result.Panels?.All(p => p is { Id: not null, Title: not null }) != false;

    private static string NameOf(string key) => StoreKey.Checked(key) + ".json";
}
