using Lathe.Contracts;
using Lathe.Contracts.Messages;
using static Lathe.Coordinator.Tests.Stages;

namespace Lathe.Coordinator.Tests;

/// <summary>A sweep chooses which pool of workers computes a stage; each pool has a queue of its own.</summary>
public sealed class Pools_of_workers
{
    private static readonly Dictionary<string, string> Large = new() { ["train"] = "gpu-large", ["prune"] = "gpu-small" };

    [Theory, CombinatorialDatabases]
    public async Task A_stage_goes_to_the_pool_that_its_sweep_names_for_it(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        var id = await bench.SubmitAsync(Sweep(("train", "{}"), ("prune", "{}"), ("evaluate", "{}")) with { Pool = Large });
        var done = await bench.FinishAllAsync();
        Assert.Equal(["train:gpu-large", "prune:gpu-small", "evaluate:"], done.Select(c => $"{c.Stage}:{bench.Bus.Pools[c.ExecutionId]}"));
        Assert.Equal(["gpu-large", "gpu-small", null], (await bench.StatusAsync(id)).Steps!.Select(s => s.Pool));
        // The pool has no part in what is computed: a sweep without one finds the results.
        var again = await bench.SubmitAsync(Sweep(("train", "{}"), ("prune", "{}"), ("evaluate", "{}")));
        Assert.Empty(await bench.FinishAllAsync());
        Assert.Equal(SweepState.Succeeded, (await bench.StatusAsync(again)).State);
    }

    [Theory, CombinatorialDatabases]
    public async Task A_queue_that_is_full_does_not_hold_up_another_pool(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        var many = Sweep(("train", "{}")) with { Seeds = [.. Enumerable.Range(0, 500).Select(i => (long)i)] };
        await bench.SubmitAsync(many with { Pool = new Dictionary<string, string> { ["train"] = "slow" } });
        Assert.Equal(bench.Options.LeastBacklog, bench.Bus.Take().Count);
        await bench.SubmitAsync(many with { Name = "other", Seeds = [.. Enumerable.Range(1000, 500).Select(i => (long)i)] });
        var others = bench.Bus.Take();
        Assert.Equal(bench.Options.LeastBacklog, others.Count);
        Assert.All(others, c => Assert.Null(bench.Bus.Pools[c.ExecutionId]));
    }

    [Fact]
    public async Task A_message_that_is_sent_again_goes_to_the_same_pool()
    {
        using var bench = await Workbench.StartAsync();
        await bench.SubmitAsync(Sweep(("train", "{}")) with { Pool = Large.Where(p => p.Key == "train").ToDictionary() });
        await bench.FailAsync(bench.Bus.Take().Single(), FailureKind.Transient);
        bench.Time.Advance(TimeSpan.FromMinutes(5));
        await bench.ReconcileAsync();
        Assert.Equal((2, "gpu-large"), (bench.Bus.Take().Single().Attempt, bench.Bus.Pools.Single().Value));
    }

    [Fact]
    public async Task An_execution_whose_sweep_was_paused_goes_to_the_pool_of_the_one_that_still_wants_it()
    {
        using var bench = await Workbench.StartAsync();
        var full = await bench.SubmitAsync(Sweep(("train", "{}")) with { Name = "full", Seeds = [.. Enumerable.Range(100, 200).Select(i => (long)i)], Pool = new Dictionary<string, string> { ["train"] = "slow" } });
        var first = await bench.SubmitAsync(Sweep(("train", "{}")) with { Pool = new Dictionary<string, string> { ["train"] = "slow" } });
        var second = await bench.SubmitAsync(Sweep(("train", "{}")) with { Pool = new Dictionary<string, string> { ["train"] = "quick" } });
        Assert.All(bench.Bus.Take(), c => Assert.Equal(full, c.SweepId));
        await bench.Orchestrator.PauseAsync(new ControlTarget(first));
        await bench.PumpAsync();
        var sent = bench.Bus.Take().Single();
        Assert.Equal((second, "quick"), (sent.SweepId, bench.Bus.Pools[sent.ExecutionId]));
    }

    [Fact]
    public async Task A_pool_without_a_worker_is_told_though_the_stage_has_others()
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(Sweep(("train", "{}")) with { Pool = new Dictionary<string, string> { ["train"] = "gpu-large" } });
        Assert.False((await StepAsync()).HasWorker);
        await bench.Catalog.AddAsync(Train, "gpu-large", default);
        Assert.True((await StepAsync()).HasWorker);

        async Task<StepCounts> StepAsync() => (await new SweepQueries(bench.Store, bench.Time, bench.Options, bench.Catalog).StatusAsync(id.ToString())).Steps![0];
    }

    [Theory]
    [InlineData("trane", "gpu", "/pool/trane", "is no stage of this sweep (did you mean 'train'?); its stages are train")]
    [InlineData("train", "GPU", "/pool/train", "'GPU' is no name of a pool; expected 1 to 32 characters: lower-case letters, digits, and dashes between them, for example gpu-large")]
    [InlineData("train", "", "/pool/train", "'' is no name of a pool; expected 1 to 32 characters: lower-case letters, digits, and dashes between them, for example gpu-large")]
    [InlineData("train", "a.b", "/pool/train", "'a.b' is no name of a pool; expected 1 to 32 characters: lower-case letters, digits, and dashes between them, for example gpu-large")]
    public void A_pool_that_cannot_be_is_refused(string stage, string pool, string path, string message)
    {
        var problem = Assert.Single(Plan(Sweep(("train", "{}")) with { Pool = new Dictionary<string, string> { [stage] = pool } }).Problems);
        Assert.Equal((path, message), (problem.Path, problem.Message));
    }
}
