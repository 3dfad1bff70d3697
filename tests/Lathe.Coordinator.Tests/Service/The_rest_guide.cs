using System.Diagnostics;
using System.Text;
using Lathe.Contracts;
using Lathe.Hosting;
using Lathe.Testing;

namespace Lathe.Coordinator.Tests;

/// <summary>The commands of docs/rest.md, one block after the other.</summary>
public sealed class The_rest_guide
{
    [Fact]
    public async Task Shows_commands_that_work()
    {
        await using var bench = await HttpBench.StartAsync(
            stages: bus => bus.AddStage<GuideTrain, GuideTrain.Parameters>().AddStage<GuidePrune, GuidePrune.Parameters>().AddStage<GuideEvaluate, GuideEvaluate.Parameters>());
        var folder = Directory.CreateDirectory(Path.Combine(bench.Home, "guide")).FullName;
        File.WriteAllBytes(Path.Combine(folder, "net.safetensors"), [.. BitConverter.GetBytes(2L), .. "{}"u8]);

        var ran = 0;
        foreach (var block in Blocks())
        {
            // Until then the sweep runs, so that there is something to control.
            if (block.Contains("/events", StringComparison.Ordinal)) GuideTrain.Release();
            if (block.Contains("-X DELETE", StringComparison.Ordinal)) await OverAsync(bench);
            var (code, output) = await RunAsync(block, folder, bench.Client.BaseAddress!.ToString().TrimEnd('/'));
            Assert.True(code == 0, $"{block}\nended with {code}:\n{output}");
            if (block.Contains("/sweeps/plan", StringComparison.Ordinal)) Assert.StartsWith("""{"problems":[],"notes":[],"executions":5,"yaml":"name: demo""", output);
            if (block.Contains("/retry", StringComparison.Ordinal)) Assert.Contains("\"top1\":0.75", File.ReadAllText(Path.Combine(folder, "results.json")) + await ResultsAsync(bench));
            if (block.Contains("epochs: many", StringComparison.Ordinal)) Assert.Contains("\"line\":4,\"column\":14", output);
            ran++;
        }

        Assert.Equal(10, ran);
        Assert.Empty(await bench.GetAsync<List<SweepSummary>>("/sweeps"));
    }

    /// <summary>Waits until what was retried is done: both ways have a result.</summary>
    private static async Task OverAsync(HttpBench bench)
    {
        var id = Assert.Single(await bench.GetAsync<List<SweepSummary>>("/sweeps")).Id;
        var status = await bench.EndedAsync(id);
        Assert.Equal(SweepState.Succeeded, status.State);
        Assert.Equal([0.25, 0.05], status.Executions.Where(e => e.Stage == "prune").Select(e => e.Parameters.GetProperty("multiplications").GetDouble()));
        Assert.Equal((5, true), (status.Priority, status.Pinned));
    }

    private static async Task<string> ResultsAsync(HttpBench bench)
    {
        await OverAsync(bench);
        return await bench.Client.GetStringAsync("/sweeps/demo/results");
    }

    private static async Task<(int Code, string Output)> RunAsync(string block, string folder, string coordinator)
    {
        // A command whose request is refused ends the block. A file takes what it prints, since what it leaves running would keep a pipe open.
        var printed = Path.Combine(folder, "printed");
        var script = $"exec > printed 2>&1\nset -euo pipefail\ncurl() {{ command curl --fail-with-body \"$@\"; }}\n{block}";
        using var bash = Process.Start(new ProcessStartInfo("bash", ["-c", script])
        {
            WorkingDirectory = folder, Environment = { ["LATHE"] = coordinator, ["LATHE_API_KEY"] = "lathe_0_0", ["http_proxy"] = "", ["no_proxy"] = "*" },
        })!;
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        try
        {
            await bash.WaitForExitAsync(patience.Token);
            return (bash.ExitCode, await File.ReadAllTextAsync(printed, patience.Token));
        }
        catch (OperationCanceledException)
        {
            bash.Kill(entireProcessTree: true);
            return (-1, "did not end");
        }
    }

    private static IEnumerable<string> Blocks()
    {
        StringBuilder? block = null;
        foreach (var line in File.ReadLines(Path.Combine(Checkout.Root, "docs", "rest.md")))
        {
            if (line == "```sh") block = new StringBuilder();
            if (line == "```" && block is not null)
            {
                yield return block.ToString();
                block = null;
            }

            if (line != "```sh") block?.AppendLine(line);
        }
    }
}
