using System.Collections.Concurrent;
using System.Reflection;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.Metadata;

namespace Lathe.Coordinator;

/// <summary>
/// Marks routes that refuse a query which they do not know, which is given twice, or which is empty, and a body where they take none: a mistyped or misplaced
/// <c>execution</c> must not turn an order about one execution into one about a whole sweep.
/// </summary>
internal sealed class ExactQuery
{
    public static readonly ExactQuery Mark = new();

    private static readonly ConcurrentDictionary<Endpoint, IReadOnlyDictionary<string, Type>> Known = new();

    /// <summary>Refuses the request, or does nothing. Needs routing before it.</summary>
    /// <exception cref="ApiFault">400.</exception>
    public static void Check(HttpContext context)
    {
        if (context.GetEndpoint() is not RouteEndpoint route || route.Metadata.GetMetadata<ExactQuery>() is null) return;
        if (HasBody(context) && route.Metadata.GetMetadata<IAcceptsMetadata>() is null)
            throw Bad($"this address takes no body; {(KeysOf(route) is { Count: > 0 } keys ? $"{string.Join(" and ", keys.Keys)} stand in the query, as in ?{keys.Keys.Last()}=3" : "send none")}");
        if (context.Request.Query.Count == 0) return;
        var known = Known.GetOrAdd(route, _ => KeysOf(route));
        foreach (var (key, values) in context.Request.Query)
        {
            if (!known.TryGetValue(key, out var type))
                throw Bad($"there is no query key '{key}' here; this address takes {(known.Count == 0 ? "no query" : string.Join(", ", known.Keys))}");
            if (values.Count > 1) throw Bad($"{key} is given {values.Count} times, expected once");
            if (values.ToString().Contains('\0', StringComparison.Ordinal)) throw Bad($"{key} has a character with the code 0, which no text may have");
            if (type != typeof(string) && string.IsNullOrWhiteSpace(values)) throw Bad($"{key} is empty, expected a value");
        }
    }

    /// <summary>The parameters that the handler of a route takes from the query, by name, whatever its case.</summary>
    private static Dictionary<string, Type> KeysOf(RouteEndpoint route)
    {
        var inPath = route.RoutePattern.Parameters.Select(p => p.Name).ToHashSet(StringComparer.OrdinalIgnoreCase);
        return (route.Metadata.GetMetadata<MethodInfo>()?.GetParameters() ?? [])
            .Select(p => (Name: p.Name!, Type: Nullable.GetUnderlyingType(p.ParameterType) ?? p.ParameterType))
            .Where(p => (p.Type == typeof(string) || p.Type.IsPrimitive || p.Type == typeof(Guid)) && !inPath.Contains(p.Name))
            .ToDictionary(p => p.Name, p => p.Type, StringComparer.OrdinalIgnoreCase);
    }

    private static bool HasBody(HttpContext context) =>
        context.Request.ContentLength > 0
        || (context.Request.ContentLength is null && context.Features.Get<IHttpRequestBodyDetectionFeature>()?.CanHaveBody == true);

    private static ApiFault Bad(string detail) => new(StatusCodes.Status400BadRequest, detail);
}
