using System.Globalization;
using Lathe.Contracts;

namespace Lathe.Cli.Sources;

/// <summary>Reads sweeps over HTTP.</summary>
internal sealed partial class CoordinatorClient : ISweepReader
{
    private const int MostAtATime = 1000;

    public async Task<IReadOnlyList<SweepSummary>> ListAsync(int? limit, CancellationToken stop)
    {
        var sweeps = new List<SweepSummary>();
        while (sweeps.Count < (limit ?? int.MaxValue))
        {
            var page = Math.Min((limit ?? int.MaxValue) - sweeps.Count, MostAtATime);
            var before = sweeps.Count == 0 ? "" : $"&before={sweeps[^1].Id}";
            var some = await GetAsync<IReadOnlyList<SweepSummary>>($"sweeps?limit={Text(page)}{before}", stop);
            sweeps.AddRange(some);
            if (some.Count < page) break;
        }

        return sweeps;
    }

    public Task<SweepStatus> StatusAsync(string reference, CancellationToken stop) => GetAsync<SweepStatus>(Path(reference), stop);

    public Task<ExecutionPage> PageAsync(string reference, PageRequest page, CancellationToken stop)
    {
        var state = page.State is { } one ? $"&state={one}" : "";
        var stage = page.Stage is { } name ? $"&stage={Uri.EscapeDataString(name)}" : "";
        return GetAsync<ExecutionPage>($"{Path(reference)}/executions?limit={Text(Math.Min(page.Limit, MostAtATime))}{After(page.After)}{state}{stage}", stop);
    }

    public async Task<SweepResults> ResultsAsync(string reference, CancellationToken stop)
    {
        var leaves = new List<LeafResult>();
        int? after = null;
        while (true)
        {
            var page = await GetAsync<SweepResults>($"{Path(reference)}/results?limit={Text(MostAtATime)}{After(after)}", stop);
            leaves.AddRange(page.Leaves);
            if (page.Next is not { } next) return page with { Leaves = leaves };
            after = next;
        }
    }

    public Task<BestResults> BestAsync(string reference, int limit, CancellationToken stop) => GetAsync<BestResults>($"{Path(reference)}/best?limit={Text(limit)}", stop);

    private static string Path(string reference) => $"sweeps/{Uri.EscapeDataString(reference)}";

    private static string After(int? index) => index is { } after ? $"&after={Text(after)}" : "";

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
