using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text.Json;
using Lathe.Contracts;

namespace Lathe.Coordinator;

/// <summary>
/// Workers that say different things of one version of a stage. They share its queue and the keys of its results, so that each takes the other's for its own. A stage may take the name
/// of another one, also of one that comes with Lathe; its version has to tell the two apart.
/// </summary>
internal sealed class StageNamesakes(TimeProvider time)
{
    // Of more workers at once the oldest are of no interest.
    private const int MostWorkers = 10_000;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<string, (string Stage, string Version, string Digest, DateTimeOffset At)> _said = new(StringComparer.Ordinal);

    /// <summary>Takes note of what a worker says of its stage.</summary>
    public void Hear(string worker, StageManifest manifest)
    {
        if (_said.Count > MostWorkers) _said.Clear();
        var digest = Convert.ToHexStringLower(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(manifest, LatheJson.Options)));
        _said[worker] = (manifest.Name, manifest.Version, digest, time.GetUtcNow());
    }

    /// <summary>One sentence for each of these stages that two kinds of workers serve now.</summary>
    /// <param name="wanted">Stages of a sweep.</param>
    /// <param name="ask">Asks all workers to announce themselves.</param>
    /// <param name="stop">Gives up.</param>
    public async Task<IReadOnlyList<string>> WordsAsync(IReadOnlyCollection<StageManifest> wanted, Func<CancellationToken, Task> ask, CancellationToken stop)
    {
        var suspects = wanted.Select(m => (m.Name, m.Version)).Distinct().Where(of => Kinds(of, DateTimeOffset.MinValue).Count > 1).ToList();
        if (suspects.Count == 0) return [];
        // An author who changes a stage and starts it again is no conflict: the worker of before is gone, and does not answer.
        var asked = time.GetUtcNow();
        await ask(stop);
        await Task.Delay(Patience, time, stop);
        return
        [
            .. suspects.Select(of => (of, Kinds: Kinds(of, asked))).Where(s => s.Kinds.Count > 1).Select(s =>
                $"workers of {s.of.Name} version {s.of.Version} announce different stages ({string.Join(" and ", s.Kinds)}): each takes work and results of the other for its own. Give one of them another version or another name"),
        ];
    }

    /// <summary>A worker of each kind of those that serve a version of a stage and were heard since.</summary>
    private List<string> Kinds((string Stage, string Version) of, DateTimeOffset since) =>
        [.. _said.Where(s => (s.Value.Stage, s.Value.Version) == of && s.Value.At >= since).OrderBy(s => s.Key, StringComparer.Ordinal).DistinctBy(s => s.Value.Digest).Select(s => s.Key)];
}
