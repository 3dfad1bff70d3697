using System.Text.Json;
using System.Text.Json.Nodes;
using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Conformance.Cases;

/// <summary>Parameters that a schema forbids.</summary>
/// <param name="Words">What is wrong with them.</param>
/// <param name="Pointer">JSON pointer to the parameter that is to blame.</param>
/// <param name="Parameters">All parameters.</param>
internal sealed record BadParameters(string Words, string Pointer, JsonElement Parameters)
{
    /// <summary>A key that no stage has.</summary>
    public const string Stranger = "noSuchParameter";

    private static readonly JsonNode?[] OfEveryType = ["a text", 1.5, true, new JsonObject { ["a"] = new JsonArray() }, new JsonArray(new JsonObject())];

    /// <summary>An unknown parameter, then for each parameter values of a type, beyond a limit, and outside of a choice that its schema forbids.</summary>
    /// <param name="schema">JSON Schema of the stage's parameters.</param>
    /// <param name="good">Parameters that fit it.</param>
    public static IReadOnlyList<BadParameters> Of(JsonElement schema, JsonElement good)
    {
        var cases = new List<BadParameters> { With(good, "an unknown parameter", Stranger, 1) };
        foreach (var property in schema.TryGetProperty("properties", out var properties) ? properties.EnumerateObject().ToList() : [])
        {
            foreach (var (words, value) in Values(property.Value))
            {
                var bad = With(good, $"{property.Name} {words}", property.Name, value);
                // What a schema says by other keywords may allow the value after all.
                if (ParametersSchema.Validate(schema, bad.Parameters).Any(p => IsAt(p, bad.Pointer))) cases.Add(bad);
            }
        }

        return cases;
    }

    /// <summary>True if a problem is with the parameter that is to blame, or with a part of it.</summary>
    public bool IsNamedBy(ParameterProblem problem) => IsAt(problem, Pointer);

    private static bool IsAt(ParameterProblem problem, string pointer) =>
        problem.Pointer == pointer || problem.Pointer.StartsWith(pointer + "/", StringComparison.Ordinal);

    private static IEnumerable<(string Words, JsonNode? Value)> Values(JsonElement rule)
    {
        if (rule.ValueKind != JsonValueKind.Object) yield break;
        var types = TypesOf(rule);
        if (OfEveryType.FirstOrDefault(v => types.Count > 0 && !types.Contains(TypeOf(v!)) && !(types.Contains("integer") && TypeOf(v!) == "number")) is { } other)
            yield return ("of another type", other.DeepClone());
        if (types.Contains("integer") && !types.Contains("number")) yield return ("with a fraction", 1.5);
        if (Limit(rule, "minimum") is { } least) yield return ("below its limit", Beyond(types, least, -1));
        if (Limit(rule, "exclusiveMinimum") is { } under) yield return ("at the limit that it must be above", Whole(types, under));
        if (Limit(rule, "maximum") is { } most) yield return ("above its limit", Beyond(types, most, 1));
        if (Limit(rule, "exclusiveMaximum") is { } over) yield return ("at the limit that it must be below", Whole(types, over));
        if (rule.TryGetProperty("enum", out _)) yield return ("outside of its choice", "no such choice");
    }

    private static JsonNode Beyond(List<string> types, double limit, int side) => Whole(types, limit + (side * Math.Max(1, Math.Abs(limit) * 0.5)));

    private static JsonNode Whole(List<string> types, double value) => types.Contains("integer") && Math.Abs(value) < 1e15 ? (JsonNode)(long)Math.Round(value) : value;

    private static double? Limit(JsonElement rule, string key) => rule.TryGetProperty(key, out var limit) && limit.ValueKind == JsonValueKind.Number ? limit.GetDouble() : null;

    private static List<string> TypesOf(JsonElement rule) => !rule.TryGetProperty("type", out var type) ? []
        : type.ValueKind == JsonValueKind.Array ? [.. type.EnumerateArray().Select(t => t.GetString()!)] : [type.GetString()!];

    private static string TypeOf(JsonNode value) => value.GetValueKind() switch
    {
        JsonValueKind.String => "string",
        JsonValueKind.Number => "number",
        JsonValueKind.True => "boolean",
        JsonValueKind.Array => "array",
        _ => "object",
    };

    private static BadParameters With(JsonElement good, string words, string name, JsonNode? value)
    {
        var all = JsonObject.Create(good)!;
        all[name] = value;
        return new BadParameters(words, JsonPointer.Of(name), JsonSerializer.SerializeToElement(all));
    }
}
