using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;
using Lathe.Contracts;
using Newtonsoft.Json.Linq;
using NJsonSchema;
using NJsonSchema.Validation;

namespace Lathe.Hosting;

/// <summary>Validates by a JSON Schema, which is compiled once, and says what is wrong in words.</summary>
internal sealed class ParametersCheck
{
    private static readonly ConcurrentDictionary<string, ParametersCheck> Compiled = new(StringComparer.Ordinal);

    private readonly JsonElement _schema;
    private readonly JsonSchema _compiled;

    private ParametersCheck(string schema)
    {
        _schema = JsonElement.Parse(schema);
        _compiled = JsonSchema.FromJsonAsync(schema).GetAwaiter().GetResult();
    }

    /// <summary>The check by a schema. There are as many as there are versions of stages, so all are kept.</summary>
    public static ParametersCheck Of(JsonElement schema) => Compiled.GetOrAdd(schema.GetRawText(), text => new ParametersCheck(text));

    public IReadOnlyList<ParameterProblem> Run(JsonElement parameters)
    {
        if (parameters.ValueKind != JsonValueKind.Object) return [new ParameterProblem("", $"{Shown(parameters)}, expected an object of parameters")];
        var problems = new List<ParameterProblem>();
        foreach (var error in _compiled.Validate(parameters.GetRawText()))
        {
            var steps = Steps(error);
            if (IsWithin(error, At(parameters, steps), Described(steps))) continue;
            problems.Add(new ParameterProblem(JsonPointer.Of(steps), Message(error, steps, parameters)));
        }

        return problems;
    }

    /// <summary>Where the validator found an error: of a key that is missing, where it should be.</summary>
    private static List<string> Steps(ValidationError error)
    {
        var steps = (error.Token?.AncestorsAndSelf() ?? []).Reverse().Select(Step).OfType<string>().ToList();
        if (error.Kind == ValidationErrorKind.PropertyRequired && error.Property is { } missing) steps.Add(missing);
        return steps;

        static string? Step(JToken token) => token switch
        {
            JProperty property => property.Name,
            { Parent: JArray list } => list.IndexOf(token).ToString(CultureInfo.InvariantCulture),
            _ => null,
        };
    }

    /// <summary>
    /// Whether a number that is called too small or too large is neither. The validator compares decimals, in which 1e-300 is 0;
    /// parameters are doubles.
    /// </summary>
    private static bool IsWithin(ValidationError error, JsonElement? value, JsonElement? schema)
    {
        // Of a value that may be absent there is a list for each type that it may have.
        if (error is MultiTypeValidationError several) return several.Errors.Values.Any(ofType => ofType.All(e => IsWithin(e, value, schema)));
        if (error.Kind is not (ValidationErrorKind.NumberTooSmall or ValidationErrorKind.NumberTooBig)) return false;
        if (value is not { ValueKind: JsonValueKind.Number } number || !number.TryGetDouble(out var given)) return false;
        return schema is { ValueKind: JsonValueKind.Object } rule
            && !(Limit("minimum") is { } least && given < least) && !(Limit("exclusiveMinimum") is { } above && given <= above)
            && !(Limit("maximum") is { } most && given > most) && !(Limit("exclusiveMaximum") is { } below && given >= below);

        double? Limit(string key) => rule.TryGetProperty(key, out var limit) && limit.ValueKind == JsonValueKind.Number ? limit.GetDouble() : null;
    }

    private string Message(ValidationError error, List<string> steps, JsonElement parameters)
    {
        switch (error.Kind)
        {
            case ValidationErrorKind.NoAdditionalPropertiesAllowed:
                var known = KnownKeys(Described(steps[..^1]));
                return $"is an unknown key{Nearest.Hint(steps[^1], known)}; known keys are {string.Join(", ", known)}";
            case ValidationErrorKind.PropertyRequired:
                return $"is missing; expected {Expected(Described(steps))}";
            default:
                return $"{Shown(At(parameters, steps))}, expected {Expected(Described(steps))}";
        }
    }

    private static string Expected(JsonElement? schema)
    {
        if (schema is not { ValueKind: JsonValueKind.Object } rule) return "another value";
        if (rule.TryGetProperty("enum", out var values))
        {
            var choices = values.EnumerateArray().Where(v => v.ValueKind != JsonValueKind.Null).Select(Plain).ToList();
            return choices.Count == 1 ? choices[0] : $"one of {string.Join(", ", choices)}";
        }

        var limits = Limits(rule);
        var types = TypesOf(rule);
        if (limits.Length == 0) return types.Count == 0 ? "a value" : string.Join(" or ", types.Select(Word));
        return types switch
        {
            [] => $"a value {limits}",
            // Limits are those of the number among them.
            _ => string.Join(", or ", types.Select(type => type is "number" or "integer" ? $"{Word(type)} {limits}" : Word(type))) + Example(rule),
        };
    }

    /// <summary>What an object looks like, where the schema shows one.</summary>
    private static string Example(JsonElement rule) =>
        rule.TryGetProperty("examples", out var examples) && examples.ValueKind == JsonValueKind.Array && examples.GetArrayLength() > 0
            ? $" as {examples[0].GetRawText()}" : "";

    private static string Limits(JsonElement rule)
    {
        var limits = new List<string>();
        Add("exclusiveMinimum", "above");
        Add("minimum", "at least");
        Add("exclusiveMaximum", "below");
        Add("maximum", "at most");
        return string.Join(" and ", limits);

        void Add(string key, string words)
        {
            if (rule.TryGetProperty(key, out var limit) && limit.ValueKind == JsonValueKind.Number) limits.Add($"{words} {Number(limit)}");
        }
    }

    private static List<string> TypesOf(JsonElement rule)
    {
        if (!rule.TryGetProperty("type", out var type)) return [];
        return type.ValueKind == JsonValueKind.Array
            ? [.. type.EnumerateArray().Select(t => t.GetString()!).Where(t => t != "null")]
            : [type.GetString()!];
    }

    private static string Word(string type) => type switch
    {
        "number" => "a number",
        "integer" => "a whole number",
        "boolean" => "true or false",
        "string" => "a text",
        "array" => "a list",
        "object" => "an object",
        _ => type,
    };

    private static string Shown(JsonElement? value) => value switch
    {
        { ValueKind: JsonValueKind.String } text => $"is the text '{text.GetString()}'",
        { ValueKind: JsonValueKind.Number } number => $"is {Number(number)}",
        { ValueKind: JsonValueKind.True } => "is true",
        { ValueKind: JsonValueKind.False } => "is false",
        { ValueKind: JsonValueKind.Null } => "is empty",
        { ValueKind: JsonValueKind.Array } => "is a list",
        { ValueKind: JsonValueKind.Object } => "is an object",
        _ => "does not fit",
    };

    private static string Plain(JsonElement value) => value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText();

    private static string Number(JsonElement number) =>
        number.TryGetDouble(out var value) && Math.Abs(value) < 1e15 ? value.ToString("R", CultureInfo.InvariantCulture) : number.GetRawText();

    private static List<string> KnownKeys(JsonElement? schema) =>
        schema is { ValueKind: JsonValueKind.Object } rule && rule.TryGetProperty("properties", out var properties)
            ? [.. properties.EnumerateObject().Select(p => p.Name)]
            : [];

    /// <summary>The part of the schema that describes a place in the parameters.</summary>
    private JsonElement? Described(IEnumerable<string> steps)
    {
        var rule = _schema;
        foreach (var step in steps)
        {
            if (rule.TryGetProperty("properties", out var properties) && properties.TryGetProperty(step, out var property)) rule = property;
            else if (rule.TryGetProperty("additionalProperties", out var others) && others.ValueKind == JsonValueKind.Object) rule = others;
            else if (rule.TryGetProperty("items", out var items) && items.ValueKind == JsonValueKind.Object) rule = items;
            else return null;
        }

        return rule;
    }

    private static JsonElement? At(JsonElement value, IEnumerable<string> steps)
    {
        foreach (var step in steps)
        {
            if (value.ValueKind == JsonValueKind.Object && value.TryGetProperty(step, out var property)) value = property;
            else if (value.ValueKind == JsonValueKind.Array && int.TryParse(step, out var index) && index < value.GetArrayLength()) value = value[index];
            else return null;
        }

        return value;
    }
}
