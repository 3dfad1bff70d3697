using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>Something that happened to a sweep.</summary>
/// <param name="Sequence">Rises; ask for what came after it.</param>
/// <param name="At">When.</param>
/// <param name="Kind"><c>sweep</c>: its state changed. <c>executions</c>: states of executions changed.</param>
/// <param name="Data">JSON.</param>
public sealed record SweepEvent(long Sequence, DateTimeOffset At, string Kind, JsonElement Data);

/// <summary>Reads sweeps from the database. Needs no bus and changes nothing. A missing database has no sweeps.</summary>
/// <param name="store">The database.</param>
/// <param name="time">Clock that decides which sweeps have had no heartbeat for too long.</param>
/// <param name="options">Options of the calling coordinator, whose own sweeps never count as abandoned; null: the caller is no coordinator.</param>
/// <param name="stages">Knows which stages have workers; null: nobody knows.</param>
public sealed partial class SweepQueries(CoordinatorStore store, TimeProvider time, CoordinatorOptions? options = null, StageCatalog? stages = null)
{
    /// <summary>Executions that a status lists, unless asked for more or fewer.</summary>
    public const int Listed = 200;

    private const int MostReasons = 20;

    // As the JSON of a report has them.
    private const string ForCpu = $"\"{StageProgress.WaitingForCpu}\"";
    private const string ForSame = $"\"{StageProgress.WaitingForSame}\"";

    private readonly CoordinatorOptions _options = options ?? new CoordinatorOptions();
    private readonly bool _isCoordinator = options is not null;

    /// <summary>Sweeps, latest first.</summary>
    /// <param name="limit">The most of them; null: all.</param>
    /// <param name="before">Only sweeps submitted before this one; null: from the latest.</param>
    /// <param name="states">Only sweeps in one of these states; null: in any.</param>
    /// <param name="search">Only sweeps with this in their name, whatever its case; null: with any name.</param>
    /// <param name="stop">Gives up.</param>
    public async Task<IReadOnlyList<SweepSummary>> ListAsync(
        int? limit = null, Guid? before = null, IReadOnlyCollection<SweepState>? states = null, string? search = null, CancellationToken stop = default)
    {
        if (!await store.ExistsAsync(stop)) return [];
        await using var database = store.Open();
        var sweeps = database.Sweeps.AsNoTracking();
        if (before is { } id)
        {
            var at = await database.Sweeps.Where(s => s.Id == id).Select(s => s.SubmittedAt).FirstOrDefaultAsync(stop);
            sweeps = sweeps.Where(s => s.SubmittedAt < at);
        }

        if (states is not null)
        {
            // Whoever ran an abandoned one has not written so.
            var isLost = states.Contains(SweepState.Interrupted);
            var silent = time.GetUtcNow() - _options.SilentAfter;
            sweeps = sweeps.Where(s => states.Contains(s.State) || (isLost && (s.State == SweepState.Running || s.State == SweepState.Preparing) && s.OwnerSeenAt < silent));
        }

        if (search is not null)
        {
            var sought = search.ToLowerInvariant();
#pragma warning disable CA1304, CA1311, CA1862 // The database compares.
            sweeps = sweeps.Where(s => s.Name.ToLower().Contains(sought));
#pragma warning restore CA1304, CA1311, CA1862
        }

        var listed = await sweeps.OrderByDescending(s => s.SubmittedAt).Take(limit ?? int.MaxValue).ToListAsync(stop);
        if (states is not null) listed.RemoveAll(s => !states.Contains(StateOf(s)));
        var ids = listed.ConvertAll(s => s.Id);
        var counts = (await database.StepCounts.AsNoTracking().Where(c => ids.Contains(c.SweepId)).ToListAsync(stop)).ToLookup(c => c.SweepId);
        var resting = await RestingAsync(database, [.. listed.Where(s => s.State == SweepState.Running).Select(s => s.Id)], stop);
        return [.. listed.Select(s => Summary(s, [.. counts[s.Id]]))];

        SweepSummary Summary(SweepRow s, IReadOnlyList<StepCountRow> steps)
        {
            var state = StateOf(s);
            int Open(Func<StepCountRow, int> count) => state is SweepState.Running ? steps.Sum(count) : 0;
            return new SweepSummary(
                s.Id, s.Name, state, s.SubmittedAt, EndOf(s), steps.Sum(c => c.Completed + c.Cached + c.Failed), steps.Sum(SweepView.All), Open(c => c.Running), steps.Sum(c => c.Failed), s.Priority, s.Pinned,
                Open(c => c.Ready), Open(c => c.Queued), state is SweepState.Running ? resting.GetValueOrDefault(s.Id) : 0, SweepView.SecondsLeft(state, steps));
        }
    }

    /// <summary>By sweep, the executions that a worker has and does not compute yet.</summary>
    private static async Task<Dictionary<Guid, int>> RestingAsync(CoordinatorDatabase database, List<Guid> sweeps, CancellationToken stop) => sweeps.Count == 0 ? [] : await (
        from lease in database.Leases
        join node in database.Nodes on (Guid?)lease.ExecutionId equals node.ExecutionId
        where sweeps.Contains(node.SweepId) && (lease.Progress!.Contains(ForCpu) || lease.Progress.Contains(ForSame))
        group node by node.SweepId into same
        select new { same.Key, Count = same.Count() }).ToDictionaryAsync(s => s.Key, s => s.Count, stop);

    /// <summary>The id of a sweep.</summary>
    /// <param name="reference">Id, unique prefix of one, or name: then the latest of that name.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="LatheException">No sweep or several sweeps match.</exception>
    public async Task<Guid> IdAsync(string reference, CancellationToken stop = default) => await FindIdAsync(reference, stop) ?? throw NotFound(reference);

    /// <summary>The same; null where no sweep matches.</summary>
    /// <exception cref="LatheException">Several sweeps match.</exception>
    public async Task<Guid?> FindIdAsync(string reference, CancellationToken stop = default)
    {
        if (!await store.ExistsAsync(stop)) return null;
        await using var database = store.Open();
        return await ResolveAsync(database, reference, stop);
    }

    /// <summary>A sweep with its executions.</summary>
    /// <param name="reference">As in <see cref="IdAsync"/>.</param>
    /// <param name="limit">The most executions that are listed: those that run, those that failed last, then the first ones.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="LatheException">No sweep or several sweeps match.</exception>
    public async Task<SweepStatus> StatusAsync(string reference, int limit = Listed, CancellationToken stop = default)
    {
        var id = await IdAsync(reference, stop);
        await using var database = store.Open();
        var sweep = await ViewAsync(database, id, stop);
        var executions = sweep.Size <= limit
            ? await NodeView.ReadAsync(database, sweep, nodes => nodes, stop)
            : await NotableAsync(database, sweep, limit, stop);
        return new SweepStatus(
            id, sweep.Row.Name, sweep.State, sweep.Row.SubmittedAt, EndOf(sweep.Row), [.. executions.Select(e => e.Status())], sweep.Row.Device,
            sweep.Counts(queue => stages?.HasWorker(queue)), await ReasonAsync(database, sweep, stop), sweep.Row.Priority, sweep.Row.Threads, sweep.SecondsLeft(), sweep.Row.Pinned,
            await FailuresAsync(database, sweep, stop)) { Search = await TrialQueries.StatusAsync(database, sweep.Row, stop) };
    }

    /// <summary>Executions of a sweep in the order of its tree, some at a time.</summary>
    /// <param name="reference">As in <see cref="IdAsync"/>.</param>
    /// <param name="after">Index after which the page begins; null: from the first.</param>
    /// <param name="limit">The most of them.</param>
    /// <param name="state">Only those in this state; null: all.</param>
    /// <param name="stage">Only those of this stage; null: all.</param>
    /// <param name="stop">Gives up.</param>
    public async Task<ExecutionPage> PageAsync(string reference, int? after, int limit, ExecutionState? state = null, string? stage = null, CancellationToken stop = default)
    {
        var id = await IdAsync(reference, stop);
        await using var database = store.Open();
        var sweep = await ViewAsync(database, id, stop);
        var page = new List<NodeView>();
        var last = after ?? -1;
        while (true)
        {
            var from = last;
            var read = await NodeView.ReadAsync(
                database,
                sweep,
                nodes => InState(database, nodes.Where(n => n.Index > from && (stage == null || database.Points.Any(p => p.SweepId == n.SweepId && p.Number == n.Point && p.Stage == stage))), state, sweep.State).OrderBy(n => n.Index).Take(limit + 1),
                stop);
            // The database compares less than all of it.
            page.AddRange(read.Where(v => state is null || v.State == state));
            if (page.Count > limit || read.Count <= limit) break;
            last = read[^1].Index;
        }

        var shown = page.Take(limit).ToList();
        var above = shown.ToList();
        await AddParentsAsync(database, sweep, above, stop);
        return new ExecutionPage(
            [.. shown.Select(v => v.Status())],
            page.Count > limit ? shown[^1].Index : null,
            above.Count == shown.Count ? null : [.. above.Except(shown).Select(v => v.Status())]);
    }

    /// <summary>The results of a sweep, one for each leaf of its tree.</summary>
    /// <param name="reference">As in <see cref="IdAsync"/>.</param>
    /// <param name="after">Index of a leaf after which the page begins; null: from the first.</param>
    /// <param name="limit">The most leaves; null: all.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="LatheException">No sweep or several sweeps match.</exception>
    public async Task<SweepResults> ResultsAsync(string reference, int? after = null, int? limit = null, CancellationToken stop = default)
    {
        var id = await IdAsync(reference, stop);
        await using var database = store.Open();
        var sweep = await ViewAsync(database, id, stop);
        var metrics = await MetricsAsync(database, sweep, stop);
        if (limit is not { } most) return Leaves.Of(await NodeView.ReadAsync(database, sweep, all => all, stop), sweep.Steps, metrics);
        var from = after ?? -1;
        var nodes = await NodeView.ReadAsync(
            database, sweep, all => all.Where(n => n.IsLeaf && n.Index > from).OrderBy(n => n.Index).Take(most < int.MaxValue ? most + 1 : most), stop);
        var isMore = nodes.Count > most;
        if (isMore) nodes.RemoveAt(most);
        int? next = isMore ? nodes[^1].Index : null;
        await AddParentsAsync(database, sweep, nodes, stop);
        return Leaves.Of(nodes, sweep.Steps, metrics) with { Next = next };
    }

    /// <summary>The results that no other beats. Its cost is that of reading the figures of all leaves.</summary>
    /// <param name="reference">As in <see cref="IdAsync"/>.</param>
    /// <param name="limit">The most of them, best first.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="LatheException">No sweep or several sweeps match.</exception>
    public async Task<BestResults> BestAsync(string reference, int limit, CancellationToken stop = default)
    {
        var id = await IdAsync(reference, stop);
        await using var database = store.Open();
        var sweep = await ViewAsync(database, id, stop);
        var metrics = await MetricsAsync(database, sweep, stop);
        var leaves = database.Nodes.AsNoTracking().Where(n => n.SweepId == id && n.IsLeaf);
        var done = await (
            from node in leaves
            join execution in database.Executions.AsNoTracking() on node.ExecutionId equals execution.Id
            where execution.State == RunState.Completed
            orderby node.Index
            select new { node.Index, execution.Metrics }).ToListAsync(stop);
        var (listed, fronts) = BestLeaves.Of([.. done.Select(d => (d.Index, d.Metrics))], [.. Leaves.Described(sweep.Steps, metrics)], limit);
        var nodes = await NodeView.ReadAsync(database, sweep, all => all.Where(n => listed.Contains(n.Index)), stop);
        var order = nodes.Select((node, i) => (node.Index, i)).ToDictionary(p => p.Index, p => p.i);
        await AddParentsAsync(database, sweep, nodes, stop);
        var results = Leaves.Of(nodes, sweep.Steps, metrics);
        return new BestResults(results with { Leaves = [.. listed.Select(index => results.Leaves[order[index]])] }, fronts, done.Count, await leaves.CountAsync(stop));
    }

    /// <summary>What happened to a sweep, in order.</summary>
    /// <param name="id">The sweep.</param>
    /// <param name="since">Only what came after this event.</param>
    /// <param name="limit">The most events.</param>
    /// <param name="stop">Gives up.</param>
    public async Task<IReadOnlyList<SweepEvent>> EventsAsync(Guid id, long since, int limit, CancellationToken stop = default)
    {
        await using var database = store.Open();
        var rows = await database.Events.AsNoTracking().Where(e => e.SweepId == id && e.Sequence > since).OrderBy(e => e.Sequence).Take(limit).ToListAsync(stop);
        return rows.ConvertAll(e => new SweepEvent(e.Sequence, e.At, e.Kind, JsonSerializer.Deserialize<JsonElement>(e.Json)));
    }

    /// <summary>Sequence of the last event of a sweep; 0: nothing happened that is still kept.</summary>
    public async Task<long> LastEventAsync(Guid id, CancellationToken stop)
    {
        await using var database = store.Open();
        return await database.Events.Where(e => e.SweepId == id).MaxAsync(e => (long?)e.Sequence, stop) ?? 0;
    }

    internal async Task<SweepView> ViewAsync(CoordinatorDatabase database, Guid id, CancellationToken stop)
    {
        var sweep = await database.Sweeps.AsNoTracking().SingleAsync(s => s.Id == id, stop);
        var branches = await database.Branches.AsNoTracking().Where(b => b.SweepId == id).ToDictionaryAsync(b => b.Number, stop);
        var steps = await database.StepCounts.AsNoTracking().Where(c => c.SweepId == id).OrderBy(c => c.Step).ToListAsync(stop);
        return new SweepView(sweep, StateOf(sweep), [], branches, steps);
    }

    /// <summary>Of a sweep with more executions than a person reads: those that run, those that failed last, and the first others.</summary>
    private static async Task<List<NodeView>> NotableAsync(CoordinatorDatabase database, SweepView sweep, int limit, CancellationToken stop)
    {
        var running = await InState(database, database.Nodes.AsNoTracking().Where(n => n.SweepId == sweep.Row.Id), ExecutionState.Running, sweep.State)
            .OrderBy(n => n.Index).Take(limit / 2).Select(n => n.Index).ToListAsync(stop);
        var failed = await (
            from node in database.Nodes.AsNoTracking()
            join execution in database.Executions on node.ExecutionId equals execution.Id
            where node.SweepId == sweep.Row.Id && execution.State == RunState.Failed
            orderby execution.FinishedAt descending
            select node.Index).Take(limit / 4).ToListAsync(stop);
        var others = limit - running.Count - failed.Count;
        var indices = running.Concat(failed).ToHashSet();
        indices.UnionWith(Enumerable.Range(0, sweep.Size).Where(i => !indices.Contains(i)).Take(others));
        var notable = await NodeView.ReadAsync(database, sweep, nodes => nodes.Where(n => indices.Contains(n.Index)), stop);
        await AddParentsAsync(database, sweep, notable, stop);
        return notable;
    }

    private static async Task<IReadOnlyList<FailureReason>?> FailuresAsync(CoordinatorDatabase database, SweepView sweep, CancellationToken stop)
    {
        if (sweep.Steps.All(s => s.Failed == 0)) return null;
        var same = await (
            from execution in database.Executions
            join node in database.Nodes on (Guid?)execution.Id equals node.ExecutionId
            where node.SweepId == sweep.Row.Id && execution.State == RunState.Failed
            group node by new { execution.Stage, execution.Error } into failed
            select new FailureReason(failed.Key.Stage, failed.Key.Error ?? "", failed.Count(), failed.Min(n => n.Index))).ToListAsync(stop);
        return
        [
            .. same.GroupBy(f => (f.Stage, Reason: Numbers().Replace(f.Error, "#")))
                .Select(alike => alike.MinBy(f => f.First)! with { Count = alike.Sum(f => f.Count) })
                .OrderByDescending(f => f.Count).ThenBy(f => f.First).Take(MostReasons),
        ];
    }

    internal static async Task<IReadOnlyDictionary<(string Stage, string Version), IReadOnlyList<MetricDescriptor>>> MetricsAsync(
        CoordinatorDatabase database, SweepView sweep, CancellationToken stop)
    {
        var names = sweep.Steps.Select(s => s.Stage).Distinct().ToList();
        var manifests = await database.Stages.AsNoTracking().Where(s => names.Contains(s.Name)).ToListAsync(stop);
        return manifests.ToDictionary(
            s => (s.Name, s.Version), s => JsonSerializer.Deserialize<StageManifest>(s.Manifest, LatheJson.Options)!.Metrics ?? []);
    }

    /// <summary>Nodes that may be in a state: few others are among them, so that no page has to read all.</summary>
    private static IQueryable<NodeRow> InState(CoordinatorDatabase database, IQueryable<NodeRow> nodes, ExecutionState? state, SweepState sweep)
    {
        // What a sweep that stands still has open is shown in the state of the sweep.
        var isOpenShownSo = state switch
        {
            ExecutionState.Paused => sweep == SweepState.Paused,
            ExecutionState.Cancelled => sweep == SweepState.Cancelled,
            ExecutionState.Skipped => sweep is SweepState.Failed or SweepState.Succeeded,
            ExecutionState.Waiting => sweep == SweepState.Interrupted,
            _ => false,
        };
        return state switch
        {
            null => nodes,
            ExecutionState.Running => Runs(RunState.Running),
            ExecutionState.Ready => Runs(RunState.Ready),
            ExecutionState.Queued => Runs(RunState.Queued),
            ExecutionState.Failed => Runs(RunState.Failed),
            ExecutionState.Completed => nodes.Where(n => database.Executions.Any(
                e => e.Id == n.ExecutionId && e.State == RunState.Completed && !e.Found && e.SweepId == n.SweepId && e.NodeIndex == n.Index)),
            ExecutionState.Cached => nodes.Where(n => database.Executions.Any(
                e => e.Id == n.ExecutionId && e.State == RunState.Completed && (e.Found || e.SweepId != n.SweepId || e.NodeIndex != n.Index))),
            _ when isOpenShownSo => nodes.Where(n => n.ExecutionId == null || database.Executions.Any(
                e => e.Id == n.ExecutionId && e.State != RunState.Completed && e.State != RunState.Failed)),
            ExecutionState.Waiting => nodes.Where(n => n.ExecutionId == null && n.BlockedBy == null && n.Hold == NodeHold.None),
            ExecutionState.Paused => nodes.Where(n => n.Hold == NodeHold.Paused),
            ExecutionState.Skipped => nodes.Where(n => n.BlockedBy != null),
            _ => nodes.Where(n => n.Hold == NodeHold.Cancelled || database.Executions.Any(e => e.Id == n.ExecutionId && e.State == RunState.Cancelled)),
        };

        IQueryable<NodeRow> Runs(RunState run) => nodes.Where(n => database.Executions.Any(e => e.Id == n.ExecutionId && e.State == run));
    }

    internal static async Task AddParentsAsync(CoordinatorDatabase database, SweepView sweep, List<NodeView> nodes, CancellationToken stop)
    {
        var known = nodes.Select(n => n.Index).ToHashSet();
        while (nodes.Select(n => n.Node.Parent).OfType<int>().Where(p => !known.Contains(p)).Distinct().ToList() is { Count: > 0 } missing)
        {
            var parents = await NodeView.ReadAsync(database, sweep, all => all.Where(n => missing.Contains(n.Index)), stop);
            nodes.AddRange(parents);
            known.UnionWith(parents.Select(p => p.Index));
        }

        nodes.Sort((a, b) => a.Index.CompareTo(b.Index));
    }

    private bool IsAbandoned(SweepRow sweep) => sweep.IsAbandoned(time.GetUtcNow(), _options);

    private SweepState StateOf(SweepRow sweep) => IsAbandoned(sweep) ? SweepState.Interrupted : sweep.State;

    private string? ReasonOf(SweepRow sweep) => !IsAbandoned(sweep) && sweep.IsSilent(time.GetUtcNow(), _options)
        ? string.Create(CultureInfo.InvariantCulture, $"nothing was heard of its process since {sweep.OwnerSeenAt:yyyy-MM-dd HH:mm:ss} UTC; if it is gone, lathe resume goes on with the sweep")
        : sweep.Reason;

    /// <summary>The reason of its state; of a sweep that runs and cannot, what keeps it.</summary>
    private async Task<string?> ReasonAsync(CoordinatorDatabase database, SweepView sweep, CancellationToken stop)
    {
        if (ReasonOf(sweep.Row) is { } reason) return reason;
        if (sweep.State is not (SweepState.Running or SweepState.Preparing or SweepState.Paused or SweepState.Cancelled)) return null;
        var now = time.GetUtcNow();
        var unsent = now - _options.SilentAfter;
        if (await database.Outbox.AnyAsync(o => o.CancelReason != null && o.ClaimedUntil < unsent && database.Executions.Any(e => e.Id == o.ExecutionId && e.SweepId == sweep.Row.Id), stop))
            return "its workers have not been told yet, as no coordinator is up or the broker is away: what runs goes on until then";
        if (!_isCoordinator && sweep.State != SweepState.Cancelled && sweep.Row.Owner == Queues.Coordinator && sweep.Row.OwnerSeenAt < now - _options.AbandonedAfter)
            return string.Create(CultureInfo.InvariantCulture, $"no coordinator was heard since {sweep.Row.OwnerSeenAt:yyyy-MM-dd HH:mm:ss} UTC: until one is up, nothing is sent, and what runs goes on");
        if (stages?.BrokerSilentSince is { } broken && sweep.State is SweepState.Running or SweepState.Preparing)
            return string.Create(CultureInfo.InvariantCulture, $"the broker has not answered since {broken:yyyy-MM-dd HH:mm:ss} UTC: until it does, nothing is sent, and what runs goes on");
        var isHeld = sweep is { State: SweepState.Running, Row.IsAdvancing: false } && sweep.Steps.All(s => s.Ready + s.Queued + s.Running == 0) && sweep.Steps.Any(s => s.Paused > 0);
        return isHeld && await PausedParts.WordsAsync(database, sweep.Row, stop) is { Count: > 0 } paused ? string.Join("; ", paused) : null;
    }

    private DateTimeOffset? EndOf(SweepRow sweep) => IsAbandoned(sweep) ? sweep.OwnerSeenAt : sweep.FinishedAt;

    private static async Task<Guid?> ResolveAsync(CoordinatorDatabase database, string reference, CancellationToken stop)
    {
        if (reference.Length == 0) return null;
        if (Guid.TryParse(reference, out var id) && await database.Sweeps.AnyAsync(s => s.Id == id, stop)) return id;
        // PostgreSQL refuses the character, and no name has it.
        if (reference.Contains('\0', StringComparison.Ordinal)) return null;
        var named = await database.Sweeps.Where(s => s.Name == reference).OrderByDescending(s => s.SubmittedAt).Select(s => (Guid?)s.Id).FirstOrDefaultAsync(stop);
        if (named is not null) return named;
        var found = (await database.Sweeps.Select(s => s.Id).ToListAsync(stop))
            .Where(s => s.ToString().StartsWith(reference, StringComparison.OrdinalIgnoreCase)).ToList();
        return found.Count switch
        {
            0 => null,
            1 => found[0],
            _ => throw new LatheException($"{found.Count} sweeps have an id that starts with '{reference}'; give more of it"),
        };
    }

    /// <summary>Numbers in a reason, which differ from execution to execution where the reason is the same.</summary>
    [GeneratedRegex(@"\d+(?:[.,]\d+)*")]
    private static partial Regex Numbers();

    private LatheException NotFound(string reference) =>
        new($"no sweep '{reference}' in {store.Address}; expected an id, the start of one, or a name ('lathe status' lists them)");
}
