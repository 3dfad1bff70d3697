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
        await using var invents = await BrokenWorker.StartAsync(broker.Address, "invents", async (worker, command) =>
        {
            await worker.StartedAsync(command);
            await worker.CompletedAsync(command, Digest, 3, new() { ["largets"] = 1 });
        });
        await using var overflows = await BrokenWorker.StartAsync(broker.Address, "overflows", async (worker, command) =>
        {
            await worker.StartedAsync(command);
            await worker.CompletedAsync(command, Digest, 3, new() { ["largest"] = 0.125 }, text => text.Replace("0.125", "1e999", StringComparison.Ordinal));
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
        await using var scribbles = await BrokenWorker.StartAsync(broker.Address, "scribbles", (_, command) =>
        {
            BrokenWorker.Scribble(bench.Home, command.Key);
            return Task.CompletedTask;
        });
        await Eventually.True(() => bench.Service<StageCatalog>().Manifests.Count == 12, "every stage is announced");

        (string Stage, string Words)[] broken =
        [
            ("swallows", "its workers took it 3 times from their queue and were not heard of again"),
            ("scribbles", "its workers took it 3 times from their queue and were not heard of again"),
            ("hangs", "its workers took it 3 times from their queue and were not heard of again"),
            ("lies", $"its worker reported checkpoint {Digest} of 3 bytes as the result, and it is not in the store"),
            ("invents", "stage invents measured 'largets', which its manifest does not declare (did you mean 'largest'?): add it to the metrics of the manifest"),
            ("overflows", "stage overflows measured 'largest' as infinity; expected a finite number"),
            ("raves", "its workers took it 3 times from their queue and were not heard of again"),
            ("floods", $"its worker sent more than {WorkerTruth.MostProgress} reports of progress within 10 s"),
        ];
        var sweeps = new List<Guid>();
        foreach (var (stage, _) in broken) sweeps.Add(await bench.SubmitAsync(Alone(stage)));
        var behind = await bench.SubmitAsync(Alone("forges", """, {"stage": "measure", "parameters": {}}"""));
        var healthy = await bench.SubmitAsync(HttpBench.Quick("[1, 2, 3, 4, 5, 6, 7, 8]", "healthy"));

        // The flood of twenty thousand reports is read before what comes behind it, also on a machine with little time.
        Assert.Equal(SweepState.Succeeded, (await bench.ReachedAsync(healthy, s => s.State is not (SweepState.Running or SweepState.Preparing), "the healthy sweep is over", seconds: 120)).State);
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

    [Fact]
    public async Task Two_stages_of_one_name_and_version_are_told_to_whoever_submits_a_sweep()
    {
        await using var bench = await HttpBench.StartAsync(broker: broker.Address);
        await using var one = await BrokenWorker.StartAsync(broker.Address, "twin", (_, _) => Task.CompletedTask, "host:1:twin");
        await Eventually.True(() => bench.Service<StageCatalog>().Manifests.ContainsKey("twin"), "the first is announced");
        await using (var other = await BrokenWorker.StartAsync(broker.Address, "twin", (_, _) => Task.CompletedTask, "host:2:twin", [new("other", "other")]))
        {
            await Eventually.True(() => bench.Service<StageCatalog>().Manifests["twin"].Metrics![0].Name == "other", "the second is announced");
            var notes = (await bench.Service<Orchestrator>().CheckAsync(Spec())).Notes;
            Assert.Contains(notes, n => n.StartsWith("workers of twin version 1 announce different stages (host:1:twin and host:2:twin): each takes work and results of the other for its own.", StringComparison.Ordinal));
        }

        // One that was changed and started again is none.
        Assert.DoesNotContain((await bench.Service<Orchestrator>().CheckAsync(Spec())).Notes, n => n.Contains("announce different stages", StringComparison.Ordinal));

        static SweepSpec Spec() => new("twins", ["tiny"], ["mnist"], [0], [new StageSpec("twin", System.Text.Json.JsonElement.Parse("{}"))]);
    }

    private static string Alone(string stage, string more = "") => $$$"""
        {"spec": {"name": "{{{stage}}}", "models": ["tiny"], "datasets": ["mnist"], "seeds": [0], "stages": [{"stage": "{{{stage}}}", "parameters": {}}{{{more}}}]}}
        """;
}
