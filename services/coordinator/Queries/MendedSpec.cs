using System.Text.Json;
using System.Text.Json.Nodes;
using Lathe.Contracts;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>A sweep with the parameters with which its executions ran: a retry may have given some of them others than the sweep had.</summary>
/// <param name="Spec">The sweep that repeats what ran, where one sweep can say it; otherwise as it was submitted.</param>
/// <param name="Notes">Which executions ran with other parameters than the spec has, one sentence for each change.</param>
internal sealed record MendedSpec(SweepSpec Spec, IReadOnlyList<string> Notes)
{
    private const int Listed = 5;

    /// <summary>Reads what was changed.</summary>
    /// <param name="database">Holds the sweep.</param>
    /// <param name="sweep">Its id.</param>
    /// <param name="spec">As it was submitted.</param>
    /// <param name="stop">Gives up.</param>
    public static async Task<MendedSpec> ReadAsync(CoordinatorDatabase database, Guid sweep, SweepSpec spec, CancellationToken stop)
    {
        // Trials of a search have parameters of their own, which no file names.
        if (spec.Search is not null) return new MendedSpec(spec, []);
        var points = await database.Points.AsNoTracking().Where(p => p.SweepId == sweep).ToDictionaryAsync(p => p.Number, stop);
        var manifests = await ManifestsAsync(database, points.Values, stop);
        if (manifests is null || Planned(spec, manifests) is not { } planned) return new MendedSpec(spec, []);
        // A mend adds a point.
        var first = planned.Points.Count;
        if (points.Keys.All(number => number < first)) return new MendedSpec(spec, []);
        var nodes = await database.Nodes.AsNoTracking().Where(n => n.SweepId == sweep).OrderBy(n => n.Index).Select(n => new { n.Index, n.Point }).ToListAsync(stop);
        if (nodes.Count != planned.Nodes.Count) return new MendedSpec(spec, []);
        var ran = nodes.ConvertAll(n => Compact(points[n.Point].Parameters));
        var before = Parameters(planned);
        var changes = nodes.SelectMany(n => ran[n.Index] == before[n.Index] ? [] : Changes(n.Index, points[n.Point], before[n.Index], ran[n.Index])).ToList();
        if (changes.Count == 0) return new MendedSpec(spec, []);
        // What one file can say is found out by planning it.
        var mended = With(spec, manifests, changes);
        return Planned(mended, manifests) is { } again && Parameters(again).SequenceEqual(ran) ? new MendedSpec(mended, []) : new MendedSpec(spec, [.. Words(changes)]);
    }

    private static PlanRows? Planned(SweepSpec spec, Dictionary<string, StageManifest> manifests) =>
        SweepPlanner.Plan(spec, manifests) is { Problems.Count: 0 } plan ? PlanRows.Of(Guid.Empty, plan, new Dictionary<string, DataRef?>(), spec.Pool) : null;

    private static List<string> Parameters(PlanRows rows)
    {
        var points = rows.Points.ToDictionary(p => p.Number, p => Compact(p.Parameters));
        return [.. rows.Nodes.OrderBy(n => n.Index).Select(n => points[n.Point])];
    }

    private static string Compact(string json) => CanonicalJson.Write(JsonSerializer.Deserialize<JsonElement>(json));

    private static IEnumerable<Change> Changes(int index, PointRow point, string before, string now)
    {
        var (old, mended) = (JsonNode.Parse(before)!.AsObject(), JsonNode.Parse(now)!.AsObject());
        foreach (var name in old.Select(p => p.Key).Union(mended.Select(p => p.Key)))
        {
            if (!JsonNode.DeepEquals(old[name], mended[name])) yield return new Change(index, point.Step, point.Stage, name, Text(old[name]), Text(mended[name]));
        }
    }

    private static string Text(JsonNode? value) => value?.ToJsonString() ?? "null";

    /// <summary>The sweep in which each value has the place of the one that it was changed from.</summary>
    private static SweepSpec With(SweepSpec spec, Dictionary<string, StageManifest> manifests, List<Change> changes)
    {
        var stages = spec.Stages.ToList();
        foreach (var (step, name, old, now) in changes.Select(c => (c.Step, c.Name, c.Old, c.Now)).Distinct())
        {
            var parameters = stages[step].Parameters.ValueKind == JsonValueKind.Object ? JsonNode.Parse(stages[step].Parameters.GetRawText())!.AsObject() : [];
            if (parameters[name] is JsonArray axis && StageGrid.IsAxis(manifests[stages[step].Stage], name, stages[step].Parameters.GetProperty(name)))
            {
                for (var i = 0; i < axis.Count; i++)
                {
                    if (Compact(Text(axis[i])) == Compact(old)) axis[i] = JsonNode.Parse(now);
                }
            }
            else
            {
                parameters[name] = JsonNode.Parse(now);
            }

            stages[step] = stages[step] with { Parameters = JsonSerializer.SerializeToElement(parameters) };
        }

        return spec with { Stages = stages };
    }

    private static IEnumerable<string> Words(List<Change> changes) => changes.GroupBy(c => (c.Step, c.Stage, c.Name, c.Old, c.Now)).Select(same =>
    {
        var indices = same.Select(c => c.Index).ToList();
        var some = string.Join(", ", indices.Take(Listed)) + (indices.Count > Listed ? $" and {indices.Count - Listed} more" : "");
        return $"{same.Key.Stage}: {(indices.Count == 1 ? "execution" : "executions")} {some} ran with {same.Key.Name} {same.Key.Now}, where this file has {same.Key.Old}";
    });

    /// <summary>The stages of the versions with which the sweep was planned; null: one is not known any more.</summary>
    private static async Task<Dictionary<string, StageManifest>?> ManifestsAsync(CoordinatorDatabase database, IEnumerable<PointRow> points, CancellationToken stop)
    {
        var versions = points.Select(p => (p.Stage, p.Version)).Distinct().ToList();
        var names = versions.ConvertAll(v => v.Stage);
        var rows = (await database.Stages.AsNoTracking().Where(s => names.Contains(s.Name)).ToListAsync(stop)).Where(s => versions.Contains((s.Name, s.Version))).ToList();
        return rows.Count == versions.Count && rows.DistinctBy(s => s.Name).Count() == rows.Count
            ? rows.ToDictionary(s => s.Name, s => JsonSerializer.Deserialize<StageManifest>(s.Manifest, LatheJson.Options)!) : null;
    }

    private sealed record Change(int Index, int Step, string Stage, string Name, string Old, string Now);
}
