using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Hosting;

namespace Lathe.Cli.Sources;

/// <summary>Reads the database that the settings name, whoever writes it.</summary>
internal sealed class DatabaseReader(SweepQueries queries) : ISweepReader
{
    public static DatabaseReader In(HostingSettings settings) => new(new SweepQueries(new CoordinatorStore(DatabaseAddress.Load(settings))));

    public Task<IReadOnlyList<SweepSummary>> ListAsync(CancellationToken stop) => queries.ListAsync(stop);

    public Task<SweepStatus> StatusAsync(string reference, CancellationToken stop) => queries.StatusAsync(reference, stop);

    public Task<IReadOnlyList<LeafResult>> ResultsAsync(string reference, CancellationToken stop) => queries.ResultsAsync(reference, stop);
}
