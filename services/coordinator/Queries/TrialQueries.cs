using System.Text.Json;
using Lathe.Contracts;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>Reads the trials of searches.</summary>
internal static class TrialQueries
{
    /// <summary>How the search of a sweep stands; null: it has none.</summary>
    public static async Task<SearchStatus?> StatusAsync(CoordinatorDatabase database, SweepRow sweep, CancellationToken stop)
    {
        // Most sweeps have none, and their spec need not be read.
        if (!await database.Searches.AnyAsync(s => s.SweepId == sweep.Id, stop) || SpecOf(sweep)?.Search is not { } search) return null;
        var counts = await database.Trials.Where(t => t.SweepId == sweep.Id).GroupBy(t => t.State).Select(g => new { g.Key, Count = g.Count() }).ToListAsync(stop);
        return new SearchStatus(search.Strategy, search.Trials, counts.OrderBy(c => c.Key).ToDictionary(c => Word(c.Key), c => c.Count)) { Objectives = search.Objectives };
    }

    /// <summary>Names of the figures by which the search of a sweep judges; none where it has no search.</summary>
    public static async Task<IReadOnlyList<string>> FiguresAsync(CoordinatorDatabase database, Guid sweep, CancellationToken stop) =>
        await database.Searches.AnyAsync(s => s.SweepId == sweep, stop) && SpecOf(await database.Sweeps.AsNoTracking().SingleAsync(s => s.Id == sweep, stop))?.Search is { } search ? FiguresOf(search) : [];

    private static List<string> FiguresOf(SearchSpec search) =>
        [.. (search.Objectives ?? []).Select(o => o.Maximize ?? o.Minimize).Concat((search.Constraints ?? []).Select(ConstraintTerm.NameIn)).OfType<string>().Distinct()];

    /// <summary>Trials of a sweep in their order, some at a time; none where it has no search.</summary>
    public static async Task<IReadOnlyList<TrialStatus>> PageAsync(CoordinatorDatabase database, Guid sweep, int after, int limit, CancellationToken stop)
    {
        var objectives = SpecOf(await database.Sweeps.AsNoTracking().SingleAsync(s => s.Id == sweep, stop))?.Search?.Objectives ?? [];
        var rows = await database.Trials.AsNoTracking().Where(t => t.SweepId == sweep && t.Number > after).OrderBy(t => t.Number).Take(limit).ToListAsync(stop);
        return rows.ConvertAll(row => new TrialStatus(
            row.Number, Word(row.State), JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(row.Values)!, Figures(row), row.Violation,
            JsonSerializer.Deserialize<List<List<int>>>(row.Ways)!, row.Course is null ? null : TrialCourses.Read(row.Course).Count, row.Reason));

        Dictionary<string, double> Figures(TrialRow row) => row.Losses is null ? []
            : objectives.Zip(JsonSerializer.Deserialize<double[]>(row.Losses)!).ToDictionary(o => o.First.Maximize ?? o.First.Minimize!, o => o.First.Maximize is null ? o.Second : -o.Second);
    }

    private static SweepSpec? SpecOf(SweepRow sweep) => sweep.Spec is null ? null : JsonSerializer.Deserialize<SweepSpec>(sweep.Spec, LatheJson.Options);

    private static string Word(TrialState state) => JsonNamingPolicy.CamelCase.ConvertName(state.ToString());
}
