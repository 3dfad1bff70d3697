using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using System.Text.Json.Serialization.Metadata;
using Lathe.Contracts;

namespace Lathe.Hosting;

/// <summary>
/// JSON Schema of a parameters record: one description for validation, documentation and the search space. Types and defaults come
/// from the record, limits from its <c>[Range]</c>, <c>[AllowedValues]</c>, <c>[Required]</c> and <c>[Description]</c>.
/// </summary>
public static class ParametersSchema
{
    /// <summary>The schema of a record: unknown keys refused, a default for each optional key. It is made once for each record.</summary>
    /// <exception cref="LatheException">The record has no schema: two parameters have one name, or one has a type that JSON has not.</exception>
    public static JsonElement For<TParameters>()
    {
        try
        {
            return Known<TParameters>.Schema;
        }
        catch (TypeInitializationException e)
        {
            throw new LatheException($"the record {typeof(TParameters).Name} does not describe parameters: {e.GetBaseException().Message.Split('\n')[0].TrimEnd()}", inner: e);
        }
    }

    /// <summary>A record as JSON, with each of its parameters.</summary>
    internal static JsonElement Write<TParameters>(TParameters parameters) => JsonSerializer.SerializeToElement(parameters, ParameterTypes.Options);

    private static JsonElement Make<TParameters>()
    {
        ParameterTypes.ThrowUnlessUsable(typeof(TParameters));
        var schema = ParameterTypes.Options.GetJsonSchemaAsNode(typeof(TParameters), new JsonSchemaExporterOptions
        {
            TreatNullObliviousAsNonNullable = true,
            TransformSchemaNode = Annotate,
        }).AsObject();
        var defaults = DefaultsOf<TParameters>();
        var required = new JsonArray();
        foreach (var property in ParameterTypes.Options.GetTypeInfo(typeof(TParameters)).Properties)
        {
            if (schema["properties"]?[property.Name] is not JsonObject described) continue;
            if (IsRequired(property))
            {
                described.Remove("default");
                required.Add(property.Name);
            }
            else
            {
                described["default"] = defaults[property.Name]?.DeepClone();
            }
        }

        schema["type"] = "object";
        schema.Remove("required");
        if (required.Count > 0) schema["required"] = required;
        return JsonSerializer.SerializeToElement(schema);
    }

    /// <summary>Everything wrong with parameters; empty where nothing is.</summary>
    /// <param name="schema">JSON Schema of the parameters.</param>
    /// <param name="parameters">The parameters; keys with a default may be left out.</param>
    public static IReadOnlyList<ParameterProblem> Validate(JsonElement schema, JsonElement parameters) => ParametersCheck.Of(schema).Run(parameters);

    /// <summary>The same by the schema of a record.</summary>
    public static IReadOnlyList<ParameterProblem> Validate<TParameters>(JsonElement parameters) => Checked<TParameters>.Check.Run(parameters);

    /// <summary>The parameter that a schema marks with a keyword; null where it marks none.</summary>
    /// <param name="schema">JSON Schema of a stage's parameters; null: nothing is known.</param>
    /// <param name="keyword">For example <see cref="SweepModelAttribute.Keyword"/>.</param>
    public static string? Marked(JsonElement? schema, string keyword) =>
        schema is { ValueKind: JsonValueKind.Object } rules && rules.TryGetProperty("properties", out var properties)
            ? properties.EnumerateObject().Where(p => p.Value.ValueKind == JsonValueKind.Object && p.Value.TryGetProperty(keyword, out var mark) && mark.ValueKind == JsonValueKind.True)
                .Select(p => p.Name).FirstOrDefault()
            : null;

    /// <summary>The parameters with the schema's default for each key that is left out, in the schema's order.</summary>
    public static JsonElement WithDefaults(JsonElement schema, JsonElement parameters)
    {
        var filled = new JsonObject();
        if (schema.TryGetProperty("properties", out var properties))
        {
            foreach (var property in properties.EnumerateObject())
            {
                if (parameters.TryGetProperty(property.Name, out var given))
                    filled[property.Name] = JsonSerializer.SerializeToNode(given);
                else if (property.Value.ValueKind == JsonValueKind.Object && property.Value.TryGetProperty("default", out var value))
                    filled[property.Name] = JsonSerializer.SerializeToNode(value);
            }
        }

        foreach (var given in parameters.EnumerateObject())
        {
            if (!filled.ContainsKey(given.Name)) filled[given.Name] = JsonSerializer.SerializeToNode(given.Value);
        }

        return JsonSerializer.SerializeToElement(filled);
    }

    /// <summary>The record that parameters describe.</summary>
    /// <exception cref="LatheException">They do not fit the record's schema.</exception>
    public static TParameters Read<TParameters>(string stage, JsonElement parameters)
    {
        var problems = Validate<TParameters>(parameters);
        if (problems.Count > 0)
        {
            throw new LatheException(
                $"parameters of stage {stage}: {string.Join("; ", problems.Select(p => $"{string.Join('.', JsonPointer.Steps(p.Pointer))} {p.Message}".TrimStart()))}");
        }

        return ReadValid<TParameters>(stage, parameters);
    }

    /// <summary>The same for parameters in which <see cref="Validate{TParameters}"/> found nothing.</summary>
    internal static TParameters ReadValid<TParameters>(string stage, JsonElement parameters) =>
        WithDefaults(For<TParameters>(), parameters).Deserialize<TParameters>(ParameterTypes.Options)
        ?? throw new LatheException($"parameters of stage {stage}: expected an object");

    private static bool IsRequired(JsonPropertyInfo property) =>
        property.IsRequired
        || property.AssociatedParameter is { HasDefaultValue: false }
        || Attribute<RequiredAttribute>(property) is not null;

    /// <summary>What the record holds when nothing is given.</summary>
    private static JsonObject DefaultsOf<TParameters>()
    {
        // A required member is filled in only to have the others' defaults, and its own is never used.
        var given = new JsonObject();
        foreach (var property in ParameterTypes.Options.GetTypeInfo(typeof(TParameters)).Properties.Where(p => p.IsRequired))
            given[property.Name] = property.PropertyType.IsValueType
                ? JsonSerializer.SerializeToNode(Activator.CreateInstance(property.PropertyType), property.PropertyType, ParameterTypes.Options)
                : null;
        var record = given.Deserialize<TParameters>(ParameterTypes.Options);
        return JsonSerializer.SerializeToNode(record, ParameterTypes.Options)!.AsObject();
    }

    private static JsonNode Annotate(JsonSchemaExporterContext context, JsonNode node)
    {
        if (context.PropertyInfo is { } written && Attribute<ParameterSchemaAttribute>(written) is { } given) node = JsonNode.Parse(given.Json)!;
        if (node is not JsonObject schema) return node;
        // A record without parameters has no properties, and takes none.
        if (schema.ContainsKey("properties") || context.TypeInfo.Kind == JsonTypeInfoKind.Object) schema["additionalProperties"] = false;
        if (context.PropertyInfo is not { } property) return schema;
        if (Attribute<DescriptionAttribute>(property) is { } description) schema["description"] = description.Description;
        if (Attribute<SweepModelAttribute>(property) is not null) schema[SweepModelAttribute.Keyword] = true;
        if (Attribute<WeightsFileAttribute>(property) is not null) schema[WeightsFileAttribute.Keyword] = true;
        if (Attribute<RangeAttribute>(property) is { } range) Limit(schema, range);
        if (Attribute<AllowedValuesAttribute>(property) is { } allowed)
            schema["enum"] = new JsonArray([.. allowed.Values.Select(value => JsonSerializer.SerializeToNode(value, ParameterTypes.Options))]);
        return schema;
    }

    private static void Limit(JsonObject schema, RangeAttribute range)
    {
        // Beyond this a limit means "none", and the schema's readers may keep limits as decimals.
        const double Unlimited = 1e15;
        var least = Convert.ToDouble(range.Minimum, CultureInfo.InvariantCulture);
        var most = Convert.ToDouble(range.Maximum, CultureInfo.InvariantCulture);
        if (Math.Abs(least) < Unlimited) schema[range.MinimumIsExclusive ? "exclusiveMinimum" : "minimum"] = least;
        if (Math.Abs(most) < Unlimited) schema[range.MaximumIsExclusive ? "exclusiveMaximum" : "maximum"] = most;
    }

    /// <summary>An attribute on the property, on one that it overrides, or on the constructor parameter that a positional record makes it from.</summary>
    private static TAttribute? Attribute<TAttribute>(JsonPropertyInfo property)
        where TAttribute : Attribute =>
        From<TAttribute>(property.AttributeProvider) ?? From<TAttribute>(property.AssociatedParameter?.AttributeProvider);

    private static TAttribute? From<TAttribute>(ICustomAttributeProvider? provider)
        where TAttribute : Attribute =>
        provider is MemberInfo property
            ? property.GetCustomAttribute<TAttribute>(inherit: true)
            : provider?.GetCustomAttributes(typeof(TAttribute), inherit: true).OfType<TAttribute>().FirstOrDefault();

    /// <summary>What is made once for each record.</summary>
    private static class Known<TParameters>
    {
        public static readonly JsonElement Schema = Make<TParameters>();
    }

    /// <summary>Apart from the schema: a command that checks nothing does not load what checks.</summary>
    private static class Checked<TParameters>
    {
        public static readonly ParametersCheck Check = ParametersCheck.Of(Known<TParameters>.Schema);
    }
}
