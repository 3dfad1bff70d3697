using Lathe.Contracts;

namespace Lathe.Coordinator;

/// <summary>A request that cannot be answered as it was meant; it becomes an answer of type <c>application/problem+json</c>.</summary>
/// <param name="status">HTTP status, 400 or above.</param>
/// <param name="detail">For a person: what was wrong, what was expected, what to do.</param>
/// <param name="problems">What is wrong, by place in the body; null: the whole request.</param>
/// <param name="notes">What could not be checked and why; null: nothing.</param>
internal sealed class ApiFault(int status, string detail, IReadOnlyList<SweepProblem>? problems = null, IReadOnlyList<string>? notes = null) : Exception(detail)
{
    public int Status { get; } = status;

    public IReadOnlyList<SweepProblem>? Problems { get; } = problems;

    public IReadOnlyList<string>? Notes { get; } = notes;

    /// <summary>Seconds after which the client may try again; null: it need not.</summary>
    public int? RetryAfter { get; init; }

    public static ApiFault NotFound(string detail) => new(StatusCodes.Status404NotFound, detail);

    public static ApiFault Conflict(string detail) => new(StatusCodes.Status409Conflict, detail);

    public static ApiFault Unacceptable(string path, string message) =>
        new(StatusCodes.Status422UnprocessableEntity, $"{(path.Length == 0 ? "the body" : path)}: {message}", [new SweepProblem(path, message)]);

    public static ApiFault Unacceptable(IReadOnlyList<SweepProblem> problems, IReadOnlyList<string>? notes = null) => new(
        StatusCodes.Status422UnprocessableEntity,
        problems.Count == 1 ? $"{(problems[0].Path.Length == 0 ? "the sweep" : problems[0].Path)}: {problems[0].Message}" : $"{problems.Count} problems",
        problems, notes);
}
