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
        var open = await database.Trials.AsNoTracking().Where(t => t.SweepId == id && t.State == TrialState.Open).OrderBy(t => t.Number).ToListAsync(stop);
        var ended = await TrialEnds.OfAsync(database, search, open, stop);
        if (ended.Count == 0 && open.Count >= search.Parallel) return false;

        // In one query, and only once a trial has ended.
        var trials = await database.Trials.AsNoTracking().Where(t => t.SweepId == id).OrderBy(t => t.Number)
            .Select(t => new { t.Point, t.State, t.Losses, t.Violation }).ToListAsync(stop);
        var history = trials.ConvertAll(t => new SearchTrial(Numbers(t.Point), t.State, Numbers(t.Losses), t.Violation));
        var chosen = new List<Chosen>();
        var isOver = false;
        // One choice after each end: what is chosen depends on the order of the ends alone, and not on how many came at once.
        foreach (var end in ended.Prepend(null))
        {
            if (end is not null) history[end.Number] = history[end.Number] with { State = end.State, Losses = end.Losses, Violation = end.Violation };
            while (!isOver && chosen.Count < MostAtOnce && history.Count(t => t.State == TrialState.Open) < search.Parallel)
            {
                if (await ChooseAsync(id, search, history, stop) is not { } next)
                {
                    isOver = true;
                    break;
                }

                chosen.Add(next);
                history.Add(new SearchTrial(next.Point, next.State, [], next.Violation));
            }
        }

        isOver = isOver && history.TrueForAll(t => t.State != TrialState.Open);
        if (ended.Count == 0 && chosen.Count == 0 && !isOver) return false;
        return await RecordAsync(id, row.Version, ended, chosen, isOver ? history : null, stop) && !isOver;
    }

    /// <summary>The next trial, computed or not; null: the search has all of its trials, or there are no others.</summary>
    private async Task<Chosen?> ChooseAsync(Guid id, SweepSearch search, List<SearchTrial> history, CancellationToken stop)
    {
        var pruned = history.Count(t => t.State == TrialState.Pruned);
        if (history.Count - pruned >= search.Trials || pruned >= (long)search.Trials * MostPrunedForEach) return null;
        if (search.Next(history, 1) is not [var point]) return null;
        var plan = search.PlanOf(point);
        if (plan.Problems.Count > 0) return new Chosen(point, search.Values(point), [], TrialState.Pruned, SweepSearch.Refused, plan.Problems[0].Message);
        if (search.Constraints.Count == 0 && _silent.ContainsKey(id)) return Open();
        if (_silent.TryGetValue(id, out var until) && time.GetUtcNow() < until) return Open();
        var verdict = await _check.RunAsync(search.Sweep with { Search = null }, plan, stop);
        if (verdict.Notes.Count > 0)
        {
            if (_silent.TryAdd(id, time.GetUtcNow() + Silence)) log.LogWarning("Sweep {Id}: sizes are not predicted: {Reason}", id, string.Join("; ", verdict.Notes));
            else _silent[id] = time.GetUtcNow() + Silence;
        }

        if (search.Predict(plan.Executions, verdict) is { } against) return new Chosen(point, search.Values(point), [], TrialState.Pruned, against.Violation, against.Reason);
        return Open();

        Chosen Open() => new(point, search.Values(point), plan.Executions, TrialState.Open, 0, null);
    }

    /// <summary>Writes down what a round found, in one transaction; false where another coordinator was first.</summary>
    private async Task<bool> RecordAsync(Guid id, int version, IReadOnlyList<TrialEnd> ended, IReadOnlyList<Chosen> chosen, List<SearchTrial>? over, CancellationToken stop)
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
                foreach (var end in ended)
                {
                    var trial = await change.Database.Trials.SingleAsync(t => t.SweepId == id && t.Number == end.Number, stop);
                    (trial.State, trial.Violation, trial.Reason) = (end.State, end.Violation, end.Reason);
                    trial.Losses = end.State == TrialState.Done ? JsonSerializer.Serialize(end.Losses) : null;
                }

                var number = await change.Database.Trials.CountAsync(t => t.SweepId == id, stop);
                foreach (var next in chosen)
                {
                    var indices = next.Executions.Count == 0 ? [] : await change.GrowAsync(sweep, next.Executions, stop);
                    var ways = next.Executions.Zip(indices).GroupBy(e => e.First.Seed).Select(way => way.OrderBy(e => e.First.Step).Select(e => e.Second));
                    change.Database.Trials.Add(new TrialRow
                    {
                        SweepId = id, Number = number++, Point = JsonSerializer.Serialize(next.Point), Values = JsonSerializer.Serialize(next.Values), State = next.State,
                        Violation = next.Violation, Ways = JsonSerializer.Serialize(ways), Reason = next.Reason,
                    });
                }

                if (over is not null) await EndAsync(change, sweep, over, stop);
                isDone = true;
            },
            stop);
        if (isDone && over is not null)
        {
            _searches.TryRemove(id, out _);
            _silent.TryRemove(id, out _);
        }

        return isDone;
    }

    private static async Task EndAsync(SweepChange change, SweepRow sweep, List<SearchTrial> history, CancellationToken stop)
    {
        sweep.IsSearching = false;
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

    /// <summary>A trial that a round chose.</summary>
    private sealed record Chosen(
        double[] Point, IReadOnlyDictionary<string, JsonElement> Values, IReadOnlyList<PlannedExecution> Executions, TrialState State, double Violation, string? Reason);
}
