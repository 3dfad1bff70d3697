using System.Globalization;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Lathe.Coordinator;
using Lathe.Hosting;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Benchmarks.Coordinator;

/// <summary>Looks whether what the database, the store and the broker say after a run fits together.</summary>
internal sealed class ChaosCheck(Cluster cluster)
{
    // An end is an end: the database itself writes down whoever moves an execution away from it.
    private const string Watch =
        """
        CREATE TABLE chaos_moves (id uuid, before text, after text);
        CREATE FUNCTION chaos_move() RETURNS trigger AS $$ BEGIN INSERT INTO chaos_moves VALUES (OLD."Id", OLD."State", NEW."State"); RETURN NEW; END $$ LANGUAGE plpgsql;
        CREATE TRIGGER chaos_moves BEFORE UPDATE ON executions FOR EACH ROW
            WHEN (OLD."State" IN ('Completed', 'Failed', 'Cancelled') AND NEW."State" <> OLD."State") EXECUTE FUNCTION chaos_move();
        """;

    private readonly CoordinatorStore _store = new(DatabaseAddress.Parse(cluster.Database));

    /// <summary>Computations that began.</summary>
    public int Computations { get; private set; }

    /// <summary>Those of keys that had been computed before.</summary>
    public int Beyond { get; private set; }

    /// <summary>Computations that workers had in hand when they were killed.</summary>
    public int InHand { get; private set; }

    public async Task WatchAsync()
    {
        await using var database = _store.Open();
        await database.Database.ExecuteSqlRawAsync(Watch);
    }

    /// <summary>When executions finished, in order.</summary>
    public async Task<IReadOnlyList<DateTimeOffset>> FinishedAsync()
    {
        await using var database = _store.Open();
        return await database.Executions.Where(e => e.FinishedAt != null).Select(e => e.FinishedAt!.Value).Order().ToListAsync();
    }

    /// <param name="ids">Sweeps that were submitted.</param>
    /// <param name="wanted">Executions of all of them.</param>
    /// <param name="kills">What was killed.</param>
    /// <param name="journals">Files of the workers.</param>
    /// <param name="settings">Name the store; null: it is in the home.</param>
    /// <param name="mayRepeat">True: what failed was tried again, so that a key may have been computed more than once.</param>
    /// <returns>What is wrong, for a person; empty: nothing.</returns>
    public async Task<List<string>> ProblemsAsync(IReadOnlyList<Guid> ids, int wanted, IReadOnlyList<Kill> kills, string[] journals, HostingSettings? settings = null, bool mayRepeat = false)
    {
        var problems = new List<string>();
        // Connections from before the last kill.
        Npgsql.NpgsqlConnection.ClearAllPools();
        await using var database = _store.Open();
        var sweeps = await database.Sweeps.AsNoTracking().ToListAsync();
        foreach (var sweep in sweeps.Where(s => s.State != SweepState.Succeeded)) problems.Add($"sweep {sweep.Name} is {sweep.State}: {sweep.Reason}");
        if (sweeps.Count != ids.Count) problems.Add($"{sweeps.Count} sweeps were recorded, {ids.Count} were submitted");
        await CheckResultsAsync(database, wanted, settings ?? HostingSettings.In(cluster.Home), problems);
        await CheckCountsAsync(database, problems);
        CheckComputations(kills, journals, wanted, mayRepeat, problems);
        foreach (var move in await database.Database.SqlQueryRaw<string>("SELECT before || ' to ' || after AS \"Value\" FROM chaos_moves").ToListAsync())
            problems.Add($"an execution went from {move}");
        await CheckLeftoversAsync(database, problems);
        return problems;
    }

    private static async Task CheckResultsAsync(CoordinatorDatabase database, int wanted, HostingSettings settings, List<string> problems)
    {
        var (results, checkpoints) = (new ResultStore(settings), new CheckpointStore(settings));
        var nodes = await database.Nodes.AsNoTracking().ToListAsync();
        var executions = await database.Executions.AsNoTracking().ToDictionaryAsync(e => e.Id);
        if (nodes.Count != wanted) problems.Add($"{nodes.Count} nodes, {wanted} were submitted");
        foreach (var node in nodes)
        {
            var execution = node.ExecutionId is { } id ? executions.GetValueOrDefault(id) : null;
            var stored = execution is null ? null : results.Find(execution.Key);
            if (execution?.State != RunState.Completed) problems.Add($"node {node.Index} has no result: {execution?.State.ToString() ?? "no execution"} {execution?.Error}");
            else if (stored is null || !checkpoints.Has(stored.Output)) problems.Add($"node {node.Index}: its result is not in the store");
            else if (stored.Output != execution.Output()) problems.Add($"node {node.Index}: the store has another result than the database");
        }

        foreach (var key in executions.Values.GroupBy(e => e.Key).Where(g => g.Count() > 1)) problems.Add($"{key.Count()} executions of key {key.Key}: {string.Join(", ", key.Select(e => e.State))}");
    }

    private static async Task CheckCountsAsync(CoordinatorDatabase database, List<string> problems)
    {
        var executions = await database.Executions.AsNoTracking().ToDictionaryAsync(e => e.Id);
        var steps = await database.Points.AsNoTracking().ToDictionaryAsync(p => (p.SweepId, p.Number), p => p.Step);
        var nodes = await database.Nodes.AsNoTracking().ToListAsync();
        foreach (var count in await database.StepCounts.AsNoTracking().ToListAsync())
        {
            var found = nodes.Where(n => n.SweepId == count.SweepId && steps[(n.SweepId, n.Point)] == count.Step)
                .CountBy(n => NodeStates.Of(n, n.ExecutionId is { } id ? executions[id] : null)).ToDictionary();
            int[] kept =
            [
                count.Waiting, count.Ready, count.Queued, count.Running, count.Completed, count.Cached, count.Failed, count.Skipped, count.Paused, count.Cancelled,
            ];
            foreach (var state in Enum.GetValues<NodeState>().Where(s => found.GetValueOrDefault(s) != kept[(int)s]))
                problems.Add($"step {count.Step} counts {kept[(int)state]} {state}, there are {found.GetValueOrDefault(state)}");
        }
    }

    private void CheckComputations(IReadOnlyList<Kill> kills, string[] journals, int wanted, bool mayRepeat, List<string> problems)
    {
        var computed = journals.SelectMany(ChaosCommand.Keys).CountBy(key => key).ToDictionary();
        var excused = kills.SelectMany(k => InHandAt(k, journals)).CountBy(key => key).ToDictionary();
        InHand = excused.Values.Sum();
        Computations = computed.Values.Sum();
        Beyond = Computations - computed.Count;
        if (computed.Count != wanted) problems.Add($"{computed.Count} keys were computed, {wanted} were submitted");
        foreach (var (key, times) in mayRepeat ? [] : computed.Where(c => c.Value - 1 > excused.GetValueOrDefault(c.Key)))
            problems.Add(string.Create(CultureInfo.InvariantCulture, $"{key} was computed {times} times; it was in hand at {excused.GetValueOrDefault(key)} kills"));
    }

    /// <summary>What a killed worker had begun and had no result of when it died, or what was being computed when connections were cut.</summary>
    private IEnumerable<string> InHandAt(Kill kill, string[] journals) => kill.Victim is ConnectionsVictim ? journals.SelectMany(ChaosCommand.Entries)
        .Where(e => e.At < kill.UpAt && e.At > kill.At.AddSeconds(-1)).Select(e => e.Key) : kill.Journal is null ? [] : ChaosCommand.Keys(kill.Journal).Where(key =>
    {
        var result = new FileInfo(Path.Combine(cluster.Home, "checkpoints", "results", key + ".json"));
        return !result.Exists || result.LastWriteTimeUtc >= kill.At;
    });

    /// <summary>Messages that nobody will take, and rows about what is over.</summary>
    private async Task CheckLeftoversAsync(CoordinatorDatabase database, List<string> problems)
    {
        for (var tries = 0; tries < 60 && (await database.Outbox.AnyAsync() || await WaitingAsync() is { Count: > 0 }); tries++) await Task.Delay(1000);
        if (await database.Outbox.CountAsync() is > 0 and var outbox) problems.Add($"{outbox} messages stay in the outbox");
        if (await database.Leases.CountAsync() is > 0 and var leases) problems.Add($"{leases} leases of executions that are over");
        problems.AddRange((await WaitingAsync()).Select(line => $"messages stay in a queue: {line.Replace('\t', ' ')}"));
        await using var broker = new BrokerClient(BrokerAddress.Parse(cluster.Broker.Address));
        foreach (var letter in await new DeadLetters(broker).ListAsync()) problems.Add($"a dead letter of {letter.Queue}: {letter.Reason}");
    }

    private async Task<List<string>> WaitingAsync() =>
        [.. (await cluster.Broker.ControlAsync("list_queues", "name", "messages")).Where(line => !line.EndsWith("\t0", StringComparison.Ordinal) && !line.StartsWith(Queues.Dead + "\t", StringComparison.Ordinal))];
}
