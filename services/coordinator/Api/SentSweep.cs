using Lathe.Contracts;

namespace Lathe.Coordinator;

/// <summary>A sweep as a client sent it: as JSON, or as the text of a sweep file.</summary>
/// <param name="Submission">The sweep with what it may take.</param>
/// <param name="Document">The text with its places; null: it came as JSON.</param>
/// <param name="Problems">What is wrong with the text's form; not empty: the sweep could not be read whole.</param>
internal sealed record SentSweep(SweepSubmission Submission, SweepDocument? Document, IReadOnlyList<SweepProblem> Problems)
{
    private const string Spec = "/spec";
    private const string Yaml = "/yaml";

    // A sweep without a name has that of its file; a text that was sent has no file.
    private const string Unnamed = "sweep.yaml";

    /// <summary>Reads the body of a request.</summary>
    /// <exception cref="ApiFault">It is no submission.</exception>
    public static async Task<SentSweep> ReadAsync(HttpRequest request, StageCatalog stages, CancellationToken stop)
    {
        // Problems are told by their place in the sweep.
        var submission = await JsonBody.ReadAsync<SweepSubmission>(request, Spec, stop);
        if (submission.Yaml is not { } yaml) return submission.Spec is null ? throw ApiFault.Unacceptable("", "no sweep in the submission") : new SentSweep(submission, null, []);
        if (submission.Spec is not null) throw ApiFault.Unacceptable(Yaml, "stands beside 'spec'; expected one of them");
        return Of(yaml, submission, stages);
    }

    /// <summary>Reads the text of a sweep file.</summary>
    /// <param name="yaml">The text.</param>
    /// <param name="beside">What stands beside it; it goes before what the text says of the same.</param>
    /// <param name="stages">Stages that are known.</param>
    public static SentSweep Of(string yaml, SweepSubmission beside, StageCatalog stages)
    {
        var (document, problems) = SweepText.Read(Unnamed, yaml, [], stages.Manifests);
        var terms = document.Terms;
        var submission = beside with
        {
            Spec = document.Spec, Priority = beside.Priority ?? terms.Priority, Share = beside.Share ?? terms.Share,
            Weight = beside.Weight ?? terms.Weight, Limits = beside.Limits ?? terms.Limits,
        };
        return new SentSweep(submission, document, problems);
    }

    /// <summary>The same problems with their places in the text.</summary>
    public IReadOnlyList<SweepProblem> Placed(IEnumerable<SweepProblem> problems) =>
        [.. problems.Select(p => Document?.Sources.PlaceOf(p.Path) is { } place ? p with { Line = (int)place.Line, Column = (int)place.Column } : p)];
}
