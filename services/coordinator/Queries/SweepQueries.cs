using System.Text.Json;
using Lathe.Contracts;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>Reads sweeps from the database. Needs no bus and changes nothing. A missing database has no sweeps.</summary>
/// <param name="store">The database.</param>
/// <param name="time">Clock that decides which sweeps have had no heartbeat for too long.</param>
/// <param name="options">Options of the calling coordinator, whose own sweeps never count as abandoned; null: the caller is no coordinator.</param>
public sealed class SweepQueries(CoordinatorStore store, TimeProvider time, CoordinatorOptions? options = null)
{
    private readonly CoordinatorOptions _options = options ?? new CoordinatorOptions();

    /// <summary>All sweeps, latest first.</summary>
    public async Task<IReadOnlyList<SweepSummary>> ListAsync(CancellationToken stop = default)
    {
        if (!await store.ExistsAsync(stop)) return [];
        await using var database = store.Open();
        var counts = await database.Executions
            .GroupBy(e => e.SweepId)
            .Select(g => new
            {
                Id = g.Key,
                All = g.Count(),
                Finished = g.Count(e => e.State == ExecutionState.Completed || e.State == ExecutionState.Cached || e.State == ExecutionState.Failed),
            })
            .ToDictionaryAsync(c => c.Id, stop);
        var sweeps = await database.Sweeps.AsNoTracking().OrderByDescending(s => s.SubmittedAt).ToListAsync(stop);
        return
        [
            .. sweeps.Select(s =>
            {
                var count = counts.GetValueOrDefault(s.Id);
                return new SweepSummary(
                    s.Id, s.Name, StateOf(s), s.SubmittedAt, EndOf(s), count?.Finished ?? 0, count?.All ?? 0);
            }),
        ];
    }

    /// <summary>A sweep with its executions.</summary>
    /// <param name="reference">Id, unique prefix of one, or name: then the latest of that name.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="LatheException">No sweep or several sweeps match.</exception>
    public async Task<SweepStatus> StatusAsync(string reference, CancellationToken stop = default)
    {
        var (sweep, executions) = await FindAsync(reference, stop);
        return new SweepStatus(
            sweep.Id, sweep.Name, StateOf(sweep), sweep.SubmittedAt, EndOf(sweep), [.. executions.Select(StatusOf)], sweep.Device);
    }

    /// <summary>The results of a sweep, one for each leaf of its tree.</summary>
    /// <param name="reference">As in <see cref="StatusAsync"/>.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="LatheException">No sweep or several sweeps match.</exception>
    public async Task<SweepResults> ResultsAsync(string reference, CancellationToken stop = default)
    {
        var (_, executions) = await FindAsync(reference, stop);
        var names = executions.Select(e => e.Stage).Distinct().ToList();
        await using var database = store.Open();
        var stages = await database.Stages.AsNoTracking().Where(s => names.Contains(s.Name)).ToListAsync(stop);
        return Leaves.Of(executions, stages.ToDictionary(
            s => (s.Name, s.Version), s => JsonSerializer.Deserialize<StageManifest>(s.Manifest, LatheJson.Options)!.Metrics ?? []));
    }

    private async Task<(SweepRow Sweep, List<ExecutionRow> Executions)> FindAsync(string reference, CancellationToken stop)
    {
        if (!await store.ExistsAsync(stop)) throw NotFound(reference);
        await using var database = store.Open();
        var id = await ResolveAsync(database, reference, stop) ?? throw NotFound(reference);
        var sweep = await database.Sweeps.AsNoTracking().SingleAsync(s => s.Id == id, stop);
        var executions = await database.Executions.AsNoTracking().Where(e => e.SweepId == id).OrderBy(e => e.Index).ToListAsync(stop);
        if (IsAbandoned(sweep))
        {
            foreach (var execution in executions.Where(e => e.State == ExecutionState.Waiting || e.IsActive()))
                (execution.State, execution.Error) = (ExecutionState.Skipped, ExecutionRow.InterruptedError);
        }

        return (sweep, executions);
    }

    private bool IsAbandoned(SweepRow sweep) => sweep.IsAbandoned(time.GetUtcNow(), _options);

    private SweepState StateOf(SweepRow sweep) => IsAbandoned(sweep) ? SweepState.Interrupted : sweep.State;

    private DateTimeOffset? EndOf(SweepRow sweep) => IsAbandoned(sweep) ? sweep.OwnerSeenAt : sweep.FinishedAt;

    private static async Task<Guid?> ResolveAsync(CoordinatorDatabase database, string reference, CancellationToken stop)
    {
        var sweeps = await database.Sweeps.AsNoTracking()
            .OrderByDescending(s => s.SubmittedAt)
            .Select(s => new { s.Id, s.Name })
            .ToListAsync(stop);
        if (Guid.TryParse(reference, out var id) && sweeps.Exists(s => s.Id == id)) return id;
        if (sweeps.Find(s => s.Name == reference) is { } named) return named.Id;
        if (reference.Length == 0) return null;
        var found = sweeps.Where(s => s.Id.ToString().StartsWith(reference, StringComparison.OrdinalIgnoreCase)).ToList();
        return found.Count switch
        {
            0 => null,
            1 => found[0].Id,
            _ => throw new LatheException($"{found.Count} sweeps have an id that starts with '{reference}'; give more of it"),
        };
    }

    private LatheException NotFound(string reference) =>
        new($"no sweep '{reference}' in {store.Address}; expected an id, the start of one, or a name ('lathe status' lists them)");

    private static ExecutionStatus StatusOf(ExecutionRow row) => new(
        row.Index,
        row.Parent,
        row.Stage,
        row.Model,
        row.Dataset,
        row.Seed,
        row.ParametersJson(),
        JsonSerializer.Deserialize<List<string>>(row.Varied)!,
        row.State,
        row.Key,
        row.Worker,
        row.Progress is null ? null : JsonSerializer.Deserialize<StageProgress>(row.Progress, LatheJson.Options),
        row.Output(),
        Leaves.Figures(row.Metrics),
        row.Seconds,
        row.Error);
}
