using System.Text.Json;
using Lathe.Contracts;

namespace Lathe.Hosting;

/// <summary>What an execution ended with, kept under its key.</summary>
/// <param name="Key">Execution key.</param>
/// <param name="Stage">Stage name.</param>
/// <param name="Output">Checkpoint made; for a stage that only measures, its input.</param>
/// <param name="Metrics">Named figures.</param>
/// <param name="Seconds">Time spent computing, all attempts together.</param>
/// <param name="SweepId">The sweep it was computed for.</param>
/// <param name="TraceParent">W3C trace context of the execution's span, or null where none was recorded.</param>
public sealed record StoredResult(
    string Key,
    string Stage,
    CheckpointRef Output,
    IReadOnlyDictionary<string, double> Metrics,
    double Seconds,
    Guid SweepId,
    string? TraceParent);

/// <summary>Results by execution key, <c>results/&lt;key&gt;.json</c>. A result is written before its message is acknowledged.</summary>
/// <param name="folder">Folder of the store; made at the first write.</param>
public sealed class ResultStore(string folder)
{
    public ResultStore(HostingSettings settings)
        : this(Path.Combine(settings.Store, "results"))
    {
    }

    /// <summary>The result under a key, or null. One that cannot be read counts as none: the stage computes it again.</summary>
    public StoredResult? Find(string key)
    {
        var path = PathOf(key);
        if (!File.Exists(path)) return null;
        try
        {
            using var file = File.OpenRead(path);
            var result = JsonSerializer.Deserialize<StoredResult>(file, LatheJson.Options);
            return result is { Output: not null, Metrics: not null } && result.Key == key ? result : null;
        }
        catch (Exception e) when (e is JsonException or FileNotFoundException)
        {
            return null;
        }
    }

    /// <summary>Writes a result, whole or not at all.</summary>
    public void Commit(StoredResult result) =>
        AtomicFile.Write(PathOf(result.Key), stream => JsonSerializer.Serialize(stream, result, LatheJson.Indented));

    private string PathOf(string key) => Path.Combine(folder, StoreKey.Checked(key) + ".json");
}
