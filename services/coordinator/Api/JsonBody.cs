using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using System.Text.RegularExpressions;
using Lathe.Contracts;

namespace Lathe.Coordinator;

/// <summary>Reads the JSON of a request, and says what is wrong with it and where.</summary>
internal static partial class JsonBody
{
    public const string ExpectedType = "expected a body of type application/json (curl: -H 'Content-Type: application/json')";

    private const string Json = "application/json";

    // A misspelt key must not be taken for one that was left out.
    private static readonly JsonSerializerOptions Strict = new(LatheJson.Options) { UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow };

    /// <summary>The body as a record.</summary>
    /// <param name="request">Its type must be JSON.</param>
    /// <param name="below">Pointer that messages leave out: problems with a sweep are told by their place in the sweep.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="ApiFault">415: another type; 400: no JSON; 422: not what was expected.</exception>
    public static async Task<T> ReadAsync<T>(HttpRequest request, string below = "", CancellationToken stop = default)
    {
        if (!IsJson(request)) throw new ApiFault(StatusCodes.Status415UnsupportedMediaType, ExpectedType);
        using var document = await ParseAsync(request, stop);
        var unusable = new List<SweepProblem>();
        CheckValues(document.RootElement, "", unusable);
        if (unusable.Count > 0) throw ApiFault.Unacceptable([.. unusable.Select(p => p with { Path = Below(p.Path, below) })]);
        try
        {
            return document.RootElement.Deserialize<T>(Strict) ?? throw ApiFault.Unacceptable("", "is null, expected an object");
        }
        catch (JsonException e)
        {
            var steps = PathSteps().Matches(e.Path ?? "").Select(m => m.Groups["name"].Value).ToList();
            var unknown = Unknown().Match(e.Message);
            throw ApiFault.Unacceptable(
                Below(JsonPointer.Of(steps), below), unknown.Success ? $"there is no key '{unknown.Groups["name"].Value}'" : $"expected {Words(TypeAt(typeof(T), steps))}");
        }
    }

    /// <summary>True if the request has a body.</summary>
    public static bool IsThere(HttpRequest request) => request.ContentLength is > 0 || (request.ContentLength is null && request.Headers.TransferEncoding.Count > 0);

    /// <summary>True for <c>application/json</c>, with or without a character set.</summary>
    public static bool IsJson(HttpRequest request) =>
        request.ContentType?.Split(';', 2)[0].Trim().Equals(Json, StringComparison.OrdinalIgnoreCase) == true;

    private static async Task<JsonDocument> ParseAsync(HttpRequest request, CancellationToken stop)
    {
        try
        {
            return await JsonDocument.ParseAsync(request.Body, cancellationToken: stop);
        }
        catch (JsonException e)
        {
            throw new ApiFault(
                StatusCodes.Status400BadRequest,
                $"the body is no JSON, line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1}: {e.Message.Split(" LineNumber:", 2)[0]}");
        }
    }

    /// <summary>Finds what no database and no other program can take: texts with a NUL or half of a character, and numbers beyond a double.</summary>
    private static void CheckValues(JsonElement element, string path, List<SweepProblem> problems)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (var member in element.EnumerateObject())
                {
                    if (Fault(() => member.Name) is { } fault) problems.Add(new SweepProblem(path, $"the name of a key {fault}"));
                    else CheckValues(member.Value, path + JsonPointer.Of(member.Name), problems);
                }

                break;
            case JsonValueKind.Array:
                var i = 0;
                foreach (var item in element.EnumerateArray()) CheckValues(item, $"{path}/{i++}", problems);
                break;
            case JsonValueKind.String when Fault(() => element.GetString()!) is { } fault:
                problems.Add(new SweepProblem(path, fault));
                break;
            case JsonValueKind.Number when !double.IsFinite(element.GetDouble()):
                problems.Add(new SweepProblem(path, "is too large for a number"));
                break;
        }
    }

    private static string? Fault(Func<string> text)
    {
        try
        {
            return text().Contains('\0', StringComparison.Ordinal) ? "has the character NUL, which no text may have" : null;
        }
        catch (InvalidOperationException)
        {
            return "has half of a surrogate pair, which is no text";
        }
    }

    private static string Below(string pointer, string below) => pointer.StartsWith(below, StringComparison.Ordinal) ? pointer[below.Length..] : pointer;

    /// <summary>The type that a place of a record takes; null: any.</summary>
    private static Type? TypeAt(Type type, IEnumerable<string> steps)
    {
        foreach (var step in steps)
        {
            var known = Strict.GetTypeInfo(Nullable.GetUnderlyingType(type) ?? type);
            var next = known.Kind == JsonTypeInfoKind.Object ? known.Properties.FirstOrDefault(p => p.Name.Equals(step, StringComparison.OrdinalIgnoreCase))?.PropertyType : known.ElementType;
            if (next is null) return null;
            type = next;
        }

        return Nullable.GetUnderlyingType(type) ?? type;
    }

    private static string Words(Type? type) => type switch
    {
        null => "another value",
        _ when type == typeof(string) => "text",
        _ when type == typeof(int) || type == typeof(long) => "a whole number",
        _ when type == typeof(double) => "a number",
        _ when type == typeof(bool) => "true or false",
        _ when type == typeof(DeviceKind) => "cpu or cuda",
        _ when Strict.GetTypeInfo(type).Kind == JsonTypeInfoKind.Enumerable => "a list",
        _ => "an object",
    };

    [GeneratedRegex(@"\.(?<name>[^.\[]+)|\[(?<name>\d+)\]|\['(?<name>[^']*)'\]")]
    private static partial Regex PathSteps();

    [GeneratedRegex("^The JSON property '(?<name>.*)' could not be mapped")]
    private static partial Regex Unknown();
}
