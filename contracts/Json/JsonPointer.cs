namespace Lathe.Contracts;

/// <summary>JSON pointers (RFC 6901): the one way in which Lathe names a place in a sweep or in a stage's parameters.</summary>
public static class JsonPointer
{
    /// <summary>The pointer to a place: <c>("bits", "a/b")</c> is <c>/bits/a~1b</c>.</summary>
    /// <param name="steps">Names of members and indices of elements, outermost first.</param>
    public static string Of(params IEnumerable<string> steps) => string.Concat(steps.Select(step => $"/{Escaped(step)}"));

    /// <summary>The steps of a pointer, outermost first; none for the whole document.</summary>
    public static string[] Steps(string pointer) =>
        pointer.Length == 0 ? [] : [.. pointer.Split('/').Skip(1).Select(step => step.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal))];

    private static string Escaped(string step) =>
        step.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);
}
