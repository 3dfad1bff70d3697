using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Hosting;

namespace Lathe.Cli.Sources;

/// <summary>Reads a database, while any process may write it.</summary>
/// <param name="queries">Opens it.</param>
internal sealed class DatabaseReader(Func<CancellationToken, Task<SweepQueries>> queries) : ISweepReader
{
    private Task<SweepQueries>? _queries;

    /// <summary>Reads the database that the settings name.</summary>
    public DatabaseReader(HostingSettings settings)
        : this(async stop => new SweepQueries(await CoordinatorStore.ForReadingAsync(DatabaseAddress.Load(settings), stop), TimeProvider.System))
    {
    }

    /// <summary>Reads with the queries of a coordinator in this process.</summary>
    public DatabaseReader(SweepQueries queries)
        : this(_ => Task.FromResult(queries))
    {
    }

    public async Task<IReadOnlyList<SweepSummary>> ListAsync(int? limit, CancellationToken stop) => await (await OpenAsync(stop)).ListAsync(limit, stop: stop);

    public async Task<SweepStatus> StatusAsync(string reference, CancellationToken stop) => await (await OpenAsync(stop)).StatusAsync(reference, stop: stop);

    public async Task<ExecutionPage> PageAsync(string reference, PageRequest page, CancellationToken stop) =>
        await (await OpenAsync(stop)).PageAsync(reference, page.After, page.Limit, page.State, page.Stage, stop);

    public async Task<SweepResults> ResultsAsync(string reference, CancellationToken stop) => await (await OpenAsync(stop)).ResultsAsync(reference, stop: stop);

    public async Task<BestResults> BestAsync(string reference, int limit, CancellationToken stop) => await (await OpenAsync(stop)).BestAsync(reference, limit, stop);

    private Task<SweepQueries> OpenAsync(CancellationToken stop) => _queries ??= queries(stop);
}
