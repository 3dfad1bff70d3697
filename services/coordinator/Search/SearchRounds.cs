using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>
/// Runs searches: closes trials whose executions have ended, and chooses the next ones. Everything that a choice depends on is in the database, so that another coordinator
/// goes on with the same search.
/// </summary>
internal sealed class SearchRounds(CoordinatorStore store, SweepChanges changes, Func<CheckStage, CancellationToken, Task<StageChecked>> ask, TimeProvider time, ILogger log)
{
    // Of a space in which hardly anything keeps the constraints, a search gives up looking.
    private const int MostPrunedForEach = 50;

    // So that other sweeps have their turn.
    private const int MostAtOnce = 64;

    // A worker that did not answer is not waited for at every choice.
    private static readonly TimeSpan Silence = TimeSpan.FromMinutes(2);

    private readonly SweepCheck _check = new(ask);
    private readonly ConcurrentDictionary<Guid, SweepSearch> _searches = new();
    private readonly ConcurrentDictionary<Guid, DateTimeOffset> _silent = new();

    /// <summary>Closes the trials that have ended, in the order of their ends, and chooses one for each.</summary>
    /// <param name="id">A running sweep with a search.</param>
    /// <param name="stop">Gives up.</param>
    /// <returns>True where something changed, so that more may be due.</returns>
    public async Task<bool> RoundAsync(Guid id, CancellationToken stop)
    {
        await using var database = store.Open();
        if (await database.Searches.AsNoTracking().FirstOrDefaultAsync(s => s.SweepId == id, stop) is not { } row) return false;
        var search = await SearchAsync(database, id, stop);
        var open = await database.Trials.AsNoTracking().Where(t => t.SweepId == id && (t.State == TrialState.Open || t.State == TrialState.Stopped)).OrderBy(t => t.Number).ToListAsync(stop);
        var (ended, underWay) = await TrialEnds.OfAsync(database, search, open, stop);
        var going = open.FindAll(t => t.State == TrialState.Open && !ended.Any(e => e.Number == t.Number));
        var arrived = search.Stops is { } stops ? await TrialCourses.OfAsync(database, stops, going, stop) : [];
        // A stopped trial that a person sends on takes no place of the search's.
        if (ended.Count == 0 && arrived.Count == 0 && going.Count >= search.Parallel) return false;

        // In one query, and only once something happened.
        var trials = await database.Trials.AsNoTracking().Where(t => t.SweepId == id).OrderBy(t => t.Number)
            .Select(t => new { t.Point, t.State, t.Losses, t.Violation, t.Course }).ToListAsync(stop);
        var round = new SearchRound(
            trials.ConvertAll(t => new SearchTrial(Numbers(t.Point), t.State, Numbers(t.Losses), t.Violation)), trials.ConvertAll(t => TrialCourses.Read(t.Course)), search.Stops);
        // One choice after each: what is chosen depends on the order of what happened alone, and not on how much came at once.
        foreach (var happened in ended.Select(e => (e.At, e.Number, End: (TrialEnd?)e, Arrival: (TrialArrival?)null)).Concat(arrived.Select(a => (a.At, a.Number, End: (TrialEnd?)null, Arrival: (TrialArrival?)a)))
            .OrderBy(h => h.At).ThenBy(h => h.Number).Prepend(default))
        {
            if (happened.End is { } end) round.Take(end);
            if (happened.Arrival is { } arrival) round.Take(arrival);
            while (!round.IsOver && round.Chosen.Count < MostAtOnce && round.Open < search.Parallel)
            {
                // Who was stopped goes before who has not begun.
                if (round.SendOn()) continue;
                if (await ChooseAsync(id, search, round.History, stop) is { } next) round.Add(next);
                else round.IsOver = true;
            }
        }

        var isOver = round.IsOver && round.Open == 0 && underWay.Count == 0;
        if (ended.Count == 0 && arrived.Count == 0 && round.Chosen.Count == 0 && round.Moved.Count == 0 && !isOver) return false;
        return await RecordAsync(id, row.Version, search, round, isOver, stop) && !isOver;
    }

    /// <summary>The next trial, computed or not; null: the search has all of its trials, or there are no others.</summary>
    private async Task<ChosenTrial?> ChooseAsync(Guid id, SweepSearch search, IReadOnlyList<SearchTrial> history, CancellationToken stop)
    {
        var pruned = history.Count(t => t.State == TrialState.Pruned);
        if (history.Count - pruned >= search.Trials || pruned >= (long)search.Trials * MostPrunedForEach) return null;
        if (search.Next(history, 1) is not [var point]) return null;
        var plan = search.PlanOf(point);
        if (plan.Problems.Count > 0) return new ChosenTrial(point, search.Values(point), [], TrialState.Pruned, SweepSearch.Refused, plan.Problems[0].Message);
        if (search.Constraints.Count == 0 && _silent.ContainsKey(id)) return Open();
        if (_silent.TryGetValue(id, out var until) && time.GetUtcNow() < until) return Open();
        var verdict = await _check.RunAsync(search.Sweep with { Search = null }, plan, stop);
        if (verdict.Notes.Count > 0)
        {
            if (_silent.TryAdd(id, time.GetUtcNow() + Silence)) log.LogWarning("Sweep {Id}: sizes are not predicted: {Reason}", id, string.Join("; ", verdict.Notes));
            else _silent[id] = time.GetUtcNow() + Silence;
        }

        if (search.Predict(plan.Executions, verdict) is { } against) return new ChosenTrial(point, search.Values(point), [], TrialState.Pruned, against.Violation, against.Reason);
        return Open();

        ChosenTrial Open() => new(point, search.Values(point), plan.Executions, TrialState.Open, 0, null);
    }

    /// <summary>Writes down what a round found, in one transaction; false where another coordinator was first.</summary>
    private async Task<bool> RecordAsync(Guid id, int version, SweepSearch search, SearchRound round, bool isOver, CancellationToken stop)
    {
        var isDone = false;
        await changes.MakeAsync(
            async change =>
            {
                isDone = false;
                await change.RecordAloneAsync(stop);
                var sweep = await change.SweepAsync(id, stop);
                var row = await change.Database.Searches.SingleAsync(s => s.SweepId == id, stop);
                if (sweep.State != SweepState.Running || row.Version != version) return;
                row.Version++;
                foreach (var end in round.Ended)
                {
                    var trial = await change.Database.Trials.SingleAsync(t => t.SweepId == id && t.Number == end.Number, stop);
                    (trial.State, trial.Violation, trial.Reason) = (end.State, end.Violation, end.Reason);
                    trial.Losses = end.State == TrialState.Done ? JsonSerializer.Serialize(end.Losses) : null;
                }

                if (search.Stops is { } stops) await StopAndGoAsync(change, sweep, stops, round, stop);
                var number = await change.Database.Trials.CountAsync(t => t.SweepId == id, stop);
                foreach (var next in round.Chosen)
                {
                    var indices = next.Executions.Count == 0 ? [] : await change.GrowAsync(sweep, next.Executions, stop);
                    var ways = next.Executions.Zip(indices).GroupBy(e => e.First.Seed).Select(way => way.OrderBy(e => e.First.Step).Select(e => e.Second));
                    change.Database.Trials.Add(new TrialRow
                    {
                        SweepId = id, Number = number++, Point = JsonSerializer.Serialize(next.Point), Values = JsonSerializer.Serialize(next.Values), State = next.State,
                        Violation = next.Violation, Ways = JsonSerializer.Serialize(ways), Reason = next.Reason,
                    });
                }

                if (isOver) await EndAsync(change, sweep, search, round.History, stop);
                isDone = true;
            },
            stop);
        if (isDone && isOver)
        {
            _searches.TryRemove(id, out _);
            _silent.TryRemove(id, out _);
        }

        return isDone;
    }

    /// <summary>Keeps the courses of the trials, stops some, and lets others go on from where they were stopped.</summary>
    private static async Task StopAndGoAsync(SweepChange change, SweepRow sweep, EarlyStops stops, SearchRound round, CancellationToken stop)
    {
        var numbers = round.Moved.Keys.Concat(round.Arrived).ToHashSet();
        var trials = await change.Database.Trials.Where(t => t.SweepId == sweep.Id && (numbers.Contains(t.Number) || t.State == TrialState.Open)).ToListAsync(stop);
        foreach (var trial in trials.Where(t => numbers.Contains(t.Number)))
        {
            trial.Course = TrialCourses.Write(round.Courses[trial.Number]);
            if (round.Moved.TryGetValue(trial.Number, out var state)) trial.State = state;
        }

        // What another trial computes too goes on.
        var wanted = trials.Where(t => t.State == TrialState.Open).Select(t => TrialCourses.NodeOf(t, stops)).ToHashSet();
        var stopped = Of(TrialState.Stopped).Except(wanted).ToList();
        var sentOn = Of(TrialState.Open).ToList();
        var nodes = await change.Database.Nodes.Where(n => n.SweepId == sweep.Id && (stopped.Contains(n.Index) || sentOn.Contains(n.Index))).ToListAsync(stop);
        await change.DetachAsync(nodes.FindAll(n => stopped.Contains(n.Index)), NodeHold.Paused, "stopped early", stop);
        var released = nodes.FindAll(n => sentOn.Contains(n.Index) && n.Hold == NodeHold.Paused);
        await change.ReleaseAsync(released, stop);
        await change.RecordReadyAsync(sweep, released, stop);

        IEnumerable<int> Of(TrialState state) => trials.Where(t => round.Moved.GetValueOrDefault(t.Number, TrialState.Pruned) == state).Select(t => TrialCourses.NodeOf(t, stops));
    }

    private static async Task EndAsync(SweepChange change, SweepRow sweep, SweepSearch search, IReadOnlyList<SearchTrial> history, CancellationToken stop)
    {
        sweep.IsSearching = false;
        if (search.Stops is { } stops)
        {
            var left = (await change.Database.Trials.AsNoTracking().Where(t => t.SweepId == sweep.Id && t.State == TrialState.Stopped).ToListAsync(stop)).Select(t => TrialCourses.NodeOf(t, stops)).ToHashSet();
            var nodes = await change.Database.Nodes.Where(n => n.SweepId == sweep.Id && left.Contains(n.Index) && n.Hold == NodeHold.Paused).ToListAsync(stop);
            await change.DetachAsync(nodes, NodeHold.Cancelled, "stopped early", stop);
            await change.Database.SaveChangesAsync(stop);
            await change.BlockAsync(nodes, stop);
        }

        var pruned = history.Count(t => t.State == TrialState.Pruned);
        if (history.Count == pruned)
        {
            var least = pruned == 0 ? 0 : history.Min(t => t.Violation);
            await change.StopAsync(
                sweep, SweepState.Failed,
                string.Create(CultureInfo.InvariantCulture, $"no trial was computed: of {pruned} none can keep the constraints{(least is > 0 and < SweepSearch.Refused ? $"; the nearest breaks them by {least * 100:0.#}%" : "")}"), stop);
            return;
        }

        change.MayEnd(sweep.Id);
    }

    /// <summary>The search of a sweep, with the versions of the stages that it was planned for.</summary>
    private async Task<SweepSearch> SearchAsync(CoordinatorDatabase database, Guid id, CancellationToken stop)
    {
        if (_searches.TryGetValue(id, out var known)) return known;
        var text = await database.Sweeps.Where(s => s.Id == id).Select(s => s.Spec).SingleAsync(stop);
        var spec = JsonSerializer.Deserialize<SweepSpec>(text!, LatheJson.Options)!;
        var manifests = await (
            from step in database.StepCounts.AsNoTracking()
            join stage in database.Stages.AsNoTracking() on new { Name = step.Stage, step.Version } equals new { stage.Name, stage.Version }
            where step.SweepId == id
            select stage.Manifest).ToListAsync(stop);
        var problems = new List<SweepProblem>();
        var search = SweepSearch.Read(spec, manifests.Select(m => JsonSerializer.Deserialize<StageManifest>(m, LatheJson.Options)!).DistinctBy(m => m.Name).ToDictionary(m => m.Name), problems)
            ?? throw new InvalidOperationException($"the search of sweep {id} was accepted and can no longer be read: {problems[0].Path}: {problems[0].Message}");
        _searches[id] = search;
        return search;
    }

    private static double[] Numbers(string? json) => json is null ? [] : JsonSerializer.Deserialize<double[]>(json)!;
}
