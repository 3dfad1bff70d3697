using System.Text.Json;
using System.Text.Json.Nodes;
using Lathe.Contracts;

namespace Lathe.Coordinator;

/// <summary>Where a chosen value goes.</summary>
/// <param name="Stage">Place of the stage in the sweep's list; null: the value is the sweep's model.</param>
/// <param name="Steps">Names from the stage's parameters inwards.</param>
/// <param name="Values">The values by level, where the axis is one of several that advance together; null: the axis has them.</param>
internal sealed record SearchSetting(int? Stage, IReadOnlyList<string> Steps, IReadOnlyList<JsonElement>? Values = null);

/// <summary>One thing that a search chooses.</summary>
/// <param name="Name">For people: <c>prune.multiplications</c>, <c>quantize.bits.features.0</c>.</param>
/// <param name="Range">What may be chosen.</param>
/// <param name="Settings">What the choice sets; several where axes advance together.</param>
internal sealed record SearchAxis(string Name, SearchRange Range, IReadOnlyList<SearchSetting> Settings)
{
    /// <summary>What may be chosen, as in a sweep file. Of axes that advance together it is a choice among lists.</summary>
    public JsonElement Written() => Settings[0].Values is null
        ? Range.Written()
        : SearchRange.Of([.. Range.Choices.Select((_, level) => JsonSerializer.SerializeToElement(Settings.Select(s => s.Values![level])))]).Written();
}

/// <summary>Finds what a search may choose.</summary>
internal static class SearchAxes
{
    /// <summary>The axes of a sweep, in the order of its stages, and its problems.</summary>
    /// <param name="spec">The sweep.</param>
    /// <param name="manifests">Stages known by name.</param>
    /// <param name="problems">Receives what is wrong with ranges.</param>
    public static IReadOnlyList<SearchAxis> Read(SweepSpec spec, IReadOnlyDictionary<string, StageManifest> manifests, List<SweepProblem> problems)
    {
        var axes = new List<SearchAxis>();
        if (spec.Models is { Count: > 1 } models)
            axes.Add(new SearchAxis("model", SearchRange.Of([.. models.Distinct().Select(m => JsonSerializer.SerializeToElement(m))]), [new SearchSetting(null, [])]));
        var zipped = ZippedAxes.Read(spec, manifests, problems);
        var groups = new Dictionary<int, int>();
        var seen = new Dictionary<string, int>();
        foreach (var (i, stage) in (spec.Stages ?? []).Index())
        {
            if (stage?.Stage is not { Length: > 0 } name) continue;
            var times = seen[name] = seen.GetValueOrDefault(name) + 1;
            if (stage.Parameters.ValueKind != JsonValueKind.Object) continue;
            foreach (var parameter in stage.Parameters.EnumerateObject())
            {
                var shown = $"{name}{(times > 1 ? $"#{times}" : "")}.{parameter.Name}";
                if (!StageGrid.IsAxis(manifests.GetValueOrDefault(name), parameter.Name, parameter.Value)) Add(i, shown, [parameter.Name], parameter.Value, JsonPointer.Of("stages", $"{i}", name, parameter.Name));
                else if (zipped.FirstOrDefault(z => z.Stage == i && z.Parameter == parameter.Name) is { } zip) AddZipped(zip, shown, parameter.Value);
                else if (Distinct(parameter.Value) is { Count: > 1 } values) axes.Add(new SearchAxis(shown, SearchRange.Of(values), [new SearchSetting(i, [parameter.Name])]));
            }
        }

        return axes;

        void Add(int stage, string shown, IReadOnlyList<string> steps, JsonElement value, string path)
        {
            if (SearchRange.IsOne(value))
            {
                if (SearchRange.Read(value, path, problems) is { } range) axes.Add(new SearchAxis(shown, range, [new SearchSetting(stage, steps)]));
            }
            else if (value.ValueKind == JsonValueKind.Object)
            {
                foreach (var member in value.EnumerateObject()) Add(stage, $"{shown}.{member.Name}", [.. steps, member.Name], member.Value, path + JsonPointer.Of(member.Name));
            }
        }

        void AddZipped(ZippedAxis zip, string shown, JsonElement value)
        {
            var setting = new SearchSetting(zip.Stage, [zip.Parameter], [.. value.EnumerateArray()]);
            if (groups.TryGetValue(zip.Group, out var known))
            {
                axes[known] = axes[known] with { Name = $"{axes[known].Name} + {shown}", Settings = [.. axes[known].Settings, setting] };
                return;
            }

            groups.Add(zip.Group, axes.Count);
            axes.Add(new SearchAxis(shown, SearchRange.Of([.. Enumerable.Range(0, value.GetArrayLength()).Select(n => JsonSerializer.SerializeToElement($"{n}"))]), [setting]));
        }
    }

    /// <summary>
    /// The sweep without a search, with a list of values that stand for all in place of each range: what the grid's checks say of it holds for the search. And where each of those values stands in the sweep.
    /// </summary>
    public static (SweepSpec Spec, IReadOnlyDictionary<string, string> Places) Probes(SweepSpec spec)
    {
        var places = new Dictionary<string, string>();
        var stages = (spec.Stages ?? []).Select((stage, i) =>
        {
            if (stage?.Stage is null || stage.Parameters.ValueKind != JsonValueKind.Object) return stage!;
            var parameters = new JsonObject();
            foreach (var parameter in stage.Parameters.EnumerateObject())
            {
                if (SearchRange.PlaceIn(parameter.Value) is null)
                {
                    parameters[parameter.Name] = JsonNode.Parse(parameter.Value.GetRawText());
                    continue;
                }

                var path = JsonPointer.Of("stages", $"{i}", stage.Stage, parameter.Name);
                var probes = ProbesOf(parameter.Value, path, out var at);
                parameters[parameter.Name] = new JsonArray([.. probes]);
                foreach (var (n, place) in at.Index()) places[$"{path}/{n}"] = place;
            }

            return new StageSpec(stage.Stage, JsonSerializer.SerializeToElement(parameters));
        });
        return (spec with { Search = null, EarlyStopping = null, Zip = null, Stages = spec.Stages is null ? null! : [.. stages] }, places);
    }

    private static List<JsonNode?> ProbesOf(JsonElement value, string path, out List<string> places)
    {
        // Ranges that are wrong are told where they are read.
        if (SearchRange.IsOne(value))
        {
            var probes = SearchRange.Read(value, path, [])?.Probes ?? [];
            places = [.. probes.Select(p => path + p.Place)];
            return [.. probes.Select(p => JsonNode.Parse(p.Value.GetRawText()))];
        }

        // All ranges of an object move together from their first to their last value.
        var members = value.EnumerateObject().ToDictionary(m => m.Name, m => SearchRange.PlaceIn(m.Value) is null ? [JsonNode.Parse(m.Value.GetRawText())] : ProbesOf(m.Value, path + JsonPointer.Of(m.Name), out _));
        var count = members.Values.Any(m => m.Count == 0) ? 0 : members.Values.Max(m => m.Count);
        places = [.. Enumerable.Repeat(path, count)];
        return [.. Enumerable.Range(0, count).Select(n => new JsonObject(members.Select(m => KeyValuePair.Create(m.Key, m.Value[Math.Min(n, m.Value.Count - 1)]?.DeepClone()))))];
    }

    private static List<JsonElement> Distinct(JsonElement list) => [.. list.EnumerateArray().DistinctBy(v =>
    {
        try
        {
            return CanonicalJson.Write(v);
        }
        catch (ArgumentException)
        {
            // The grid's checks tell.
            return v.GetRawText();
        }
    })];
}
