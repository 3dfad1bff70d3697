using System.Collections;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Lathe.Contracts;

namespace Lathe.Hosting;

/// <summary>Which properties of a record are parameters: those that a sweep can set, of types that JSON has.</summary>
internal static class ParameterTypes
{
    private const string Allowed = "a number, true or false, a text, an enumeration, a list or a dictionary of these, or a record of such properties; [JsonIgnore] leaves a property out";

    // As JSON these are texts, or anything.
    private static readonly HashSet<Type> Texts =
        [typeof(string), typeof(decimal), typeof(DateTime), typeof(DateTimeOffset), typeof(DateOnly), typeof(TimeOnly), typeof(TimeSpan), typeof(Guid), typeof(Uri), typeof(Version), typeof(JsonElement), typeof(Half), typeof(Int128), typeof(UInt128)];

    /// <summary>How records of parameters are read and written. Without what they compute from their parameters.</summary>
    public static JsonSerializerOptions Options { get; } = Make();

    /// <summary>Refuses a record that has a property which cannot be a parameter.</summary>
    /// <exception cref="LatheException">Names record, property, type, and what is allowed.</exception>
    public static void ThrowUnlessUsable(Type record)
    {
        if (Problem(record, []) is { } problem) throw new LatheException(problem);
    }

    private static string? Problem(Type record, HashSet<Type> known)
    {
        if (!known.Add(record)) return null;
        foreach (var property in record.GetProperties(BindingFlags.Public | BindingFlags.Instance))
        {
            if (property.GetIndexParameters().Length > 0 || property.GetCustomAttribute<JsonIgnoreAttribute>() is { Condition: JsonIgnoreCondition.Always } || IsComputed(property)) continue;
            if (!IsSettable(property))
                return $"property {property.Name} has no init, so that no sweep could set it; write {{ get; init; }}, or put [JsonIgnore] before it where it is no parameter";
            if (property.GetCustomAttribute<JsonConverterAttribute>() is not null || From<ParameterSchemaAttribute>(property) is not null) continue;
            if (OfType(property.PropertyType, known) is { } problem)
                return problem.Length > 0 ? $"property {property.Name}: {problem}" : $"property {property.Name} has the type {NameOf(property.PropertyType)}; expected {Allowed}";
        }

        return null;
    }

    /// <summary>Null: JSON has it; a text: what is wrong within it, empty where that is the type itself.</summary>
    private static string? OfType(Type type, HashSet<Type> known)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        if ((type.IsPrimitive && type != typeof(nint) && type != typeof(nuint)) || type.IsEnum || Texts.Contains(type) || typeof(JsonNode).IsAssignableFrom(type)) return null;
        if (type.GetCustomAttribute<JsonConverterAttribute>() is not null || type.GetCustomAttribute<JsonPolymorphicAttribute>() is not null) return null;
        if (type.IsArray) return OfType(type.GetElementType()!, known);
        if ((Generic(type, typeof(IDictionary<,>)) ?? Generic(type, typeof(IReadOnlyDictionary<,>))) is [var key, var value]) return key == typeof(string) ? OfType(value, known) : "";
        if (Generic(type, typeof(IEnumerable<>)) is { } list) return OfType(list[0], known);
        var isRecord = !type.IsAbstract && !type.IsInterface && !typeof(Delegate).IsAssignableFrom(type) && !typeof(IDisposable).IsAssignableFrom(type) && !typeof(IEnumerable).IsAssignableFrom(type)
            && !type.IsPointer && !type.IsByRefLike && type.Namespace?.Split('.')[0] is not ("System" or "Microsoft");
        return isRecord ? Problem(type, known) : "";
    }

    private static Type[]? Generic(Type type, Type open) =>
        type.GetInterfaces().Prepend(type).FirstOrDefault(i => i.IsGenericType && i.GetGenericTypeDefinition() == open)?.GetGenericArguments();

    /// <summary>Set by <c>init</c>, or by the parameter of a constructor.</summary>
    private static bool IsSettable(PropertyInfo property) =>
        property.SetMethod is { IsPublic: true } || property.GetCustomAttribute<JsonIncludeAttribute>() is not null
        || property.DeclaringType!.GetConstructors().Any(c => c.GetParameters().Any(p => string.Equals(p.Name, property.Name, StringComparison.OrdinalIgnoreCase)));

    /// <summary>Made of other properties: it has no field of its own.</summary>
    private static bool IsComputed(PropertyInfo property) =>
        !IsSettable(property) && property.SetMethod is null && property.DeclaringType!.GetField($"<{property.Name}>k__BackingField", BindingFlags.NonPublic | BindingFlags.Instance) is null;

    private static T? From<T>(PropertyInfo property)
        where T : Attribute =>
        property.GetCustomAttribute<T>(inherit: true)
        ?? property.DeclaringType!.GetConstructors().SelectMany(c => c.GetParameters()).FirstOrDefault(p => string.Equals(p.Name, property.Name, StringComparison.OrdinalIgnoreCase))?.GetCustomAttribute<T>();

    private static string NameOf(Type type) => Nullable.GetUnderlyingType(type) is { } inner ? NameOf(inner) + "?"
        : !type.IsGenericType ? type.Name
        : $"{type.Name.Split('`')[0]}<{string.Join(", ", type.GetGenericArguments().Select(NameOf))}>";

    private static JsonSerializerOptions Make()
    {
        var options = new JsonSerializerOptions(LatheJson.Options);
        options.TypeInfoResolver = options.TypeInfoResolver!.WithAddedModifier(LeaveOutComputed);
        options.MakeReadOnly();
        return options;
    }

    private static void LeaveOutComputed(JsonTypeInfo type)
    {
        if (type.Kind != JsonTypeInfoKind.Object) return;
        foreach (var property in type.Properties.Where(p => p.AttributeProvider is PropertyInfo written && IsComputed(written)).ToList()) type.Properties.Remove(property);
    }
}
