using System.Text.Json;
using Lathe.Contracts;

namespace Lathe.Hosting;

/// <summary>
/// Whether a stage can be served with what it says of itself. A worker asks before it starts, a coordinator when it hears an announcement, and the conformance kit. The Python
/// package has the same rules in <c>soundness.py</c>; a table of the tests holds both to the same words.
/// </summary>
internal static class ManifestCheck
{
    private const int LongestName = 64;
    private const int LongestMetric = 100;

    /// <summary>The queue of questions is the queue of work with this behind it.</summary>
    private const string CheckEnd = ".check";

    /// <summary>Keys of a sweep file that <c>--set</c> takes for themselves.</summary>
    private static readonly string[] KeysOfSweeps = ["search"];

    // A row of results has these beside its figures.
    private static readonly HashSet<string> MembersOfResults = [.. typeof(LeafResult).GetProperties().Select(p => JsonNamingPolicy.CamelCase.ConvertName(p.Name))];

    /// <summary>Refuses a manifest that cannot be served.</summary>
    /// <exception cref="LatheException">Everything that is wrong with it, in one line.</exception>
    public static void ThrowUnlessSound(StageManifest manifest)
    {
        if (Problems(manifest) is { Count: > 0 } problems) throw new LatheException(Words(problems));
    }

    /// <summary>Problems as one line.</summary>
    public static string Words(IReadOnlyList<string> problems) => $"the manifest cannot be served: {string.Join("; ", problems)}";

    /// <summary>Everything that is wrong with a manifest: what, and what to do. Empty where it can be served.</summary>
    /// <param name="manifest">As it came over the bus: anything in it may be missing.</param>
    public static IReadOnlyList<string> Problems(StageManifest manifest)
    {
        var problems = new List<string>();
        if (!IsStageName(manifest.Name))
            problems.Add($"the name is '{manifest.Name}'; expected a lower-case letter, then lower-case letters, digits and dashes, {LongestName} at most");
        else if (KeysOfSweeps.Contains(manifest.Name)) problems.Add($"the name '{manifest.Name}' is a key of sweep files; choose another one");
        if (!IsVersion(manifest.Version))
            problems.Add($"the version is '{manifest.Version}'; expected letters, digits, points, dashes and underscores, {LongestName} at most, and no '{CheckEnd}' at the end");
        if (string.IsNullOrWhiteSpace(manifest.Summary)) problems.Add("the summary is empty; expected one line for a person");
        if (!Enum.IsDefined(manifest.Input) || !Enum.IsDefined(manifest.Output)) problems.Add("input or output is none of the known ones; expected model or checkpoint, and checkpoint or metrics");
        OfSchema(manifest.ParametersSchema, problems);
        OfMetrics(manifest.Metrics ?? [], problems);
        return problems;
    }

    private static void OfMetrics(IReadOnlyList<MetricDescriptor?> metrics, List<string> problems)
    {
        var known = new HashSet<string>(StringComparer.Ordinal);
        foreach (var metric in metrics)
        {
            if (metric?.Name is not { Length: > 0 and <= LongestMetric } name || name.Any(c => char.IsWhiteSpace(c) || char.IsControl(c) || c is '<' or '>' or '='))
                problems.Add($"a metric is called '{metric?.Name}'; expected 1 to {LongestMetric} characters without spaces, '<', '>' and '='");
            else if (MembersOfResults.Contains(name)) problems.Add($"the metric '{name}' has the name of a member of every result; choose another one");
            else if (!known.Add(name)) problems.Add($"the metric '{name}' is described twice; take one of the two out");
            else if (string.IsNullOrWhiteSpace(metric.Title)) problems.Add($"the metric '{name}' has no title; expected the head of its column");
            else if (!Enum.IsDefined(metric.Format) || !Enum.IsDefined(metric.Better)) problems.Add($"the metric '{name}' has a format or a direction that nobody knows");
        }
    }

    private static void OfSchema(JsonElement? given, List<string> problems)
    {
        if (given is not { ValueKind: JsonValueKind.Object } schema)
        {
            problems.Add("there is no schema of the parameters; expected a JSON Schema of an object");
            return;
        }

        var before = problems.Count;
        if (!schema.TryGetProperty("additionalProperties", out var others) || others.ValueKind != JsonValueKind.False)
            problems.Add("the schema allows parameters that it does not name, so that a misspelt one would change nothing; expected additionalProperties: false");
        if (schema.TryGetProperty("properties", out var properties) && properties.ValueKind != JsonValueKind.Object) problems.Add("the schema's properties are no object");
        if (HasForeignReference(schema)) problems.Add("the schema refers to another document; expected a schema that holds all of itself");
        if (problems.Count > before) return;
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var property in Properties(schema))
        {
            if (property.Name.Length is 0 or > LongestMetric || !property.Name.All(c => char.IsLetterOrDigit(c) || c is '_' or '-'))
                problems.Add($"a parameter is called '{property.Name}'; expected letters, digits, dashes and underscores");
            else if (!names.Add(property.Name)) problems.Add($"two parameters are called '{property.Name}'; give one of them another name");
            else OfRule($"parameter '{property.Name}'", property.Value, problems);
        }

        if (schema.TryGetProperty("required", out var required) && required.ValueKind == JsonValueKind.Array)
            problems.AddRange(required.EnumerateArray().Where(n => n.ValueKind != JsonValueKind.String || !names.Contains(n.GetString()!)).Select(n => $"the schema requires {n.GetRawText()}, which is none of its parameters"));
        // What follows judges values by the schema, which has to make sense for that.
        if (problems.Count == before) OfValues(schema, problems);
    }

    /// <summary>A default that the schema refuses, or a choice that can never be made.</summary>
    private static void OfValues(JsonElement schema, List<string> problems)
    {
        try
        {
            var defaults = ParametersSchema.WithDefaults(schema, JsonElement.Parse("{}"));
            foreach (var problem in ParametersSchema.Validate(schema, defaults))
            {
                if (JsonPointer.Steps(problem.Pointer) is [var name, ..] && defaults.TryGetProperty(name, out _))
                    problems.Add($"parameter '{name}' has a default that it refuses: {(JsonPointer.Steps(problem.Pointer).Length > 1 ? $"at {problem.Pointer} it " : "it ")}{problem.Message}");
            }

            foreach (var property in Properties(schema).Where(p => p.Value.ValueKind == JsonValueKind.Object && p.Value.TryGetProperty("enum", out _)))
            {
                foreach (var choice in property.Value.GetProperty("enum").EnumerateArray())
                {
                    var chosen = JsonSerializer.SerializeToElement(new Dictionary<string, JsonElement> { [property.Name] = choice });
                    if (ParametersSchema.Validate(schema, chosen).Any(p => JsonPointer.Steps(p.Pointer) is [var name, ..] && name == property.Name))
                        problems.Add($"parameter '{property.Name}' offers the choice {choice.GetRawText()}, which its type or its limits refuse");
                }
            }
        }
#pragma warning disable CA1031 // A schema of somebody else may bring down whoever reads it in any way.
        catch (Exception e) when (e is not OutOfMemoryException)
#pragma warning restore CA1031
        {
            problems.Add($"the schema cannot be used: {e.GetBaseException().Message.Split('\n')[0].TrimEnd()}");
        }
    }

    /// <summary>Limits between which nothing lies, and choices among nothing.</summary>
    private static void OfRule(string place, JsonElement rule, List<string> problems)
    {
        if (rule.ValueKind is JsonValueKind.True) return;
        if (rule.ValueKind != JsonValueKind.Object)
        {
            problems.Add($"{place} has no rule; expected a JSON Schema");
            return;
        }

        var before = problems.Count;
        foreach (var key in (string[])["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength", "minItems", "maxItems"])
        {
            if (rule.TryGetProperty(key, out var limit) && limit.ValueKind != JsonValueKind.Number) problems.Add($"{place} has a limit that is no number ({key})");
        }

        if (problems.Count > before) return;
        OfNumbers(place, rule, problems);
        foreach (var (least, most, what) in ((string, string, string)[])[("minLength", "maxLength", "characters"), ("minItems", "maxItems", "items")])
        {
            if (Limit(rule, least) is { } from && Limit(rule, most) is { } to && from > to) problems.Add($"{place} has from {from:0.###} to {to:0.###} {what}, and nothing has; give the smaller limit first");
        }

        if (rule.TryGetProperty("enum", out var choices) && (choices.ValueKind != JsonValueKind.Array || choices.GetArrayLength() == 0)) problems.Add($"{place} offers no choice; expected one or more values");
        if (rule.TryGetProperty("items", out var items)) OfRule($"an item of {place}", items, problems);
        if (rule.TryGetProperty("additionalProperties", out var values) && values.ValueKind == JsonValueKind.Object) OfRule($"a value of {place}", values, problems);
        foreach (var property in Properties(rule)) OfRule($"'{property.Name}' of {place}", property.Value, problems);
    }

    private static void OfNumbers(string place, JsonElement rule, List<string> problems)
    {
        var (least, under, most, over) = (Limit(rule, "minimum"), Limit(rule, "exclusiveMinimum"), Limit(rule, "maximum"), Limit(rule, "exclusiveMaximum"));
        var types = TypesOf(rule);
        if ((least ?? under ?? most ?? over) is not null && types.Count > 0 && !types.Contains("number") && !types.Contains("integer"))
            problems.Add($"{place} has limits of a number, and it takes none; take the range away, or make it a number");
        var from = Math.Max(least ?? double.NegativeInfinity, under ?? double.NegativeInfinity);
        var to = Math.Min(most ?? double.PositiveInfinity, over ?? double.PositiveInfinity);
        if (from > to || (from == to && (under == from || over == to))) problems.Add($"{place} has the range from {Shown(from)} to {Shown(to)}, in which no number lies; give the smaller limit first");
        else if (types.Contains("integer") && !types.Contains("number") && !HasWhole(from, to, under, over)) problems.Add($"{place} has the range from {Shown(from)} to {Shown(to)}, in which no whole number lies");
    }

    private static bool HasWhole(double from, double to, double? under, double? over)
    {
        if (double.IsInfinity(from) || double.IsInfinity(to)) return true;
        var first = Math.Ceiling(from);
        if (first == under) first++;
        return first < to || (first == to && first != over);
    }

    private static string Shown(double limit) => JsonSerializer.Serialize(limit);

    private static double? Limit(JsonElement rule, string key) => rule.TryGetProperty(key, out var limit) && limit.ValueKind == JsonValueKind.Number ? limit.GetDouble() : null;

    private static List<string?> TypesOf(JsonElement rule) => !rule.TryGetProperty("type", out var type) ? []
        : type.ValueKind == JsonValueKind.Array ? [.. type.EnumerateArray().Where(t => t.ValueKind == JsonValueKind.String).Select(t => t.GetString())]
        : type.ValueKind == JsonValueKind.String ? [type.GetString()] : [];

    private static IEnumerable<JsonProperty> Properties(JsonElement rule) =>
        rule.TryGetProperty("properties", out var properties) && properties.ValueKind == JsonValueKind.Object ? properties.EnumerateObject() : [];

    /// <summary>Whoever reads such a schema would look into its own files, or ask a server.</summary>
    private static bool HasForeignReference(JsonElement part) => part.ValueKind switch
    {
        JsonValueKind.Object => part.EnumerateObject().Any(p =>
            (p.Name == "$ref" && p.Value.ValueKind == JsonValueKind.String && !p.Value.GetString()!.StartsWith('#')) || HasForeignReference(p.Value)),
        JsonValueKind.Array => part.EnumerateArray().Any(HasForeignReference),
        _ => false,
    };

    private static bool IsStageName(string? name) =>
        name is { Length: > 0 and <= LongestName } && char.IsAsciiLetterLower(name[0]) && name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-');

    private static bool IsVersion(string? version) =>
        version is { Length: > 0 and <= LongestName } && version.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_') && !version.EndsWith(CheckEnd, StringComparison.Ordinal);
}
