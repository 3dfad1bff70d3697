using System.Globalization;
using System.Text.Json;
using Lathe.Contracts;

namespace Lathe.Coordinator;

/// <summary>An axis that advances together with others.</summary>
/// <param name="Stage">Place of its stage in the sweep's list.</param>
/// <param name="Parameter">Its parameter.</param>
/// <param name="Group">Number of the group.</param>
internal sealed record ZippedAxis(int Stage, string Parameter, int Group);

/// <summary>The groups of axes of a sweep that advance together.</summary>
internal static class ZippedAxes
{
    /// <summary>Reads the groups and collects their problems.</summary>
    /// <param name="spec">The sweep.</param>
    /// <param name="manifests">Stages known by name.</param>
    /// <param name="problems">Receives the problems.</param>
    public static IReadOnlyList<ZippedAxis> Read(SweepSpec spec, IReadOnlyDictionary<string, StageManifest> manifests, List<SweepProblem> problems)
    {
        var axes = new List<ZippedAxis>();
        for (var group = 0; group < (spec.Zip?.Count ?? 0); group++)
        {
            var path = $"/zip/{group}";
            var names = spec.Zip![group] ?? [];
            if (names.Count < 2) problems.Add(new SweepProblem(path, "names fewer than two axes; expected a list such as [prune.multiplications, quantize.bits]"));
            int? length = null;
            for (var i = 0; i < names.Count; i++)
            {
                if (Find(spec, names[i] ?? "", manifests, out var found) is { } wrong)
                {
                    problems.Add(new SweepProblem($"{path}/{i}", wrong));
                    continue;
                }

                var (stage, parameter, count) = found;
                if (axes.Exists(a => a.Stage == stage && a.Parameter == parameter)) problems.Add(new SweepProblem($"{path}/{i}", $"{names[i]} is zipped already"));
                else if (length is { } other && other != count)
                    problems.Add(new SweepProblem($"{path}/{i}", string.Create(CultureInfo.InvariantCulture, $"{names[i]} has {count} values and {names[0]} has {other}; expected lists of one length")));
                else axes.Add(new ZippedAxis(stage, parameter, group));
                length ??= count;
            }
        }

        return axes;
    }

    private static string? Find(SweepSpec spec, string name, IReadOnlyDictionary<string, StageManifest> manifests, out (int Stage, string Parameter, int Count) found)
    {
        found = default;
        var dot = name.IndexOf('.', StringComparison.Ordinal);
        if (dot < 1) return $"'{name}' is no axis; expected STAGE.PARAMETER, for example prune.multiplications";
        var (stage, parameter, nth) = (name[..dot], name[(dot + 1)..], 1);
        if (stage.Split('#') is [var before, var number] && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out nth)) stage = before;
        var places = (spec.Stages ?? []).Index().Where(s => s.Item?.Stage == stage).Select(s => s.Index).ToList();
        if (nth < 1 || nth > places.Count) return $"the sweep has no stage '{name[..dot]}'";
        var place = places[nth - 1];
        var parameters = spec.Stages![place].Parameters;
        if (parameters.ValueKind != JsonValueKind.Object || !parameters.TryGetProperty(parameter, out var value) || !(manifests.TryGetValue(stage, out var manifest) ? StageGrid.IsAxis(manifest, parameter, value) : value.ValueKind == JsonValueKind.Array))
            return $"{name} is no list of values; only axes can advance together";
        found = (place, parameter, value.GetArrayLength());
        return null;
    }
}
