using System.Collections.Concurrent;
using System.Text.Json;
using Lathe.Contracts;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>A point of a sweep's grid, read once.</summary>
internal sealed record Point(int Number, int Step, string Stage, string Version, bool OnlyMeasures, bool ReadsData, JsonElement Parameters, IReadOnlyList<string> Varied);

/// <summary>What never changes about a sweep once it runs: kept in memory, so that no event reads it again.</summary>
internal sealed class SweepFacts
{
    private SweepFacts(SweepRow sweep, IReadOnlyDictionary<int, Point> points, IReadOnlyDictionary<int, BranchRow> branches) =>
        (Sweep, Points, Branches, Spec) =
            (sweep, points, branches, sweep.Spec is { } spec ? JsonSerializer.Deserialize<SweepSpec>(spec, LatheJson.Options) : null);

    private SweepFacts(SweepFacts earlier, IReadOnlyDictionary<int, Point> points) => (Sweep, Points, Branches, Spec) = (earlier.Sweep, points, earlier.Branches, earlier.Spec);

    /// <summary>Its lasting members; state, priority and the like may have changed since.</summary>
    public SweepRow Sweep { get; }

    public IReadOnlyDictionary<int, Point> Points { get; }

    public IReadOnlyDictionary<int, BranchRow> Branches { get; }

    /// <summary>True: epochs of its executions decide which trials stop early.</summary>
    public bool StopsEarly => Sweep.IsSearching && Spec?.EarlyStopping is not null;

    /// <summary>What its author wrote; null for a sweep of an early Lathe.</summary>
    private SweepSpec? Spec { get; }

    /// <summary>Pool of workers that computes a stage; null: those in none.</summary>
    public string? PoolOf(string stage) => Spec?.Pool?.GetValueOrDefault(stage);

    /// <summary>Data set that an execution of this point and branch reads; null: it reads none.</summary>
    public static DataRef? DataOf(Point point, BranchRow branch) =>
        point.ReadsData && branch.Fingerprint is { Length: > 0 } fingerprint ? new DataRef(branch.Dataset, fingerprint) : null;

    /// <summary>Key of a node's execution.</summary>
    public string KeyOf(NodeRow node, CheckpointRef? input)
    {
        var point = Points[node.Point];
        var branch = Branches[node.Branch];
        var stage = new StageManifest(point.Stage, point.Version, "", StageInput.Checkpoint, StageOutput.Checkpoint);
        return ExecutionKey.Compute(stage, point.Parameters, input, DataOf(point, branch), branch.Seed, Sweep.Threads, Sweep.Device);
    }

    /// <summary>The same with further points.</summary>
    public SweepFacts With(IEnumerable<Point> more)
    {
        var points = new Dictionary<int, Point>(Points);
        foreach (var point in more) points[point.Number] = point;
        return new SweepFacts(this, points);
    }

    public static async Task<SweepFacts> ReadAsync(CoordinatorDatabase database, Guid id, CancellationToken stop)
    {
        var sweep = await database.Sweeps.AsNoTracking().SingleAsync(s => s.Id == id, stop);
        var points = await database.Points.AsNoTracking().Where(p => p.SweepId == id).ToListAsync(stop);
        var branches = await database.Branches.AsNoTracking().Where(b => b.SweepId == id).ToDictionaryAsync(b => b.Number, stop);
        return new SweepFacts(sweep, points.ToDictionary(p => p.Number, Read), branches);
    }

    public static Point Read(PointRow row) => new(
        row.Number, row.Step, row.Stage, row.Version, row.OnlyMeasures, row.ReadsData,
        JsonSerializer.Deserialize<JsonElement>(row.Parameters), JsonSerializer.Deserialize<List<string>>(row.Varied)!);
}

/// <summary>Facts of the sweeps that something happened to lately.</summary>
internal sealed class SweepFactsCache
{
    // A sweep of 100,000 executions has some hundred points.
    private const int Most = 200;

    private readonly ConcurrentDictionary<Guid, SweepFacts> _facts = new();

    /// <summary>The facts of a sweep.</summary>
    /// <param name="database">Where they are read.</param>
    /// <param name="id">The sweep.</param>
    /// <param name="points">Points that must be among them; one that is missing was added since, and is read.</param>
    /// <param name="stop">Gives up.</param>
    public async Task<SweepFacts> OfAsync(CoordinatorDatabase database, Guid id, IEnumerable<int> points, CancellationToken stop)
    {
        SweepFacts facts;
        if (_facts.TryGetValue(id, out var known))
        {
            var missing = points.Where(p => !known.Points.ContainsKey(p)).Distinct().ToList();
            if (missing.Count == 0) return known;
            facts = known.With((await database.Points.AsNoTracking().Where(p => p.SweepId == id && missing.Contains(p.Number)).ToListAsync(stop)).Select(SweepFacts.Read));
        }
        else
        {
            facts = await SweepFacts.ReadAsync(database, id, stop);
        }

        if (_facts.Count >= Most) _facts.Clear();
        if (facts.Sweep.State != SweepState.Preparing) _facts[id] = facts;
        return facts;
    }

    public void Forget(Guid id) => _facts.TryRemove(id, out _);
}
