using Lathe.Contracts;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging.Abstractions;
using static Lathe.Coordinator.Tests.Stages;

namespace Lathe.Coordinator.Tests;

/// <summary>Two coordinators of one name on one PostgreSQL: each report reaches one of them, and both send.</summary>
public sealed class Two_coordinators
{
    private static readonly SweepSpec Wide = Sweep(
        ("train", """{"epochs": [1, 2, 3, 4, 5, 6]}"""), ("prune", """{"multiplications": [0.5, 0.25, 0.2]}"""), ("quantize", """{"bits": [2, 4]}"""), ("evaluate", "{}"));

    [Fact]
    public async Task Do_everything_once_and_move_nothing_back()
    {
        using var bench = await Workbench.StartAsync(DatabaseKind.PostgreSql);
        using var other = await NeighbourAsync(bench);
        Orchestrator[] both = [bench.Orchestrator, other];
        var ids = new List<Guid>();
        foreach (var seed in new long[] { 0, 1 }) ids.Add((await both[seed].SubmitAsync(new SweepSubmission(Wide with { Seeds = [0, seed] }))).Id!.Value);

        var over = new HashSet<int>();
        var turn = 0;
        for (var round = 0; round < 200; round++)
        {
            await Task.WhenAll(both.Select(async coordinator =>
            {
                await coordinator.DoChoresAsync();
                await coordinator.DispatchAsync();
            }));
            var commands = bench.Bus.Take();
            if (commands.Count == 0) break;
            // Reports of both, side by side; some twice, at both.
            var reports = commands.Select(c => new Report(bench.Work(c))).ToList();
            await Task.WhenAll(
                both[turn % 2].ReportAsync([.. reports.Where((_, i) => i % 2 == 0)]),
                both[(turn + 1) % 2].ReportAsync([.. reports.Where((_, i) => i % 2 == 1 || i % 5 == 0)]));
            turn++;
            await bench.AssertCountedAsync();
            foreach (var id in ids)
            {
                // What was over stays over.
                var now = (await bench.StatusAsync(id)).Executions.Where(e => e.State is ExecutionState.Completed or ExecutionState.Cached).Select(e => (ids.IndexOf(id) * 10_000) + e.Index).ToHashSet();
                Assert.Empty(over.Where(o => o / 10_000 == ids.IndexOf(id)).Except(now));
                over.UnionWith(now);
            }
        }

        foreach (var id in ids) Assert.Equal(SweepState.Succeeded, (await bench.StatusAsync(id)).State);
        Assert.Equal(bench.Bus.Sent.Count, bench.Bus.Sent.Select(s => s.Command.Key).Distinct().Count());
        // 2 seeds: 6 + 18 + 36 + 36 executions each, and the sweeps share those of seed 0.
        Assert.Equal(2 * 96, bench.Bus.Sent.Count);
    }

    [Fact]
    public async Task Which_start_at_the_same_moment_record_nothing_twice_that_the_database_would_have_to_refuse()
    {
        using var bench = await Workbench.StartAsync(DatabaseKind.PostgreSql);
        using var other = await NeighbourAsync(bench);
        // Two sweeps that want the same, and stages that nobody has heard of.
        foreach (var name in new[] { "one", "two" })
            Assert.Empty((await bench.Orchestrator.SubmitAsync(new SweepSubmission(Wide with { Name = name, Seeds = [.. Enumerable.Range(0, 200).Select(i => (long)i)] }), stop: Stop)).Problems);
        using var announced = new Barrier(2);
        await Task.WhenAll(((StageCatalog[])[new(bench.Store, bench.Time), new(bench.Store, bench.Time)]).Select(catalog => Task.Run(async () =>
        {
            foreach (var round in Enumerable.Range(0, 20))
            {
                announced.SignalAndWait(Stop);
                await catalog.AddAsync(Train with { Name = $"new{round}" }, Stop);
            }
        }, Stop)));
        await Task.WhenAll(((Orchestrator[])[bench.Orchestrator, other]).Select(o => Task.Run(() => o.DoChoresAsync(Stop), Stop)));
        await bench.AssertCountedAsync();
        await using (var database = bench.Store.Open()) Assert.Equal(1200, await database.Executions.CountAsync(Stop));
        Assert.DoesNotContain(await Workbench.LogAsync(bench.Address), line => line.StartsWith("ERROR", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_one_that_died_left_in_its_outbox_the_other_sends()
    {
        using var bench = await Workbench.StartAsync(DatabaseKind.PostgreSql);
        bench.Bus.IsDown = true;
        var id = await bench.SubmitAsync(Wide);
        using var other = await NeighbourAsync(bench);
        bench.Bus.IsDown = false;
        await other.DispatchAsync();
        Assert.Empty(bench.Bus.Take());

        bench.Time.Advance(bench.Options.OutboxPatience);
        await other.DispatchAsync();
        Assert.Equal(6, bench.Bus.Take().Count);
        await using var database = bench.Store.Open();
        Assert.Equal(0, await database.Outbox.CountAsync(TestContext.Current.CancellationToken));
        Assert.Equal(SweepState.Running, (await bench.StatusAsync(id)).State);
    }

    [Theory, CombinatorialDatabases]
    public async Task What_a_new_version_announced_to_one_the_other_plans_with(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        using var other = await NeighbourAsync(bench);
        bench.Time.Advance(TimeSpan.FromSeconds(1));
        // Each announcement comes to one of them.
        await bench.Catalog.AddAsync(Train with { Version = "2" });

        var outcome = await other.SubmitAsync(new SweepSubmission(Sweep(("train", "{}"))), stop: TestContext.Current.CancellationToken);
        await other.DoChoresAsync(TestContext.Current.CancellationToken);
        await other.DispatchAsync(TestContext.Current.CancellationToken);

        Assert.Empty(outcome.Problems);
        Assert.Equal("2", Assert.Single(bench.Bus.Take()).Version);
    }

    /// <summary>Each sees the other's node as it was before; whoever comes second has to see that nothing is left.</summary>
    [Fact]
    public async Task A_sweep_ends_though_its_last_two_executions_end_at_the_same_moment()
    {
        using var bench = await Workbench.StartAsync(DatabaseKind.PostgreSql);
        using var other = await NeighbourAsync(bench);
        var id = await bench.SubmitAsync(Sweep(("train", "{}"), ("evaluate", "{}"), ("prune", "{\"multiplications\": 0.5}")));
        await bench.FinishAsync(bench.Bus.Take()[0]);
        var last = bench.Bus.Take();
        Assert.Equal(["evaluate", "prune"], last.Select(c => c.Stage).Order());

        await using var database = bench.Store.Open();
        await using var transaction = await database.Database.BeginTransactionAsync(TestContext.Current.CancellationToken);
        var first = new SweepChange(database, new SweepFactsCache(), bench.Options, bench.Time.GetUtcNow());
        await first.ReportAsync([new Report(bench.Work(last[0]))], default);
        await first.SaveAsync(default);
        var second = other.ReportAsync([new Report(bench.Work(last[1]))], TestContext.Current.CancellationToken);
        // It waits for the first one, as far as it can go beside it.
        await Lathe.Testing.Eventually.TrueAsync(
            async () =>
            {
                await using var looking = bench.Store.Open();
                return await looking.Database.SqlQuery<int>($"SELECT count(*)::int AS \"Value\" FROM pg_locks WHERE NOT granted").SingleAsync() > 0;
            },
            "the second change to wait");
        await transaction.CommitAsync(TestContext.Current.CancellationToken);
        await second;

        Assert.Equal(SweepState.Succeeded, (await bench.StatusAsync(id)).State);
    }

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private static async Task<Orchestrator> NeighbourAsync(Workbench bench)
    {
        var catalog = new StageCatalog(bench.Store, bench.Time);
        foreach (var manifest in All.Values) await catalog.AddAsync(manifest);
        var other = new Orchestrator(
            bench.Store, catalog, bench.Bus, bench.Checkpoints, bench.Results, name => bench.OnFingerprint(name), bench.Options, bench.Time, NullLoggerFactory.Instance);
        await other.ResumeAsync();
        return other;
    }
}
