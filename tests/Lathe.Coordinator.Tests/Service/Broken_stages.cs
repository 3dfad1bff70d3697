using Lathe.Contracts;
using Lathe.Testing;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator.Tests;

/// <summary>Stages that hang, lie, flood and write garbage, on a real broker beside a healthy sweep.</summary>
public sealed class Broken_stages(RabbitMqBroker broker) : IClassFixture<RabbitMqBroker>
{
    private const int Flood = 20_000;

    private static readonly string Digest = string.Concat(Enumerable.Repeat("ab", 32));

    [Fact]
    public async Task Fail_in_words_and_hurt_nobody_else()
    {
        await using var bench = await HttpBench.StartAsync(broker: broker.Address, options: options => options with
        {
            ReconcileInterval = TimeSpan.FromSeconds(0.5), QueuedSilence = TimeSpan.FromSeconds(1), RunningSilence = TimeSpan.FromSeconds(5), LongestSilence = TimeSpan.FromSeconds(5), SilentSends = 3,
        });
        await using var swallows = await BrokenWorker.StartAsync(broker.Address, "swallows", (_, _) => Task.CompletedTask);
        await using var hangs = await BrokenWorker.StartAsync(broker.Address, "hangs", async (worker, command) =>
        {
            await worker.StartedAsync(command);
            await worker.ProgressAsync(command, 0.5);
        });
        await using var lies = await BrokenWorker.StartAsync(broker.Address, "lies", async (worker, command) =>
        {
            await worker.StartedAsync(command);
            await worker.CompletedAsync(command, Digest, 3);
        });
        var forged = new string('c', 64);
        await using var forges = await BrokenWorker.StartAsync(broker.Address, "forges", async (worker, command) =>
        {
            await worker.StartedAsync(command);
            await worker.CompletedAsync(command, forged, BrokenWorker.Forge(bench.Home, forged));
        });
        await using var raves = await BrokenWorker.StartAsync(broker.Address, "raves", async (worker, _) =>
        {
            for (var i = 0; i < 100; i++) await worker.SendAsync("garbage"u8.ToArray());
        });
        await using var floods = await BrokenWorker.StartAsync(broker.Address, "floods", async (worker, command) =>
        {
            await worker.StartedAsync(command);
            for (var i = 0; i < Flood; i++) await worker.ProgressAsync(command, (double)i / Flood);
        });
        await Eventually.True(() => bench.Service<StageCatalog>().Manifests.Count == 9, "every stage is announced");

        (string Stage, string Words)[] broken =
        [
            ("swallows", "its workers took it 3 times from their queue and were not heard of again"),
            ("hangs", "its workers took it 3 times from their queue and were not heard of again"),
            ("lies", $"its worker reported checkpoint {Digest} of 3 bytes as the result, and it is not in the store"),
            ("raves", "its workers took it 3 times from their queue and were not heard of again"),
            ("floods", $"its worker sent more than {WorkerTruth.MostProgress} reports of progress within 10 s"),
        ];
        var sweeps = new List<Guid>();
        foreach (var (stage, _) in broken) sweeps.Add(await bench.SubmitAsync(Alone(stage)));
        var behind = await bench.SubmitAsync(Alone("forges", """, {"stage": "measure", "parameters": {}}"""));
        var healthy = await bench.SubmitAsync(HttpBench.Quick("[1, 2, 3, 4, 5, 6, 7, 8]", "healthy"));

        Assert.Equal(SweepState.Succeeded, (await bench.EndedAsync(healthy)).State);
        await using (var database = bench.Service<CoordinatorStore>().Open())
            Assert.All(await database.Executions.AsNoTracking().Where(e => e.SweepId == healthy).ToListAsync(), e => Assert.Equal((1, 0, null), (e.Attempt, e.Failures, e.Error)));
        foreach (var (sweep, (stage, words)) in sweeps.Zip(broken))
        {
            var status = await bench.ReachedAsync(sweep, s => s.State is not (SweepState.Running or SweepState.Preparing), $"the sweep of {stage} is over", seconds: 60);
            Assert.Equal(SweepState.Failed, status.State);
            Assert.StartsWith(words, Assert.Single(status.Executions).Error, StringComparison.Ordinal);
        }

        var after = await bench.ReachedAsync(behind, s => s.State is not (SweepState.Running or SweepState.Preparing), "the sweep behind a forged checkpoint is over", seconds: 60);
        Assert.Equal((SweepState.Failed, ExecutionState.Failed), (after.State, after.Executions[1].State));
        Assert.Contains($"{forged}.safetensors is damaged: expected SHA-256 {forged}", after.Executions[1].Error);

        // Nothing of theirs is left to be in the way of the next one.
        Assert.Equal(SweepState.Succeeded, (await bench.EndedAsync(await bench.SubmitAsync(HttpBench.Quick("[9]", "later")))).State);
    }

    private static string Alone(string stage, string more = "") => $$$"""
        {"spec": {"name": "{{{stage}}}", "models": ["tiny"], "datasets": ["mnist"], "seeds": [0], "stages": [{"stage": "{{{stage}}}", "parameters": {}}{{{more}}}]}}
        """;
}
