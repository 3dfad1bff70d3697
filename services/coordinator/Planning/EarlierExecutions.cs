using System.Globalization;
using System.Text.Json;
using Lathe.Contracts;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>The parts of an execution key in readable form.</summary>
/// <param name="Version">Version of the stage.</param>
/// <param name="Parameters">Canonical JSON of each, by name.</param>
/// <param name="Model">Model of the branch.</param>
/// <param name="Dataset">Null for a stage that reads none.</param>
/// <param name="Fingerprint">Null: unknown, or none.</param>
/// <param name="Seed">Seed.</param>
/// <param name="Threads">Null: any.</param>
/// <param name="Device">Null: any.</param>
/// <param name="Input">SHA-256 of the input; null: none.</param>
internal sealed record KeyParts(
    string Version, IReadOnlyDictionary<string, string> Parameters, string Model, string? Dataset, string? Fingerprint, long Seed, int? Threads, DeviceKind? Device, string? Input)
{
    /// <summary>Stands for an input that the sweep would compute first.</summary>
    public const string NotComputed = "not computed yet";

    private const string None = "none";
    private const string Any = "any";

    public static IReadOnlyDictionary<string, string> Of(JsonElement parameters) => parameters.EnumerateObject().ToDictionary(p => p.Name, p => CanonicalJson.Write(p.Value));

    /// <summary>What is not the same, in the order in which a person would look for it.</summary>
    /// <param name="earlier">The other one.</param>
    public IEnumerable<KeyDifference> From(KeyParts earlier)
    {
        if (Version != earlier.Version) yield return new("version", earlier.Version, Version);
        foreach (var name in Parameters.Keys.Union(earlier.Parameters.Keys))
        {
            var (before, now) = (earlier.Parameters.GetValueOrDefault(name, None), Parameters.GetValueOrDefault(name, None));
            if (before != now) yield return new(name, before, now);
        }

        // The parameter that takes the model says so already.
        if (Model != earlier.Model && !Parameters.Values.Contains(JsonSerializer.Serialize(StoredModel.Parameter(Model)))) yield return new("model", earlier.Model, Model);
        if (Dataset != earlier.Dataset) yield return new("dataset", earlier.Dataset ?? None, Dataset ?? None);
        else if (Fingerprint != earlier.Fingerprint) yield return new("fingerprint", earlier.Fingerprint ?? None, Fingerprint ?? "unknown");
        if (Seed != earlier.Seed) yield return new("seed", Text(earlier.Seed), Text(Seed));
        if (Threads != earlier.Threads) yield return new("threads", Text(earlier.Threads), Text(Threads));
        if (Device != earlier.Device) yield return new("device", Word(earlier.Device), Word(Device));
        if (Input != earlier.Input) yield return new("input", earlier.Input ?? None, Input ?? None);
    }

    private static string Text(long? number) => number?.ToString(CultureInfo.InvariantCulture) ?? Any;

    private static string Word(DeviceKind? device) => device?.ToString().ToLowerInvariant() ?? Any;
}

/// <summary>Executions with a result, to compare planned ones with.</summary>
internal sealed class EarlierExecutions
{
    // Of each stage the latest: what a person remembers is among them.
    private const int Most = 2000;

    private readonly Dictionary<string, List<Earlier>> _byStage;

    private EarlierExecutions(Dictionary<string, List<Earlier>> byStage) => _byStage = byStage;

    /// <summary>The one that differs in the fewest parts, the latest of several; null: the stage never had a result.</summary>
    public EarlierExecution? Nearest(string stage, KeyParts parts)
    {
        Earlier? nearest = null;
        List<KeyDifference>? least = null;
        foreach (var earlier in _byStage.GetValueOrDefault(stage, []))
        {
            var differences = parts.From(earlier.Parts).Take(least?.Count ?? int.MaxValue).ToList();
            if (least is not null && differences.Count >= least.Count) continue;
            (nearest, least) = (earlier, differences);
            if (least.Count == 0) break;
        }

        return nearest is null ? null : new EarlierExecution(nearest.Sweep, nearest.Name, nearest.Index, least!);
    }

    /// <summary>Reads the latest of each stage.</summary>
    /// <param name="store">The database; null: there is none.</param>
    /// <param name="stages">Names of stages.</param>
    /// <param name="before">Only those that ended before; null: all.</param>
    /// <param name="stop">Gives up.</param>
    public static async Task<EarlierExecutions> ReadAsync(CoordinatorStore? store, IReadOnlyList<string> stages, DateTimeOffset? before, CancellationToken stop)
    {
        var all = new Dictionary<string, List<Earlier>>();
        if (store is null) return new EarlierExecutions(all);
        await using var database = store.Open();
        var parameters = new Dictionary<(Guid, int), IReadOnlyDictionary<string, string>>();
        foreach (var stage in stages)
        {
            var rows = await (
                from execution in database.Executions.AsNoTracking()
                join node in database.Nodes.AsNoTracking() on new { execution.SweepId, Index = execution.NodeIndex } equals new { node.SweepId, node.Index }
                join point in database.Points.AsNoTracking() on new { node.SweepId, Number = node.Point } equals new { point.SweepId, point.Number }
                join branch in database.Branches.AsNoTracking() on new { node.SweepId, Number = node.Branch } equals new { branch.SweepId, branch.Number }
                join sweep in database.Sweeps.AsNoTracking() on node.SweepId equals sweep.Id
                where execution.State == RunState.Completed && execution.Stage == stage && (before == null || execution.FinishedAt < before)
                orderby execution.FinishedAt descending
                select new
                {
                    execution.StageVersion, execution.InputSha256, node.SweepId, node.Index, point.Number, point.ReadsData, point.Parameters,
                    branch.Model, branch.Dataset, branch.Fingerprint, branch.Seed, sweep.Name, sweep.Threads, sweep.Device,
                }).Take(Most).ToListAsync(stop);
            all.Add(stage, rows.ConvertAll(row =>
            {
                if (!parameters.TryGetValue((row.SweepId, row.Number), out var read))
                    parameters.Add((row.SweepId, row.Number), read = KeyParts.Of(JsonSerializer.Deserialize<JsonElement>(row.Parameters)));
                return new Earlier(row.SweepId, row.Name, row.Index, new KeyParts(
                    row.StageVersion, read, row.Model, row.ReadsData ? row.Dataset : null, row.ReadsData ? row.Fingerprint : null, row.Seed, row.Threads, row.Device, row.InputSha256));
            }));
        }

        return new EarlierExecutions(all);
    }

    private sealed record Earlier(Guid Sweep, string Name, int Index, KeyParts Parts);
}
