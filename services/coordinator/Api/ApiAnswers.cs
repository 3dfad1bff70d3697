using System.Text.Json.Serialization;
using Lathe.Contracts;

namespace Lathe.Coordinator;

/// <summary>Answer to a submission.</summary>
/// <param name="Id">The sweep.</param>
/// <param name="Notes">What could not be checked and why.</param>
public sealed record SubmissionAnswer(Guid Id, IReadOnlyList<string> Notes);

/// <summary>Answer to the question whether a sweep could be submitted.</summary>
/// <param name="Problems">Everything that is wrong; empty: nothing is.</param>
/// <param name="Notes">What could not be checked and why.</param>
/// <param name="Executions">Executions that the sweep has; 0 where it has problems.</param>
/// <param name="Spec">The sweep, where it was sent as text and its form is right.</param>
/// <param name="Yaml">The sweep as the text of a sweep file, where it was sent as JSON.</param>
public sealed record CheckAnswer(
    IReadOnlyList<SweepProblem> Problems,
    IReadOnlyList<string> Notes,
    int Executions,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] SweepSpec? Spec = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Yaml = null);

/// <summary>A sweep as it was submitted, to be submitted again with changes. Parameters that a retry changed are those with which it ran.</summary>
/// <param name="Spec">The sweep.</param>
/// <param name="Yaml">The same as the text of a sweep file.</param>
/// <param name="Fresh">True: it took no earlier results.</param>
/// <param name="Priority">Its priority now.</param>
/// <param name="Share">The share that it divides with others; null: one of its own.</param>
/// <param name="Weight">Size of the share.</param>
/// <param name="Limits">How much it may take; null: no limits.</param>
/// <param name="Notes">Which executions ran with other parameters than the sweep has here, where no single sweep says it: one sentence for each change. They stand in the text as comments, too.</param>
public sealed record SpecAnswer(SweepSpec Spec, string Yaml, bool Fresh, int Priority, string? Share, double Weight, SweepLimits? Limits, IReadOnlyList<string> Notes);

/// <summary>A model of the zoo.</summary>
/// <param name="Name">As a sweep names it.</param>
/// <param name="Summary">One line for a person.</param>
/// <param name="Dataset">Data set that it is usual on.</param>
/// <param name="Parameters">Its weights there, dense.</param>
/// <param name="Multiplications">Multiplications for one image there, dense.</param>
public sealed record ModelAnswer(string Name, string Summary, string Dataset, long Parameters, long Multiplications);

/// <summary>A data set with a name of its own.</summary>
/// <param name="Name">As a sweep names it.</param>
/// <param name="IsHere">False: this coordinator does not find it, and workers may.</param>
public sealed record DatasetAnswer(string Name, bool IsHere);

/// <summary>Answer to an order.</summary>
/// <param name="Executions">Number of executions that it changed; what is skipped because of them, or follows by itself, is not counted.</param>
/// <param name="Notes">What else is needed before they run, with the command for it; empty: nothing.</param>
public sealed record OrderAnswer(int Executions, IReadOnlyList<string> Notes);

/// <summary>Body of a priority's change.</summary>
/// <param name="Priority">1 to 5; executions of a higher one are sent first.</param>
public sealed record PriorityOrder(int? Priority);

/// <summary>Body of a retry; it may be left out.</summary>
/// <param name="Set">Parameters to change, by stage: <c>{"prune": {"multiplications": 0.4}}</c>. Null: none.</param>
public sealed record RetryOrder(IReadOnlyDictionary<string, System.Text.Json.JsonElement>? Set = null);

/// <summary>Figures of one epoch.</summary>
/// <param name="Epoch">From 0 or 1, as its stage counts.</param>
/// <param name="Loss">Mean loss.</param>
/// <param name="Accuracy">Share of the images that were classified right, 0 to 1.</param>
/// <param name="At">When the coordinator heard of it.</param>
public sealed record EpochPoint(int Epoch, double Loss, double Accuracy, DateTimeOffset At);

/// <summary>An answer that is no success, as RFC 9457 describes it; <c>application/problem+json</c>.</summary>
/// <param name="Title">The status in words.</param>
/// <param name="Status">The HTTP status.</param>
/// <param name="Detail">For a person: what was wrong, what was expected, what to do.</param>
/// <param name="Problems">What is wrong with the body, by place; left out where it is not the body.</param>
/// <param name="Notes">What could not be checked and why.</param>
public sealed record ApiProblem(
    string Title,
    int Status,
    string? Detail = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<SweepProblem>? Problems = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? Notes = null);
