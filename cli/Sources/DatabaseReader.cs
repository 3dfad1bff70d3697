using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Hosting;

namespace Lathe.Cli.Sources;

/// <summary>Reads the database that the settings name, while any process may write it.</summary>
internal sealed class DatabaseReader(HostingSettings settings) : ISweepReader
{
    public async Task<IReadOnlyList<SweepSummary>> ListAsync(CancellationToken stop) => await (await QueriesAsync(stop)).ListAsync(stop: stop);

    public async Task<SweepStatus> StatusAsync(string reference, CancellationToken stop) => await (await QueriesAsync(stop)).StatusAsync(reference, stop: stop);

    public async Task<SweepResults> ResultsAsync(string reference, CancellationToken stop) => await (await QueriesAsync(stop)).ResultsAsync(reference, stop: stop);

    private async Task<SweepQueries> QueriesAsync(CancellationToken stop) =>
        new(await CoordinatorStore.ForReadingAsync(DatabaseAddress.Load(settings), stop), TimeProvider.System);
}
