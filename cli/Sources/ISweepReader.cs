using Lathe.Contracts;

namespace Lathe.Cli.Sources;

/// <summary>Source of sweeps for a command: a running coordinator, or the database of one.</summary>
internal interface ISweepReader
{
    /// <summary>All sweeps, latest first.</summary>
    Task<IReadOnlyList<SweepSummary>> ListAsync(CancellationToken stop);

    /// <param name="reference">Id, unique prefix of one, or name: then the latest of that name.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="LatheException">No sweep or several sweeps match.</exception>
    Task<SweepStatus> StatusAsync(string reference, CancellationToken stop);

    /// <inheritdoc cref="StatusAsync"/>
    Task<SweepResults> ResultsAsync(string reference, CancellationToken stop);
}
