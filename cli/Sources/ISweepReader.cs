using Lathe.Contracts;

namespace Lathe.Cli.Sources;

/// <summary>Which executions of a sweep a page has.</summary>
/// <param name="After">Index after which it begins; null: from the first.</param>
/// <param name="Limit">The most of them.</param>
/// <param name="State">Only those in this state; null: all.</param>
/// <param name="Stage">Only those of this stage; null: all.</param>
internal sealed record PageRequest(int? After, int Limit, ExecutionState? State = null, string? Stage = null);

/// <summary>Source of sweeps for a command: a running coordinator, or the database of one.</summary>
internal interface ISweepReader
{
    /// <summary>Sweeps, latest first.</summary>
    /// <param name="limit">The most of them; null: all.</param>
    /// <param name="stop">Gives up.</param>
    Task<IReadOnlyList<SweepSummary>> ListAsync(int? limit, CancellationToken stop);

    /// <summary>A sweep with its counts and, if it has many executions, some of them.</summary>
    /// <param name="reference">Id, unique prefix of one, or name: then the latest of that name.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="LatheException">No sweep or several sweeps match.</exception>
    Task<SweepStatus> StatusAsync(string reference, CancellationToken stop);

    /// <summary>Executions of a sweep in the order of its tree.</summary>
    /// <inheritdoc cref="StatusAsync"/>
    Task<ExecutionPage> PageAsync(string reference, PageRequest page, CancellationToken stop);

    /// <summary>All results of a sweep.</summary>
    /// <inheritdoc cref="StatusAsync"/>
    Task<SweepResults> ResultsAsync(string reference, CancellationToken stop);

    /// <summary>The results that no other beats.</summary>
    /// <param name="reference">As in <see cref="StatusAsync"/>.</param>
    /// <param name="limit">The most of them.</param>
    /// <param name="stop">Gives up.</param>
    Task<BestResults> BestAsync(string reference, int limit, CancellationToken stop);
}
