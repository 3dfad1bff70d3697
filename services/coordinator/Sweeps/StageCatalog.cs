using System.Collections.Concurrent;
using System.Text.Json;
using Lathe.Contracts;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>Stages that are known: announced to this process, or earlier and kept in the database.</summary>
public sealed class StageCatalog(CoordinatorStore store, TimeProvider time)
{
    private readonly ConcurrentDictionary<string, StageManifest> _manifests = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, bool> _heardHere = new(StringComparer.Ordinal);

    /// <summary>Stages by name, each in the version that announced itself last.</summary>
    public IReadOnlyDictionary<string, StageManifest> Manifests => _manifests;

    /// <summary>True where the stage announced itself to this process, so that its version is today's.</summary>
    public bool HasHeard(string stage) => _heardHere.ContainsKey(stage);

    /// <summary>Takes stages that live in this process, or one that announced itself, and keeps them.</summary>
    public async Task AddAsync(StageManifest manifest, CancellationToken stop = default)
    {
        _manifests[manifest.Name] = manifest;
        _heardHere[manifest.Name] = true;
        var text = JsonSerializer.Serialize(manifest, LatheJson.Options);
        await using var database = store.Open();
        var known = await database.Stages.FindAsync([manifest.Name, manifest.Version], stop);
        if (known is null) database.Stages.Add(known = new StageRow { Name = manifest.Name, Version = manifest.Version, Manifest = text });
        known.Manifest = text;
        known.AnnouncedAt = time.GetUtcNow();
        try
        {
            await database.SaveChangesAsync(stop);
        }
        catch (DbUpdateException)
        {
            // Two announcements of one new stage at once: either may be the one that is kept.
        }
    }

    /// <summary>Reads the stages that earlier processes heard of.</summary>
    public async Task LoadAsync(CancellationToken stop = default)
    {
        await using var database = store.Open();
        foreach (var row in await database.Stages.AsNoTracking().OrderByDescending(r => r.AnnouncedAt).ToListAsync(stop))
            _manifests.TryAdd(row.Name, JsonSerializer.Deserialize<StageManifest>(row.Manifest, LatheJson.Options)!);
    }
}
