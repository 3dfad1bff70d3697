using System.Collections.Concurrent;
using System.Text.Json;
using Lathe.Contracts;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>Known stages: announced to this process or to another coordinator of the cluster, or announced earlier and kept in the database.</summary>
public sealed class StageCatalog(CoordinatorStore store, TimeProvider time)
{
    // Anybody can announce names that no stage has.
    private const int LongestName = 255;
    private const int MostRefused = 1000;

    private readonly ConcurrentDictionary<string, string> _refused = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, StageManifest> _manifests = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<(string Stage, string Version), StageManifest> _versions = new();
    private readonly ConcurrentDictionary<WorkQueue, bool?> _workers = new();
    private readonly ConcurrentDictionary<string, TaskCompletionSource> _heardHere = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<(string Stage, string Version), DateTimeOffset> _seen = new();

    /// <summary>Stages by name, each in the newest version that announced itself to this process, otherwise in the one that did so last to an earlier process.</summary>
    public IReadOnlyDictionary<string, StageManifest> Manifests => _manifests;

    /// <summary>Takes note of an announcement that was refused, for whoever names the stage.</summary>
    internal void Refuse(string? stage, string why)
    {
        if (stage is { Length: > 0 and <= LongestName } && _refused.Count < MostRefused) _refused[stage] = why;
    }

    /// <summary>Why the last announcement of a stage that is not known was refused; null: there was none.</summary>
    internal string? Refusal(string stage) => _manifests.ContainsKey(stage) ? null : _refused.GetValueOrDefault(stage);

    /// <summary>Which worker said what.</summary>
    internal StageNamesakes Namesakes { get; } = new(time);

    /// <summary>What versions of a stage say of themselves, as far as this process knows; empty: nothing.</summary>
    public IReadOnlyList<StageManifest> VersionsOf(string stage) => [.. _versions.Where(v => v.Key.Stage == stage).Select(v => v.Value)];

    /// <summary>Whether a worker takes messages from this queue, as far as this process heard; null: nothing is known of the stage.</summary>
    internal bool? HasWorker(WorkQueue queue) => _workers.TryGetValue(queue, out var isUp) ? isUp : HasHeard(queue.Stage) ? false : null;

    /// <summary>Takes note of what the broker says: workers come and announce themselves, and nobody tells when the last one goes. Null: it does not say.</summary>
    internal void SetWorker(WorkQueue queue, bool? isUp) => _workers[queue] = isUp;

    /// <summary>Since when the broker has not answered when it was asked for queues; null: it did the last time.</summary>
    public DateTimeOffset? BrokerSilentSince { get; private set; }

    /// <summary>Takes note of whether the broker answered.</summary>
    public void BrokerAnswers(bool answers, DateTimeOffset now) => BrokerSilentSince = answers ? null : BrokerSilentSince ?? now;

    /// <summary>True if the stage announced itself to this process, so that its version is current.</summary>
    public bool HasHeard(string stage) => _heardHere.TryGetValue(stage, out var heard) && heard.Task.IsCompleted;

    /// <summary>Asks workers what they can do, and waits until these stages have announced themselves or the time is over.</summary>
    /// <param name="bus">Asks.</param>
    /// <param name="replyTo">Queue that announcements come to.</param>
    /// <param name="wanted">Names of stages; if all have announced themselves before, nobody is asked.</param>
    /// <param name="patience">Time for all of it.</param>
    /// <param name="stop">Calls it off.</param>
    internal async Task AskAsync(IStageBus bus, string replyTo, IReadOnlyCollection<string> wanted, TimeSpan patience, CancellationToken stop)
    {
        if (wanted.All(HasHeard)) return;
        using var over = new CancellationTokenSource(patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(over.Token, stop);
        try
        {
            await bus.AskForStagesAsync(replyTo, either.Token);
            await Task.WhenAll(wanted.Select(stage => HeardHere(stage).Task)).WaitAsync(either.Token);
        }
        catch (OperationCanceledException) when (over.IsCancellationRequested && !stop.IsCancellationRequested)
        {
            // HasHeard tells who has not answered.
        }
        finally
        {
            // Anybody can ask for names that no stage has.
            foreach (var stage in wanted.Where(stage => !HasHeard(stage) && !_manifests.ContainsKey(stage))) _heardHere.TryRemove(stage, out _);
        }
    }

    /// <summary>Adds a stage of this process, or one that announced itself, and stores it.</summary>
    public Task AddAsync(StageManifest manifest, CancellationToken stop = default) => AddAsync(manifest, null, stop);

    /// <summary>Adds a stage of this process, or one that announced itself, and stores it.</summary>
    /// <param name="manifest">What the stage says of itself.</param>
    /// <param name="pool">Pool of the worker that said it; null: none.</param>
    /// <param name="stop">Gives up.</param>
    internal async Task AddAsync(StageManifest manifest, string? pool, CancellationToken stop)
    {
        Hear(manifest, pool);
        var text = JsonSerializer.Serialize(manifest, LatheJson.Options);
        var at = _seen[(manifest.Name, manifest.Version)] = time.GetUtcNow();
        await using var database = store.Open();
        // In one statement: two coordinators may hear of a new stage at the same time.
        await database.Database.ExecuteSqlAsync(
            $"""
            INSERT INTO stages ("Name", "Version", "Manifest", "AnnouncedAt") VALUES ({manifest.Name}, {manifest.Version}, {text}, {at.UtcDateTime})
            ON CONFLICT ("Name", "Version") DO UPDATE SET "Manifest" = excluded."Manifest", "AnnouncedAt" = excluded."AnnouncedAt"
            """,
            stop);
    }

    /// <summary>Reads the stages that were announced to earlier processes.</summary>
    public async Task LoadAsync(CancellationToken stop = default)
    {
        await using var database = store.Open();
        foreach (var row in await database.Stages.AsNoTracking().OrderByDescending(r => r.AnnouncedAt).ToListAsync(stop))
        {
            var manifest = JsonSerializer.Deserialize<StageManifest>(row.Manifest, LatheJson.Options)!;
            _manifests.TryAdd(row.Name, manifest);
            _versions.TryAdd((row.Name, row.Version), manifest);
            _seen.TryAdd((row.Name, row.Version), row.AnnouncedAt);
        }
    }

    /// <summary>
    /// Reads what was announced since <see cref="LoadAsync"/> to other coordinators of this queue: each announcement comes to one of them. It counts as heard here.
    /// </summary>
    public async Task HearOthersAsync(CancellationToken stop = default)
    {
        await using var database = store.Open();
        // Compared with what was seen before, and not with this machine's clock.
        foreach (var row in await database.Stages.AsNoTracking().OrderBy(r => r.AnnouncedAt).ToListAsync(stop))
        {
            if (_seen.TryGetValue((row.Name, row.Version), out var at) && at == row.AnnouncedAt) continue;
            _seen[(row.Name, row.Version)] = row.AnnouncedAt;
            Hear(JsonSerializer.Deserialize<StageManifest>(row.Manifest, LatheJson.Options)!, null);
        }
    }

    private void Hear(StageManifest manifest, string? pool)
    {
        SetWorker(new WorkQueue(manifest.Name, manifest.Version, pool), isUp: true);
        _versions[(manifest.Name, manifest.Version)] = manifest;
        // While old and new workers run side by side, new sweeps are planned for the new ones.
        _manifests.AddOrUpdate(manifest.Name, manifest, (_, known) => HasHeard(manifest.Name) && IsOlder(manifest.Version, known.Version) ? known : manifest);
        HeardHere(manifest.Name).TrySetResult();
    }

    /// <summary>Versions are compared as numbers where both are.</summary>
    internal static bool IsOlder(string version, string other) =>
        Version.TryParse(Dotted(version), out var a) && Version.TryParse(Dotted(other), out var b) ? a < b : string.CompareOrdinal(version, other) < 0;

    private static string Dotted(string version) => version.Contains('.', StringComparison.Ordinal) ? version : version + ".0";

    private TaskCompletionSource HeardHere(string stage) =>
        _heardHere.GetOrAdd(stage, _ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
}
