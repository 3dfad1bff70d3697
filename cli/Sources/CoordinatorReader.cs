using Lathe.Contracts;

namespace Lathe.Cli.Sources;

/// <summary>Reads sweeps over HTTP, a page at a time, and gives orders about them.</summary>
internal sealed partial class CoordinatorClient : ISweepReader, ISweepControl
{
    private const int MostAtATime = 1000;

    public async Task<IReadOnlyList<SweepSummary>> ListAsync(int? limit, CancellationToken stop)
    {
        var sweeps = new List<SweepSummary>();
        while (sweeps.Count < (limit ?? int.MaxValue))
        {
            var most = Math.Min((limit ?? int.MaxValue) - sweeps.Count, MostAtATime);
            var page = await ListAsync(most, sweeps.Count == 0 ? null : sweeps[^1].Id, stop);
            sweeps.AddRange(page);
            if (page.Count < most) break;
        }

        return sweeps;
    }

    public Task<ExecutionPage> PageAsync(string reference, PageRequest page, CancellationToken stop) =>
        ExecutionsAsync(reference, page.After, Math.Min(page.Limit, MostAtATime), page.State, page.Stage, stop);

    public async Task<SweepResults> ResultsAsync(string reference, CancellationToken stop)
    {
        var leaves = new List<LeafResult>();
        int? after = null;
        while (true)
        {
            var page = await ResultsAsync(reference, after, MostAtATime, details: false, stop);
            leaves.AddRange(page.Leaves);
            if (page.Next is not { } next) return page with { Leaves = leaves };
            after = next;
        }
    }

    public Task<BestResults> BestAsync(string reference, int limit, CancellationToken stop) => GetAsync<BestResults>($"{Sweep(reference)}/best{Query(("limit", limit))}", stop);
}
