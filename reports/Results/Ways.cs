using System.Text.Json;
using Lathe.Contracts;

namespace Lathe.Reports.Results;

/// <summary>Names that tell executions and results apart, no longer than that takes.</summary>
public static class Ways
{
    /// <summary>Stands for a way on which nothing changed the network after its first stage.</summary>
    internal const string Dense = "dense";

    /// <summary>A stage and what distinguishes it: <c>prune multiplications=0.25</c>.</summary>
    public static string Label(ExecutionStatus execution) => Label(execution.Stage, execution.Parameters, execution.Varied);

    /// <summary>The way to each result as its stages: what all have in common and what only measures is left out.</summary>
    /// <param name="leaves">Results of one sweep.</param>
    /// <returns>For each result, in order, one text for each stage; <c>dense</c> where only training came before.</returns>
    public static IReadOnlyList<IReadOnlyList<string>> Of(IReadOnlyList<LeafResult> leaves)
    {
        var stages = leaves.Select(Numbered).ToList();
        var varied = stages.SelectMany((own, i) => own.Select(s => (s.Place, leaves[i].Model, s.Result.Parameters))).GroupBy(s => s.Place)
            .ToDictionary(g => g.Key, g => Varied([.. g.Select(s => (s.Model, s.Parameters))]));
        bool Differ<T>(Func<LeafResult, T> part) => leaves.Select(part).Distinct().Skip(1).Any();
        var (models, datasets, seeds) = (Differ(l => l.Model), Differ(l => l.Dataset), Differ(l => l.Seed));

        return [.. leaves.Select((leaf, i) => Way(leaf, stages[i]))];

        IReadOnlyList<string> Way(LeafResult leaf, List<((string, int) Place, StageResult Result)> own)
        {
            var parts = new List<string>();
            if (models) parts.Add(StoredModel.Shown(leaf.Model));
            if (datasets) parts.Add(leaf.Dataset);
            if (seeds) parts.Add($"seed={leaf.Seed}");
            var branch = parts.Count == 0 ? (IReadOnlyList<string>)[] : [string.Join(' ', parts)];
            var way = own
                .Where(s => varied[s.Place].Count > 0 || (!s.Result.OnlyMeasures && s != own[0]))
                .Select(s => Label(s.Result.Stage, s.Result.Parameters, varied[s.Place]))
                .ToList();
            return [.. branch, .. way.Count == 0 ? [Dense] : way];
        }
    }

    /// <summary>The checkpoint that a way ends with; null where none was made.</summary>
    public static CheckpointRef? Checkpoint(LeafResult leaf) => leaf.Stages.LastOrDefault(stage => stage.Checkpoint is not null)?.Checkpoint;

    /// <summary>A parameter's value as a sweep file has it: <c>hfp</c>, <c>[2, 4]</c>, <c>{features.0: 8, features.4: 4}</c>.</summary>
    public static string Value(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString()!,
        JsonValueKind.Array => $"[{string.Join(", ", value.EnumerateArray().Select(Item))}]",
        JsonValueKind.Object => $"{{{string.Join(", ", value.EnumerateObject().OrderBy(p => p.Name, StringComparer.Ordinal).Select(p => $"{Word(p.Name)}: {Item(p.Value)}"))}}}",
        _ => CanonicalJson.Write(value),
    };

    private static string Item(JsonElement value) => value.ValueKind == JsonValueKind.String ? Word(value.GetString()!) : Value(value);

    /// <summary>A text inside a list or a mapping, in quotes where YAML would read it as something else.</summary>
    private static string Word(string text) =>
        char.IsAsciiLetter(text.FirstOrDefault()) && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-' or '/') && text.ToLowerInvariant() is not ("true" or "false" or "null")
            ? text : JsonSerializer.Serialize(text);

    private static string Label(string stage, JsonElement parameters, IReadOnlyList<string> varied) =>
        string.Join(' ', [stage, .. varied.Where(name => parameters.TryGetProperty(name, out _)).Select(name => $"{name}={Value(parameters.GetProperty(name))}")]);

    /// <summary>A stage's place in comparisons between results: its name, and how many of that name came before it.</summary>
    private static List<((string, int) Place, StageResult Result)> Numbered(LeafResult leaf) =>
        [.. leaf.Stages.Select((stage, i) => ((stage.Stage, leaf.Stages.Take(i).Count(s => s.Stage == stage.Stage)), stage))];

    /// <summary>Parameters that are not the same in all. One that takes the sweep's model is named as the model everywhere already.</summary>
    private static List<string> Varied(IReadOnlyList<(string Model, JsonElement Parameters)> all) =>
        [.. all.SelectMany(one => one.Parameters.EnumerateObject()).Select(p => p.Name).Distinct().Where(name =>
            all.Select(one => one.Parameters.TryGetProperty(name, out var value) ? CanonicalJson.Write(value) : "").Distinct().Skip(1).Any()
            && !all.All(one => one.Parameters.TryGetProperty(name, out var value) && IsModel(value, one.Model)))];

    /// <summary>True for the value of the parameter that takes the sweep's model.</summary>
    internal static bool IsModel(JsonElement value, string model) => value.ValueKind == JsonValueKind.String && value.ValueEquals(StoredModel.Parameter(model));
}
