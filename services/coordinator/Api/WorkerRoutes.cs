using System.Text.Json;
using System.Text.Json.Serialization;
using Lathe.Contracts;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>A worker.</summary>
/// <param name="Name">Host, process and stage.</param>
/// <param name="Stage">The stage that it runs.</param>
/// <param name="Version">Version of the stage.</param>
/// <param name="IsCurrent">False: new sweeps are planned for another version.</param>
/// <param name="HeardAt">When it said something last.</param>
/// <param name="About">What it says of itself; null: a worker of an older release.</param>
/// <param name="Executions">What it computes now.</param>
public sealed record WorkerAnswer(
    string Name, string Stage, string Version, bool IsCurrent, DateTimeOffset HeardAt, WorkerAbout? About, IReadOnlyList<WorkerExecution> Executions);

/// <summary>What a worker computes.</summary>
/// <param name="Sweep">The sweep.</param>
/// <param name="Name">Its name.</param>
/// <param name="Index">Place in its tree.</param>
/// <param name="StartedAt">When the worker took it.</param>
/// <param name="Progress">How far it is; null: not heard yet.</param>
public sealed record WorkerExecution(Guid Sweep, string Name, int Index, DateTimeOffset? StartedAt, StageProgress? Progress);

/// <summary>What waits for one version of a stage.</summary>
/// <param name="Stage">Stage name.</param>
/// <param name="Version">Its version.</param>
/// <param name="IsCurrent">False: new sweeps are planned for another version.</param>
/// <param name="Workers">Workers that are up.</param>
/// <param name="Backlog">Messages of its queue that no worker has taken; null: there is no queue, or it lies in this process.</param>
/// <param name="Waiting">Executions of running sweeps whose input is not there yet.</param>
/// <param name="Ready">Those that may be sent.</param>
/// <param name="Queued">Those that were sent.</param>
/// <param name="Running">Those that workers compute.</param>
public sealed record QueueAnswer(string Stage, string Version, bool IsCurrent, int Workers, long? Backlog, int Waiting, int Ready, int Queued, int Running)
{
    /// <summary>Pool of workers that it belongs to; null: those in none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Pool { get; init; }
}

/// <summary>Says who works and what waits.</summary>
internal static class WorkerRoutes
{
    public static async Task<Ok<List<WorkerAnswer>>> WorkersAsync(WorkerRoster roster, StageCatalog stages, CoordinatorStore store, CancellationToken stop)
    {
        var up = await roster.UpAsync(stop);
        await using var database = store.Open();
        var held = await (
            from lease in database.Leases.AsNoTracking()
            join execution in database.Executions.AsNoTracking() on lease.ExecutionId equals execution.Id
            join sweep in database.Sweeps.AsNoTracking() on execution.SweepId equals sweep.Id
            where execution.State == RunState.Running
            orderby execution.StartedAt
            select new { lease.Worker, lease.HeardAt, lease.Progress, execution.Stage, execution.StageVersion, execution.SweepId, sweep.Name, execution.NodeIndex, execution.StartedAt }).ToListAsync(stop);
        var holds = held.ToLookup(h => h.Worker);
        var known = up.Select(w => w.Name).ToHashSet();
        // Those that never announced themselves here are up as long as they report.
        var others = held.Where(h => !known.Contains(h.Worker)).DistinctBy(h => h.Worker)
            .Select(h => new WorkerRow { Name = h.Worker, Stage = h.Stage, Version = h.StageVersion, HeardAt = h.HeardAt });
        return TypedResults.Ok(up.Concat(others).Select(w => new WorkerAnswer(
            w.Name, w.Stage, w.Version, IsCurrent(stages, w.Stage, w.Version),
            holds[w.Name].Select(h => h.HeardAt).Append(w.HeardAt).Max(),
            AboutOf(w),
            [
                .. holds[w.Name].Select(h => new WorkerExecution(
                    h.SweepId, h.Name, h.NodeIndex, h.StartedAt, h.Progress is null ? null : JsonSerializer.Deserialize<StageProgress>(h.Progress, LatheJson.Options))),
            ])).OrderBy(w => w.Stage, StringComparer.Ordinal).ThenBy(w => w.Name, StringComparer.Ordinal).ToList());
    }

    public static async Task<Ok<List<QueueAnswer>>> QueuesAsync(
        WorkerRoster roster, StageCatalog stages, CoordinatorStore store, IStageBus bus, CancellationToken stop)
    {
        var up = (await roster.UpAsync(stop)).CountBy(w => new WorkQueue(w.Stage, w.Version, AboutOf(w)?.Pool)).ToDictionary();
        await using var database = store.Open();
        var open = (await (
            from count in database.StepCounts.AsNoTracking()
            join sweep in database.Sweeps.AsNoTracking() on count.SweepId equals sweep.Id
            where sweep.State == SweepState.Running
            group count by new { count.Stage, count.Version, count.Pool } into of
            select new
            {
                of.Key.Stage, of.Key.Version, of.Key.Pool, Waiting = of.Sum(c => c.Waiting), Ready = of.Sum(c => c.Ready), Queued = of.Sum(c => c.Queued), Running = of.Sum(c => c.Running),
            }).ToListAsync(stop)).ToDictionary(o => new WorkQueue(o.Stage, o.Version, o.Pool));
        var answers = new List<QueueAnswer>();
        foreach (var of in stages.Manifests.Values.Select(m => new WorkQueue(m.Name, m.Version, null)).Union(up.Keys).Union(open.Keys)
            .OrderBy(k => k.Stage, StringComparer.Ordinal).ThenBy(k => k.Version, StringComparer.Ordinal).ThenBy(k => k.Pool, StringComparer.Ordinal))
        {
            var counts = open.GetValueOrDefault(of);
            answers.Add(new QueueAnswer(
                of.Stage, of.Version, IsCurrent(stages, of.Stage, of.Version), up.GetValueOrDefault(of), (await bus.QueueAsync(of, stop))?.Waiting,
                counts?.Waiting ?? 0, counts?.Ready ?? 0, counts?.Queued ?? 0, counts?.Running ?? 0) { Pool = of.Pool });
        }

        return TypedResults.Ok(answers);
    }

    private static WorkerAbout? AboutOf(WorkerRow worker) => worker.About is null ? null : JsonSerializer.Deserialize<WorkerAbout>(worker.About, LatheJson.Options);

    private static bool IsCurrent(StageCatalog stages, string stage, string version) => stages.Manifests.TryGetValue(stage, out var manifest) && manifest.Version == version;
}
