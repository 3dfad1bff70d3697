using System.Text.Json;
using System.Text.Json.Nodes;
using Lathe.Contracts;
using Lathe.Hosting;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>Other parameters for executions that are to run again.</summary>
/// <param name="Parameters">Those of a point of the grid; null: they stay as they are.</param>
/// <param name="Problems">What the stages refuse, by place in <c>{"set": {"STAGE": {"PARAMETER": VALUE}}}</c>; empty: nothing.</param>
public sealed record RetryChanges(Func<PointRow, JsonElement?> Parameters, IReadOnlyList<SweepProblem> Problems);

/// <summary>Changes parameters of executions that failed or were cancelled, before they run again. The stage is asked first, as for a new sweep.</summary>
internal sealed class RetryMends(CoordinatorStore store, IStageBus bus, CoordinatorOptions options)
{
    /// <summary>First step of the place of a problem.</summary>
    public const string Root = "set";

    private readonly SweepCheck _check = new((request, stop) => bus.CheckAsync(request, options.CheckPatience, stop));

    /// <summary>The changed parameters by point of the grid.</summary>
    /// <param name="target">What is to run again.</param>
    /// <param name="set">Parameters by stage; each takes the place of the point's own.</param>
    /// <param name="stop">Gives up.</param>
    public async Task<RetryChanges> PrepareAsync(ControlTarget target, IReadOnlyDictionary<string, JsonElement> set, CancellationToken stop)
    {
        await using var database = store.Open();
        var sweep = await database.Sweeps.AsNoTracking().SingleAsync(s => s.Id == target.Sweep, stop);
        var points = await database.Points.AsNoTracking().Where(p => p.SweepId == target.Sweep).ToDictionaryAsync(p => p.Number, stop);
        var manifests = await ManifestsAsync(database, points.Values, stop);
        var nodes = await target.Changeable(database, sweep.State).AsNoTracking().OrderBy(n => n.Index).ToListAsync(stop);
        var problems = new List<SweepProblem>();
        var mended = new Dictionary<int, JsonElement>();
        foreach (var (stage, given) in set)
        {
            var path = JsonPointer.Of(Root, stage);
            var ended = nodes.Select(n => points[n.Point]).Where(p => p.Stage == stage).DistinctBy(p => p.Number).ToList();
            if (points.Values.All(p => p.Stage != stage)) problems.Add(new SweepProblem(path, $"the sweep has no stage '{stage}'; it has {string.Join(", ", points.Values.Select(p => p.Stage).Distinct())}"));
            else if (given.ValueKind != JsonValueKind.Object) problems.Add(new SweepProblem(path, "expected an object of parameters"));
            else if (ended.Count == 0) problems.Add(new SweepProblem(path, $"nothing of {stage} failed or was cancelled; only such executions can get other parameters"));
            else foreach (var point in ended) mended.Add(point.Number, Merged(point, given, manifests.GetValueOrDefault((point.Stage, point.Version)), path, problems));
        }

        if (problems.Count == 0) problems.AddRange(await AskAsync(database, sweep, nodes, points, manifests, mended, set, stop));
        return new RetryChanges(point => mended.TryGetValue(point.Number, out var parameters) ? parameters : null, [.. problems.Distinct()]);
    }

    private static JsonElement Merged(PointRow point, JsonElement given, StageManifest? manifest, string path, List<SweepProblem> problems)
    {
        var merged = JsonNode.Parse(point.Parameters)!.AsObject();
        foreach (var parameter in given.EnumerateObject()) merged[parameter.Name] = JsonNode.Parse(parameter.Value.GetRawText());
        var result = JsonSerializer.SerializeToElement(merged);
        if (ParametersSchema.Marked(manifest?.ParametersSchema, SweepModelAttribute.Keyword) is { } model && given.TryGetProperty(model, out _))
            problems.Add(new SweepProblem(path + JsonPointer.Of(model), "the model belongs to the whole sweep; submit another sweep for another model"));
        if (manifest?.ParametersSchema is { } schema)
            problems.AddRange(ParametersSchema.Validate(schema, result).Select(p => new SweepProblem(path + p.Pointer, p.Message)));
        problems.AddRange(ClosedPlaces.Weights(manifest, result).Select(p => new SweepProblem(path + p.Pointer, p.Message)));
        return result;
    }

    /// <summary>What the stages say to the changed parameters and the networks that enter.</summary>
    private async Task<IEnumerable<SweepProblem>> AskAsync(
        CoordinatorDatabase database, SweepRow sweep, List<NodeRow> ended, Dictionary<int, PointRow> points, Dictionary<(string, string), StageManifest> manifests,
        Dictionary<int, JsonElement> mended, IReadOnlyDictionary<string, JsonElement> set, CancellationToken stop)
    {
        var branches = await database.Branches.AsNoTracking().Where(b => b.SweepId == sweep.Id).ToDictionaryAsync(b => b.Number, stop);
        var nodes = await WithParentsAsync(database, sweep.Id, ended.FindAll(n => mended.ContainsKey(n.Point)), stop);
        var places = nodes.Select((n, i) => (n.Index, i)).ToDictionary(p => p.Index, p => p.i);
        var changed = ended.Select(n => n.Index).ToHashSet();
        var plan = new List<PlannedExecution>();
        foreach (var node in nodes)
        {
            var point = points[node.Point];
            // A worker of the version is gone for good: nobody can be asked.
            if (!manifests.TryGetValue((point.Stage, point.Version), out var manifest)) return [];
            var branch = branches[node.Branch];
            var isChanged = changed.Contains(node.Index) && mended.ContainsKey(node.Point);
            var pointers = isChanged ? set[point.Stage].EnumerateObject().ToDictionary(p => p.Name, p => JsonPointer.Of(Root, point.Stage, p.Name)) : [];
            plan.Add(new PlannedExecution(
                plan.Count, node.Parent is { } parent ? places[parent] : null, manifest, branch.Model, branch.Dataset, branch.Seed,
                isChanged ? mended[node.Point] : JsonSerializer.Deserialize<JsonElement>(point.Parameters),
                new ParameterPlaces(isChanged ? JsonPointer.Of(Root, point.Stage) : JsonPointer.Of("earlier", point.Stage), pointers), [], point.Step));
        }

        var spec = new SweepSpec(
            sweep.Name, [.. branches.Values.Select(b => b.Model).Distinct()], [.. branches.Values.Select(b => b.Dataset).Distinct()],
            [.. branches.Values.Select(b => b.Seed).Distinct()], []);
        var verdict = await _check.RunAsync(spec, new SweepPlan(plan, []), stop);
        // What came before has its result, whatever its stage says now.
        return verdict.Problems.Where(p => JsonPointer.Steps(p.Path) is [Root, ..]);
    }

    private static async Task<List<NodeRow>> WithParentsAsync(CoordinatorDatabase database, Guid sweep, List<NodeRow> nodes, CancellationToken stop)
    {
        var found = nodes.ToDictionary(n => n.Index);
        while (found.Values.Select(n => n.Parent).OfType<int>().Where(p => !found.ContainsKey(p)).Distinct().ToList() is { Count: > 0 } missing)
        {
            foreach (var some in missing.Chunk(1000))
            {
                foreach (var node in await database.Nodes.AsNoTracking().Where(n => n.SweepId == sweep && some.Contains(n.Index)).ToListAsync(stop))
                    found.Add(node.Index, node);
            }
        }

        return [.. found.Values.OrderBy(n => n.Index)];
    }

    private static async Task<Dictionary<(string, string), StageManifest>> ManifestsAsync(CoordinatorDatabase database, IEnumerable<PointRow> points, CancellationToken stop)
    {
        var names = points.Select(p => p.Stage).Distinct().ToList();
        var rows = await database.Stages.AsNoTracking().Where(s => names.Contains(s.Name)).ToListAsync(stop);
        return rows.ToDictionary(s => (s.Name, s.Version), s => JsonSerializer.Deserialize<StageManifest>(s.Manifest, LatheJson.Options)!);
    }
}
