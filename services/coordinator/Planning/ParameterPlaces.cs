using Lathe.Contracts;

namespace Lathe.Coordinator;

/// <summary>Where the author of a sweep wrote the parameters of one execution.</summary>
/// <param name="Stage">JSON pointer of the stage, <c>/stages/1/prune</c>.</param>
/// <param name="ByName">JSON pointers of the parameters that were written: <c>/stages/1/prune/multiplications/2</c> for an element of an axis.</param>
public sealed record ParameterPlaces(string Stage, IReadOnlyDictionary<string, string> ByName)
{
    /// <summary>The place in the sweep of a place in the parameters.</summary>
    /// <param name="pointer">JSON pointer into the parameters.</param>
    public string Of(string pointer) => JsonPointer.Steps(pointer) switch
    {
        [] => Stage,
        [var name, .. var below] => (ByName.TryGetValue(name, out var written) ? written : Stage + JsonPointer.Of(name)) + JsonPointer.Of(below),
    };
}
