namespace Lathe.Contracts;

/// <summary>
/// Workers of a stage that take their work from a queue of their own, for example those with large GPUs. A sweep names the pool that computes a stage
/// (<see cref="SweepSpec.Pool"/>); work that names none goes to the workers that are in none.
/// </summary>
public static class WorkerPool
{
    /// <summary>The most characters of a name.</summary>
    public const int LongestName = 32;

    /// <summary>What a name has to be, for messages.</summary>
    public const string Expected = "1 to 32 characters: lower-case letters, digits, and dashes between them, for example gpu-large";

    /// <summary>True for a name of a pool. It becomes part of a queue's name, and of names in Kubernetes.</summary>
    public static bool IsName(string? text) =>
        text is { Length: > 0 and <= LongestName } && text[0] != '-' && text[^1] != '-' && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-');
}
