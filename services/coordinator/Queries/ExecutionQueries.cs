using Lathe.Contracts;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>Reads all that is known of one execution.</summary>
internal sealed class ExecutionQueries(CoordinatorStore store, SweepQueries queries, ApiSettings settings)
{
    /// <summary>The execution in a place of a sweep, which must be there.</summary>
    /// <param name="sweep">The sweep.</param>
    /// <param name="index">Place in its tree.</param>
    /// <param name="why">True: with the nearest earlier execution, which takes a look at thousands.</param>
    /// <param name="stop">Gives up.</param>
    public async Task<ExecutionDetail> DetailAsync(Guid sweep, int index, bool why, CancellationToken stop)
    {
        await using var database = store.Open();
        var view = await queries.ViewAsync(database, sweep, stop);
        var way = await NodeView.ReadAsync(database, view, all => all.Where(n => n.Index == index), stop);
        await SweepQueries.AddParentsAsync(database, view, way, stop);
        var node = way[^1];
        var children = await NodeView.ReadAsync(database, view, all => all.Where(n => n.Parent == index).OrderBy(n => n.Index).Take(ExecutionDetail.MostListed), stop);
        var metrics = await SweepQueries.MetricsAsync(database, view, stop);
        var execution = node.Execution;
        return new ExecutionDetail(
            node.Status(),
            await EpochsAsync(database, execution?.Id, stop),
            new SweepName(sweep, view.Row.Name),
            node.Point.Version,
            execution?.Id,
            execution?.Attempt ?? 0,
            execution?.Failures ?? 0,
            execution?.ReadyAt,
            execution?.SentAt,
            execution?.StartedAt,
            execution?.FinishedAt,
            execution?.Input(),
            settings.TraceOf(execution?.TraceParent ?? view.Row.TraceParent),
            metrics.GetValueOrDefault((node.Point.Stage, node.Point.Version)) ?? [],
            [.. way.Take(way.Count - 1).Select(Link)],
            [.. children.Select(Link)],
            await PlacesAsync(database, execution?.Key, stop),
            node.State == ExecutionState.Cached ? await ComputedInAsync(database, execution!, stop) : null,
            why && execution is not null && node.State != ExecutionState.Cached ? await NearestAsync(view, node, execution, stop) : null);
    }

    /// <summary>Executions that start from one, or the first ones of a sweep, a page at a time.</summary>
    /// <param name="sweep">The sweep.</param>
    /// <param name="parent">Index of the one; null: the first ones.</param>
    /// <param name="after">Index after which the page begins; null: from the first.</param>
    /// <param name="limit">The most of them.</param>
    /// <param name="stop">Gives up.</param>
    public async Task<TreePage> TreeAsync(Guid sweep, int? parent, int? after, int limit, CancellationToken stop)
    {
        await using var database = store.Open();
        var view = await queries.ViewAsync(database, sweep, stop);
        var from = after ?? -1;
        var nodes = await NodeView.ReadAsync(database, view, all => all.Where(n => n.Parent == parent && n.Index > from).OrderBy(n => n.Index).Take(limit + 1), stop);
        var isMore = nodes.Count > limit;
        if (isMore) nodes.RemoveAt(limit);
        var indices = nodes.ConvertAll(n => n.Index);
        var children = await database.Nodes.Where(n => n.SweepId == sweep && n.Parent != null && indices.Contains(n.Parent.Value))
            .GroupBy(n => n.Parent!.Value).Select(g => new { g.Key, Count = g.Count() }).ToDictionaryAsync(g => g.Key, g => g.Count, stop);
        return new TreePage([.. nodes.Select(n => new TreeNode(n.Status(), children.GetValueOrDefault(n.Index)))], isMore ? indices[^1] : null);
    }

    private static ExecutionLink Link(NodeView node) => new(node.Index, node.Point.Stage, node.State, node.Point.Parameters, node.Point.Varied, node.Execution?.Output());

    private static async Task<List<EpochPoint>> EpochsAsync(CoordinatorDatabase database, Guid? execution, CancellationToken stop) => execution is null ? [] : await database.ProgressPoints.AsNoTracking()
        .Where(p => p.ExecutionId == execution).OrderBy(p => p.Epoch).Select(p => new EpochPoint(p.Epoch, p.Loss, p.Accuracy, p.At)).ToListAsync(stop);

    private static async Task<List<ExecutionPlace>> PlacesAsync(CoordinatorDatabase database, string? key, CancellationToken stop) => key is null ? [] : await (
        from execution in database.Executions.AsNoTracking()
        join node in database.Nodes.AsNoTracking() on (Guid?)execution.Id equals node.ExecutionId
        join sweep in database.Sweeps.AsNoTracking() on node.SweepId equals sweep.Id
        where execution.Key == key
        orderby sweep.SubmittedAt descending, node.Index
        select new ExecutionPlace(sweep.Id, sweep.Name, node.Index)).Take(ExecutionDetail.MostListed).ToListAsync(stop);

    private static Task<ExecutionPlace?> ComputedInAsync(CoordinatorDatabase database, ExecutionRow execution, CancellationToken stop) => (
        from computed in database.Executions.AsNoTracking()
        join sweep in database.Sweeps.AsNoTracking() on computed.SweepId equals sweep.Id
        where computed.Key == execution.Key && computed.State == RunState.Completed && !computed.Found
        orderby computed.FinishedAt descending
        select new ExecutionPlace(sweep.Id, sweep.Name, computed.NodeIndex)).FirstOrDefaultAsync(stop);

    private async Task<EarlierExecution?> NearestAsync(SweepView view, NodeView node, ExecutionRow execution, CancellationToken stop)
    {
        var earlier = await EarlierExecutions.ReadAsync(store, [node.Point.Stage], execution.ReadyAt, stop);
        var reads = node.Point.ReadsData;
        return earlier.Nearest(node.Point.Stage, new KeyParts(
            node.Point.Version, KeyParts.Of(node.Point.Parameters), node.Branch.Model, reads ? node.Branch.Dataset : null, reads ? node.Branch.Fingerprint : null,
            node.Branch.Seed, view.Row.Threads, view.Row.Device, execution.InputSha256));
    }
}
