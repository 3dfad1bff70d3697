using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>A message of the outbox with what it is made from.</summary>
internal sealed record Sending(OutboxRow Row, ExecutionRow Execution, NodeRow Node);

/// <summary>A report from a worker, with the trace context of its span.</summary>
public sealed record Report(IStageReport Message, string? TraceParent = null);

/// <summary>
/// One change of the coordinator's state, in one transaction. Its cost depends on what it changes and not on the size of the sweeps. Messages go to the
/// outbox table, and are sent after the commit.
/// </summary>
internal sealed partial class SweepChange(CoordinatorDatabase database, SweepFactsCache cache, CoordinatorOptions options, DateTimeOffset now)
{
    // 5 seconds to 80: a worker that fits is found soon, and thousands of executions that wait for one keep nobody busy.
    private const int MostDoublings = 4;

    // Any number that other programs on the same server are unlikely to lock.
    private const string EventsLock = "SELECT pg_advisory_xact_lock(83981448537445)";

    private const string Executions = "executions";
    private const string RecordingLock = "SELECT pg_advisory_xact_lock(83981448537446)";

    private readonly Counts _counts = new();
    private readonly Dictionary<Guid, SweepRow> _sweeps = [];
    private readonly Dictionary<(string Key, Guid Scope), ExecutionRow> _active = [];
    private readonly Dictionary<Guid, SortedDictionary<int, string>> _moved = [];
    private readonly HashSet<Guid> _mayEnd = [];
    private readonly HashSet<Guid> _inputLost = [];
    private readonly HashSet<(Guid ExecutionId, int Attempt)> _called = [];
    private readonly HashSet<string> _ended = [];
    private readonly Dictionary<Guid, Made> _made = [];
    private readonly List<EventRow> _events = [];
    private readonly Dictionary<Guid, Dictionary<int, Point>> _grown = [];
    private bool _hasLinked;

    public CoordinatorDatabase Database => database;

    public DateTimeOffset Now => now;

    /// <summary>Sweeps that ended with this change.</summary>
    public List<SweepRow> Ended { get; } = [];

    /// <summary>Executions that became ready or whose worker became free: there may be something to send.</summary>
    public bool MaySend { get; private set; }

    /// <summary>True if a node of a search ended: a trial may be over.</summary>
    public bool MaySearch { get; private set; }

    /// <summary>True if the outbox got a message to cancel something.</summary>
    public bool Cancels { get; private set; }

    /// <summary>What this change sends; hand it to the bus after the commit.</summary>
    public List<Sending> Sendings { get; } = [];

    /// <summary>Writes everything, and ends the sweeps that have nothing left to run. Call it last, before the commit.</summary>
    public async Task SaveAsync(CancellationToken stop)
    {
        await database.SaveChangesAsync(stop);
        if (_counts.IsEmpty && _events.Count == 0 && _mayEnd.Count == 0) return;
        // From here to the commit changes come one after the other. So the numbers of events rise in the order of the commits, which those who watch rely on. And
        // of two changes that move the last nodes of a sweep, the later one sees that the sweep is over.
        var then = database is PostgreSqlDatabase ? EventsLock : null;
        do
        {
            var moved = _counts.Take();
            _mayEnd.UnionWith(moved.Where(m => m.Value.By[(int)NodeState.Failed] > 0).Select(m => m.Key.Sweep));
            _mayEnd.UnionWith(await Counts.StoreAsync(moved, database, then, TakeEvents(), stop));
            then = null;
            // The limit of failures may stop a sweep, which moves further nodes.
            foreach (var id in _mayEnd) await EndAsync(id, stop);
            _mayEnd.Clear();
        }
        while (!_counts.IsEmpty || _events.Count > 0);

        if (database.ChangeTracker.HasChanges()) await database.SaveChangesAsync(stop);
    }

    /// <summary>What is to be told: first of the executions that moved, so that the end of their sweep comes after them.</summary>
    private List<EventRow> TakeEvents()
    {
        foreach (var (sweep, nodes) in _moved)
            Tell(sweep, Executions, new { executions = nodes.Select(n => new { index = n.Key, state = n.Value }) });
        _moved.Clear();
        var told = _events.OrderBy(e => e.Kind == Executions ? 0 : 1).ToList();
        _events.Clear();
        return told;
    }

    /// <summary>Keeps other coordinators from recording new executions until the commit, where they would record the same. Call it first.</summary>
    public async Task RecordAloneAsync(CancellationToken stop)
    {
        if (database is PostgreSqlDatabase) await database.Database.ExecuteSqlRawAsync(RecordingLock, stop);
    }

    /// <summary>Has <see cref="SaveAsync"/> look whether the sweep is over, whether or not a node of it moved.</summary>
    public void MayEnd(Guid sweep) => _mayEnd.Add(sweep);

    /// <summary>Adds an event for those who watch the sweep.</summary>
    public void Tell(Guid sweep, string kind, object about) => _events.Add(
        new EventRow { SweepId = sweep, At = now, Kind = kind, Json = JsonSerializer.Serialize(about, LatheJson.Options) });

    /// <summary>A sweep of this change.</summary>
    public async Task<SweepRow> SweepAsync(Guid id, CancellationToken stop)
    {
        await LoadSweepsAsync([id], stop);
        return _sweeps[id];
    }

    private async Task EndAsync(Guid id, CancellationToken stop)
    {
        var steps = await database.StepCounts.AsNoTracking().Where(c => c.SweepId == id).ToListAsync(stop);
        var sweep = await SweepAsync(id, stop);
        if (sweep.State != SweepState.Running) return;
        var failures = steps.Sum(s => s.Failed);
        var limit = SweepRows.LimitsOf(sweep)?.Failures;
        if (failures >= limit)
        {
            await StopAsync(sweep, SweepState.Failed, $"stopped, because {(failures == 1 ? "1 execution" : $"{failures} executions")} failed; the limit of failures is {limit}", stop);
            return;
        }

        if (sweep.IsAdvancing || sweep.IsSearching || steps.Any(s => s.Waiting + s.Ready + s.Queued + s.Running + s.Paused > 0)) return;
        var cancelled = steps.Sum(s => s.Cancelled);
        // An early stop is no fault of a trial, and no order of a person.
        var stopped = await database.Trials.CountAsync(t => t.SweepId == id && t.State == TrialState.Stopped, stop);
        sweep.State = failures > 0 ? SweepState.Failed : cancelled > stopped ? SweepState.Cancelled : SweepState.Succeeded;
        if (sweep.State == SweepState.Succeeded && stopped > 0)
            sweep.Reason = $"{(stopped == 1 ? "1 trial was" : $"{stopped} trials were")} stopped early; lathe retry {sweep.Name} --execution N goes on with one from where it was stopped";
        if (sweep.State == SweepState.Cancelled)
            sweep.Reason = $"{(cancelled == 1 ? "1 execution was" : $"{cancelled} executions were")} cancelled; what starts from there is skipped, everything else is finished";
        sweep.FinishedAt = now;
        Ended.Add(sweep);
        TellState(sweep);
    }

    /// <summary>Ends or pauses a whole sweep: what runs for it alone is cancelled.</summary>
    public async Task StopAsync(SweepRow sweep, SweepState state, string? reason, CancellationToken stop)
    {
        (sweep.State, sweep.Reason) = (state, reason);
        if (state != SweepState.Paused)
        {
            sweep.FinishedAt = now;
            Ended.Add(sweep);
        }

        TellState(sweep);
        await database.SaveChangesAsync(stop);
        var underWay = await (
            from node in database.Nodes
            join execution in database.Executions on node.ExecutionId equals execution.Id
            where node.SweepId == sweep.Id && (execution.State == RunState.Ready || execution.State == RunState.Queued || execution.State == RunState.Running)
            select node).ToListAsync(stop);
        foreach (var some in underWay.Chunk(1000)) await DetachAsync(some, NodeHold.None, state == SweepState.Paused ? "paused" : reason ?? "cancelled", stop);
    }

    /// <summary>Says that a sweep's state is another one.</summary>
    public void TellState(SweepRow sweep) => Tell(sweep.Id, "sweep", new { state = sweep.State, reason = sweep.Reason });

    private void Move(NodeRow node, int step, NodeState from, NodeState to, double seconds = 0)
    {
        if (from == to) return;
        MaySearch |= to >= NodeState.Completed && _sweeps.TryGetValue(node.SweepId, out var sweep) && sweep.IsSearching;
        _counts.Move(node.SweepId, step, from, to, seconds);
        Show(node, to);
    }

    /// <summary>Tells those who watch the state of a node.</summary>
    private void Show(NodeRow node, NodeState to)
    {
        if (!_moved.TryGetValue(node.SweepId, out var nodes)) _moved.Add(node.SweepId, nodes = []);
        nodes[node.Index] = JsonNamingPolicy.CamelCase.ConvertName(NodeStates.Shown(to, SweepState.Running).ToString());
    }

    private async Task<int> StepAsync(NodeRow node, CancellationToken stop) => (await FactsAsync(node.SweepId, [node.Point], stop)).Points[node.Point].Step;

    /// <summary>Facts of a sweep, with the points that this change added: nobody else may see those before the commit.</summary>
    private async Task<SweepFacts> FactsAsync(Guid sweep, IEnumerable<int> points, CancellationToken stop)
    {
        if (!_grown.TryGetValue(sweep, out var grown)) return await cache.OfAsync(database, sweep, points, stop);
        return (await cache.OfAsync(database, sweep, points.Where(p => !grown.ContainsKey(p)), stop)).With(grown.Values);
    }


    private async Task<bool> IsRunningAsync(Guid sweep, CancellationToken stop) => (await SweepAsync(sweep, stop)).State == SweepState.Running;

    private async Task LoadSweepsAsync(IEnumerable<Guid> ids, CancellationToken stop)
    {
        var missing = ids.Distinct().Where(id => !_sweeps.ContainsKey(id)).ToArray();
        if (missing.Length == 0) return;
        // On PostgreSQL nobody may pause or cancel one of them before this change is committed.
        var sweeps = database is PostgreSqlDatabase
            ? database.Sweeps.FromSqlRaw("SELECT * FROM sweeps WHERE \"Id\" = ANY({0}) ORDER BY \"Id\" FOR SHARE", missing)
            : database.Sweeps.Where(s => missing.Contains(s.Id));
        foreach (var sweep in await sweeps.ToListAsync(stop)) _sweeps.Add(sweep.Id, sweep);
    }

    /// <summary>An execution that this change recorded, with the node that it is for and all that share it.</summary>
    private sealed record Made(ExecutionRow Execution, NodeRow Node, List<(NodeRow Node, int Step)> Nodes);
}
