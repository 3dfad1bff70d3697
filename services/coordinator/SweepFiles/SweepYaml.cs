using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;
using Lathe.Contracts;

namespace Lathe.Coordinator;

/// <summary>Writes a sweep as the text of a sweep file, which <see cref="SweepText"/> reads back as the same sweep.</summary>
internal static partial class SweepYaml
{
    // A JSON text is YAML, too.
    private static readonly JsonSerializerOptions Quoted = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The text.</summary>
    public static string Of(SweepSpec spec)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"name: {Word(spec.Name)}\n");
        text.Append(CultureInfo.InvariantCulture, $"model: {Axis(spec.Models.Select(Word))}\n");
        text.Append(CultureInfo.InvariantCulture, $"dataset: {Axis(spec.Datasets.Select(Word))}\n");
        text.Append(CultureInfo.InvariantCulture, $"seed: {Axis(spec.Seeds.Select(s => s.ToString(CultureInfo.InvariantCulture)))}\n");
        if (spec.Threads is { } threads) text.Append(CultureInfo.InvariantCulture, $"threads: {threads}\n");
        if (spec.Device is { } device) text.Append(CultureInfo.InvariantCulture, $"device: {device.ToString().ToLowerInvariant()}\n");
        if (spec.Pool is { Count: > 0 } pools) text.Append(CultureInfo.InvariantCulture, $"pool: {{ {string.Join(", ", pools.Select(p => $"{Word(p.Key)}: {Word(p.Value)}"))} }}\n");
        text.Append("stages:\n");
        foreach (var stage in spec.Stages)
        {
            var parameters = stage.Parameters.ValueKind == JsonValueKind.Object ? stage.Parameters.EnumerateObject().ToList() : [];
            text.Append(CultureInfo.InvariantCulture, $"  - {Word(stage.Stage)}{(parameters.Count == 0 ? "" : ":")}\n");
            foreach (var parameter in parameters) text.Append(CultureInfo.InvariantCulture, $"      {Word(parameter.Name)}: {Value(parameter.Value)}\n");
        }

        if (spec.Zip is { } zip) text.Append(CultureInfo.InvariantCulture, $"zip: [{string.Join(", ", zip.Select(group => $"[{string.Join(", ", group.Select(Word))}]"))}]\n");
        if (spec.Search is { } search) Append(text, search);
        if (spec.EarlyStopping is { } stopping)
            text.Append(CultureInfo.InvariantCulture, $"earlyStopping: {{ strategy: {Word(stopping.Strategy ?? "")}, metric: {Word(stopping.Metric ?? "")}, grace: {stopping.Grace}, reduction: {stopping.Reduction} }}\n");
        return text.ToString();
    }

    private static void Append(StringBuilder text, SearchSpec search)
    {
        text.Append(CultureInfo.InvariantCulture, $"search:\n  strategy: {Word(search.Strategy ?? "")}\n");
        if (search.Trials is { } trials) text.Append(CultureInfo.InvariantCulture, $"  trials: {trials}\n");
        text.Append(CultureInfo.InvariantCulture, $"  seed: {search.Seed}\n");
        if (search.Parallel is { } parallel) text.Append(CultureInfo.InvariantCulture, $"  parallel: {parallel}\n");
        text.Append("  objectives:\n");
        foreach (var objective in search.Objectives ?? [])
            text.Append(CultureInfo.InvariantCulture, $"    - {{ {(objective.Maximize is null ? "minimize" : "maximize")}: {Word(objective.Maximize ?? objective.Minimize ?? "")} }}\n");
        if (search.Constraints is not { Count: > 0 } constraints) return;
        text.Append("  constraints:\n");
        foreach (var constraint in constraints) text.Append(CultureInfo.InvariantCulture, $"    - {Word(constraint)}\n");
    }

    private static string Axis(IEnumerable<string> values) => values.ToList() is [var one] ? one : $"[{string.Join(", ", values)}]";

    private static string Value(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => Word(value.GetString()!),
        JsonValueKind.Array => $"[{string.Join(", ", value.EnumerateArray().Select(Value))}]",
        JsonValueKind.Object => $"{{ {string.Join(", ", value.EnumerateObject().Select(m => $"{Word(m.Name)}: {Value(m.Value)}"))} }}",
        _ => value.GetRawText(),
    };

    /// <summary>Without quotes where nothing can take it for something else.</summary>
    private static string Word(string text) => Plain().IsMatch(text) && new YamlScalar(default, text, Quoted: false).ToJson()?.GetValueKind() == JsonValueKind.String
        ? text
        : JsonSerializer.Serialize(text, Quoted);

    [GeneratedRegex(@"^[A-Za-z0-9_][A-Za-z0-9_.@/+-]*(:[0-9a-f]{64})?$")]
    private static partial Regex Plain();
}
