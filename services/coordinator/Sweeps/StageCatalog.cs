using System.Collections.Concurrent;
using System.Text.Json;
using Lathe.Contracts;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>Known stages: announced to this process, or announced earlier and kept in the database.</summary>
public sealed class StageCatalog(CoordinatorStore store, TimeProvider time)
{
    private readonly ConcurrentDictionary<string, StageManifest> _manifests = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, bool> _heardHere = new(StringComparer.Ordinal);

    /// <summary>Stages by name.</summary>
    public IReadOnlyDictionary<string, StageManifest> Manifests => _manifests;

    /// <summary>True where the stage announced itself to this process, so that its version is today's.</summary>
    public bool HasHeard(string stage) => _heardHere.ContainsKey(stage);

    /// <summary>Adds the stages of this process, or one that announced itself, and stores them.</summary>
    public async Task AddAsync(StageManifest manifest, CancellationToken stop = default)
    {
        _manifests[manifest.Name] = manifest;
        _heardHere[manifest.Name] = true;
        var text = JsonSerializer.Serialize(manifest, LatheJson.Options);
        await using var database = store.Open();
        var known = await database.Stages.FindAsync([manifest.Name], stop);
        if (known is null) database.Stages.Add(known = new StageRow { Name = manifest.Name, Manifest = text });
        known.Manifest = text;
        known.AnnouncedAt = time.GetUtcNow();
        try
        {
            await database.SaveChangesAsync(stop);
        }
        catch (DbUpdateException)
        {
            // Two announcements of one new stage at the same time: either may be stored.
        }
    }

    /// <summary>Reads the stages that were announced to earlier processes.</summary>
    public async Task LoadAsync(CancellationToken stop = default)
    {
        await using var database = store.Open();
        foreach (var row in await database.Stages.AsNoTracking().ToListAsync(stop))
            _manifests.TryAdd(row.Name, JsonSerializer.Deserialize<StageManifest>(row.Manifest, LatheJson.Options)!);
    }
}
