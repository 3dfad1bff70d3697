using System.Text.Json;
using System.Text.RegularExpressions;
using Lathe.Contracts;
using Lathe.Hosting;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>Reads from the database what is known of the contents of the store.</summary>
internal static partial class StoreRecordsReader
{
    private const int KeysAtATime = 500;

    /// <summary>The records of these contents.</summary>
    public static async Task<StoreRecords> ReadAsync(CoordinatorDatabase database, IReadOnlyList<StoredBlob> blobs, CancellationToken stop)
    {
        var rows = await database.Sweeps.AsNoTracking().Select(s => new { s.Id, s.SubmittedAt, s.FinishedAt, s.State, s.Pinned, s.Limits }).ToListAsync(stop);
        var sweeps = rows.ConvertAll(s =>
        {
            var limits = SweepRows.LimitsOf(s.Limits);
            return new KeptSweep(
                s.Id, s.SubmittedAt, s.FinishedAt, s.State is SweepState.Running or SweepState.Preparing or SweepState.Paused, s.Pinned, limits?.KeepDays, limits?.BudgetBytes);
        });
        var uses = new List<CheckpointUse>();
        foreach (var sweep in sweeps) uses.AddRange(await UsesAsync(database, sweep, stop));
        // Also of sweeps whose coordinator is gone: a worker may still have the message.
        var inputs = await database.Executions.AsNoTracking()
            .Where(e => e.InputSha256 != null && (e.State == RunState.Ready || e.State == RunState.Queued || e.State == RunState.Running))
            .Select(e => new { e.InputSha256, e.SweepId }).Distinct().ToListAsync(stop);
        uses.AddRange(inputs.Select(i => new CheckpointUse(i.InputSha256!, i.SweepId, IsLeaf: false, IsOnFront: false, IsNeeded: true)));
        return new StoreRecords(blobs, sweeps, uses, await TakenInAsync(database, stop), await StatesAsync(database, blobs, stop));
    }

    private static async Task<IEnumerable<CheckpointUse>> UsesAsync(CoordinatorDatabase database, KeptSweep sweep, CancellationToken stop)
    {
        var nodes = await (
            from node in database.Nodes.AsNoTracking()
            join execution in database.Executions.AsNoTracking() on node.ExecutionId equals (Guid?)execution.Id into executions
            from execution in executions.DefaultIfEmpty()
            where node.SweepId == sweep.Id
            select new
            {
                node.Index, node.Parent, node.IsLeaf, Output = execution.OutputSha256, IsDone = execution.OutputSha256 != null && execution.State == RunState.Completed,
                Metrics = node.IsLeaf ? execution.Metrics : null,
            }).ToListAsync(stop);
        var parents = nodes.ToDictionary(n => n.Index, n => n.Parent);
        var needed = new HashSet<int>();
        foreach (var open in nodes.Where(n => sweep.IsOpen && !n.IsDone))
        {
            for (var above = open.Parent; above is { } index && needed.Add(index); above = parents[index])
            {
            }
        }

        var front = await FrontAsync(database, sweep.Id, [.. nodes.Where(n => n is { IsLeaf: true, IsDone: true }).Select(n => (n.Index, n.Metrics))], stop);
        var dense = front.Select(Root).ToHashSet();
        return nodes.Where(n => n.Output is not null).Select(n => new CheckpointUse(n.Output!, sweep.Id, n.IsLeaf, front.Contains(n.Index), needed.Contains(n.Index), dense.Contains(n.Index)));

        int Root(int index)
        {
            while (parents[index] is { } above) index = above;
            return index;
        }
    }

    /// <summary>Leaves that no other of the sweep beats: on a front of the first metric of which more is better against each of which less is; without such costs the best ones.</summary>
    private static async Task<HashSet<int>> FrontAsync(CoordinatorDatabase database, Guid sweep, IReadOnlyList<(int Index, string? Metrics)> leaves, CancellationToken stop)
    {
        if (leaves.Count == 0) return [];
        var steps = await database.StepCounts.AsNoTracking().Where(c => c.SweepId == sweep).OrderBy(c => c.Step).ToListAsync(stop);
        var names = steps.Select(s => s.Stage).Distinct().ToList();
        var manifests = await database.Stages.AsNoTracking().Where(s => names.Contains(s.Name)).ToListAsync(stop);
        var metrics = Leaves.Described(steps, manifests.ToDictionary(
            s => (s.Name, s.Version), s => JsonSerializer.Deserialize<StageManifest>(s.Manifest, LatheJson.Options)!.Metrics ?? [])).ToList();
        if (metrics.Exists(m => m is { IsColumn: true, Better: Better.Lower })) return [.. BestLeaves.Of(leaves, metrics, int.MaxValue).Listed];
        if (metrics.Find(m => m is { IsColumn: true, Better: Better.Higher }) is not { } goal) return [];
        var reached = leaves.Select(l => (l.Index, Value: NodeView.Figures(l.Metrics).TryGetValue(goal.Name, out var value) ? value : double.NegativeInfinity)).ToList();
        var most = reached.Max(r => r.Value);
        return [.. reached.Where(r => r.Value == most).Select(r => r.Index)];
    }

    /// <summary>Digests that sweeps name: their models, and weights in parameters. Nothing can compute these again.</summary>
    private static async Task<HashSet<string>> TakenInAsync(CoordinatorDatabase database, CancellationToken stop)
    {
        var models = await database.Branches.AsNoTracking().Select(b => b.Model).Distinct().ToListAsync(stop);
        var taken = models.Select(m => StoredModel.TryParse(m)?.Sha256).OfType<string>().ToHashSet();
        await foreach (var parameters in database.Points.AsNoTracking().Select(p => p.Parameters).Distinct().AsAsyncEnumerable().WithCancellation(stop))
            taken.UnionWith(Digests().Matches(parameters).Select(m => m.Value));
        return taken;
    }

    private static async Task<Dictionary<string, StateUse>> StatesAsync(CoordinatorDatabase database, IReadOnlyList<StoredBlob> blobs, CancellationToken stop)
    {
        var states = new Dictionary<string, StateUse>();
        var keys = blobs.Where(b => b.Name.StartsWith(RetentionPlan.States, StringComparison.Ordinal) || b.Name.StartsWith(RetentionPlan.Logs, StringComparison.Ordinal)).Select(b => Digests().Match(b.Name)).Where(m => m.Success).Select(m => m.Value).Distinct();
        foreach (var some in keys.Chunk(KeysAtATime))
        {
            var executions = await database.Executions.AsNoTracking().Where(e => some.Contains(e.Key)).Select(e => new { e.Id, e.Key, e.State, e.SweepId }).ToListAsync(stop);
            var ids = executions.ConvertAll(e => e.Id);
            var nodes = await database.Nodes.AsNoTracking().Where(n => n.ExecutionId != null && ids.Contains(n.ExecutionId.Value)).Select(n => new { n.ExecutionId, n.SweepId }).Distinct().ToListAsync(stop);
            var wanting = nodes.ToLookup(n => n.ExecutionId!.Value, n => n.SweepId);
            foreach (var same in executions.GroupBy(e => e.Key))
            {
                states[same.Key] = new StateUse(
                    same.Any(e => e.State == RunState.Completed), same.SelectMany(e => wanting[e.Id].Append(e.SweepId)).ToHashSet(),
                    same.Any(e => !RunLife.IsOver(e.State)));
            }
        }

        return states;
    }

    [GeneratedRegex("(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")]
    private static partial Regex Digests();
}
