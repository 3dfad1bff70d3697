using System.Diagnostics;
using System.Globalization;
using Lathe.Contracts;
using Lathe.Testing;
using Microsoft.Playwright;

namespace Lathe.Web.Tests;

/// <summary>Measures what docs/results/web.md says. Takes minutes and asserts little, so it runs only when it is asked for.</summary>
public sealed class Ten_thousand_executions(Browser browser, ITestOutputHelper output) : IClassFixture<Browser>
{
    private const int Watched = 1000;

    [Fact(Explicit = true)]
    public async Task Are_shown_at_once_and_memory_stays_flat_while_a_thousand_finish()
    {
        await using var bench = await WebBench.StartAsync();
        var shares = string.Join(", ", Enumerable.Range(0, 25).Select(i => (0.1 + (0.03 * i)).ToString("0.00", CultureInfo.InvariantCulture)));
        var submission = WebBench.Sweep("ten-thousand", shares: $"[{shares}]", bits: $"[{string.Join(", ", Enumerable.Range(1, 20))}]", epochs: 1)
            .Replace("\"seeds\": [1]", "\"seeds\": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]", StringComparison.Ordinal);
        var id = await bench.SubmitAsync(submission);
        var all = (await bench.StatusAsync(id)).Size;
        Say($"{all} executions");
        await FinishedAsync(3000);

        foreach (var (what, place, shown) in ((string, string, string)[])[("list of sweeps", "/", ".sweep"), ("sweep, flow", $"/sweeps/{id}", ".box"), ("executions", $"/sweeps/{id}/executions", "tbody tr"), ("results", $"/sweeps/{id}/results", "tbody tr")])
        {
            await using var fresh = await browser.OpenAsync(bench.Address);
            var began = Stopwatch.StartNew();
            await fresh.Page.GotoAsync($"/ui/#{place}", new() { WaitUntil = WaitUntilState.Commit });
            await fresh.Page.Locator(shown).First.WaitForAsync();
            Say($"{what}: {began.Elapsed.TotalSeconds:0.00} s until its first rows are there, with an empty cache");
        }

        foreach (var (what, place, shown) in ((string, string, string)[])[("flow", $"/sweeps/{id}", ".box"), ("executions", $"/sweeps/{id}/executions", "tbody tr"), ("results", $"/sweeps/{id}/results", "tbody tr")])
        {
            await using var tab = await browser.OpenAsync(bench.Address);
            await tab.GoAsync(place);
            await tab.Page.Locator(shown).First.WaitForAsync();
            var cdp = await tab.Page.Context.NewCDPSessionAsync(tab.Page);
            // What is compiled and cached once is there before the first measurement.
            var start = await FinishedAsync(await FinishedAsync(0) + 200);
            var (heap, nodes, server) = await MemoryAsync(cdp);
            var end = await FinishedAsync(start + Watched);
            var (heapAfter, nodesAfter, serverAfter) = await MemoryAsync(cdp);
            Say($"{what}, while {end - start} executions finish: browser's heap {heap:0.0} to {heapAfter:0.0} MiB, {nodes} to {nodesAfter} nodes of the document; coordinator's heap {server:0.0} to {serverAfter:0.0} MiB");
            Assert.InRange(nodesAfter, 1, 20_000);
        }

        async Task<int> FinishedAsync(int least)
        {
            var finished = 0;
            await Eventually.TrueAsync(
                async () =>
                {
                    finished = (await bench.StatusAsync(id)).Steps!.Sum(s => s.In(ExecutionState.Completed) + s.In(ExecutionState.Cached));
                    return finished >= Math.Min(least, all);
                },
                $"{least} executions are finished", 900);
            return finished;
        }
    }

    private void Say(FormattableString line) => output.WriteLine(line.ToString(CultureInfo.InvariantCulture));

    /// <summary>MiB of the page's heap, nodes of its document, MiB of this process's managed heap, each after a collection.</summary>
    private static async Task<(double Heap, int Nodes, double Server)> MemoryAsync(ICDPSession cdp)
    {
        await cdp.SendAsync("HeapProfiler.collectGarbage");
        var heap = (await cdp.SendAsync("Runtime.getHeapUsage"))!.Value.GetProperty("usedSize").GetDouble();
        var nodes = (await cdp.SendAsync("Memory.getDOMCounters"))!.Value.GetProperty("nodes").GetInt32();
        return (heap / 1048576, nodes, GC.GetTotalMemory(forceFullCollection: true) / 1048576.0);
    }
}
