using System.Text.Json;
using Lathe.Contracts;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator.Tests;

/// <summary>The files in <c>old/</c> are dumps of databases that such a Lathe made: one sweep that failed, one with cached results, one that runs, one that was interrupted.</summary>
public sealed class Taking_over_an_older_database
{
    public static TheoryData<DatabaseKind, int> Old => new() { { DatabaseKind.Sqlite, 2 }, { DatabaseKind.Sqlite, 3 }, { DatabaseKind.PostgreSql, 2 }, { DatabaseKind.PostgreSql, 3 } };

    [Theory, MemberData(nameof(Old))]
    public async Task Its_sweeps_are_there_as_they_were(DatabaseKind kind, int version)
    {
        using var old = await EmptyDatabase.OfVersionAsync(kind, version);

        await old.Store.PrepareAsync();

        await using var database = old.Store.Open();
        var sweeps = await database.Sweeps.AsNoTracking().OrderBy(s => s.SubmittedAt).ToListAsync();
        Assert.Equal(
            ["first Failed lathe.coordinator", "second Succeeded lathe.coordinator", "third Running lathe.coordinator", "fourth Interrupted lathe.run.4711"],
            sweeps.Select(s => $"{s.Name} {s.State} {s.Owner}"));
        Assert.All(sweeps, s => Assert.Equal(s.Id.ToString(), s.ShareKey));
        Assert.All(sweeps, s => Assert.Equal(s.State == SweepState.Running, s.IsAdvancing));
        Assert.All(sweeps, s => Assert.Equal(s.State == SweepState.Running, s.FinishedAt is null));
        var third = sweeps[2];
        Assert.Equal((true, 2, version == 3 ? DeviceKind.Cpu : null), (third.Fresh, third.Threads, third.Device));
        Assert.StartsWith("00-0af7651916cd43dd8448eb211c80319c-", third.TraceParent);
        Assert.Equal(new DateTimeOffset(2030, 1, 1, 12, 0, 1, 250, TimeSpan.Zero), sweeps[0].SubmittedAt);
        // Version 2 has no manifest with figures; what it knew of a stage stays.
        Assert.Equal(version == 3 ? 5 : 4, await database.Stages.CountAsync());
        Assert.Equal("1", (await database.Stages.SingleAsync(s => s.Name == "train")).Version);
    }

    [Theory, MemberData(nameof(Old))]
    public async Task Every_node_stands_where_it_stood(DatabaseKind kind, int version)
    {
        using var old = await EmptyDatabase.OfVersionAsync(kind, version);

        await old.Store.PrepareAsync();

        Assert.Equal(
            [
                "0 < - 0:train completed", "1 < 0 1:prune completed", "2 < 1 2:evaluate completed leaf", "3 < 0 1:prune failed", "4 < 3 2:evaluate blocked by 3 leaf",
                "5 < - 0:train completed", "6 < 5 1:prune completed", "7 < 6 2:evaluate completed leaf", "8 < 5 1:prune completed", "9 < 8 2:evaluate completed leaf",
            ],
            await NodesAsync(old, "first"));
        // The second evaluation in the list of stages is another step.
        Assert.Equal(
            version == 2
                ?
                [
                    "0 < - 0:train found", "1 < 0 1:prune found", "2 < 1 2:evaluate found leaf", "3 < 1 3:quantize completed", "4 < 3 4:evaluate completed leaf",
                    "5 < 1 3:quantize completed", "6 < 5 4:evaluate completed leaf",
                ]
                :
                [
                    "0 < - 0:train found", "1 < 0 1:prune found", "2 < 1 2:evaluate found leaf", "3 < 1 3:quantize completed", "4 < 3 4:export completed",
                    "5 < 4 5:evaluate completed leaf", "6 < 1 3:quantize completed", "7 < 6 4:export completed", "8 < 7 5:evaluate completed leaf",
                ],
            await NodesAsync(old, "second"));
        // What ran or was queued is advanced again, so is what waited to be tried again.
        Assert.Equal(
            ["0 < - 0:train completed", .. Enumerable.Range(0, 20).Skip(1).Select(i => (i % 5) switch
            {
                0 => $"{i} < - 0:train waiting",
                1 or 3 => $"{i} < {i - (i % 5)} 1:prune waiting",
                _ => $"{i} < {i - 1} 2:evaluate waiting leaf",
            })],
            await NodesAsync(old, "third"));
        Assert.Equal(
            ["0 < - 0:train completed", "1 < 0 1:prune waiting", "2 < 1 2:evaluate waiting leaf", "3 < - 0:train waiting", "4 < 3 1:prune waiting", "5 < 4 2:evaluate waiting leaf"],
            await NodesAsync(old, "fourth"));
    }

    [Theory, MemberData(nameof(Old))]
    public async Task Results_and_errors_stay_with_their_nodes(DatabaseKind kind, int version)
    {
        using var old = await EmptyDatabase.OfVersionAsync(kind, version);

        await old.Store.PrepareAsync();

        await using var database = old.Store.Open();
        var first = await database.Sweeps.SingleAsync(s => s.Name == "first");
        var executions = await database.Executions.AsNoTracking().Where(e => e.SweepId == first.Id).ToDictionaryAsync(e => e.NodeIndex);
        var evaluated = executions[2];
        Assert.Equal(0.9, JsonSerializer.Deserialize<Dictionary<string, double>>(evaluated.Metrics!)!["top1"]);
        Assert.Equal(executions[1].OutputSha256, evaluated.InputSha256);
        Assert.Equal((1.5, 64L, 1, "host:1:evaluate"), (evaluated.Seconds, evaluated.OutputBytes, evaluated.Attempt, evaluated.Worker));
        Assert.Equal(64, evaluated.Key.Length);
        Assert.Equal(Guid.Empty, evaluated.Scope);
        Assert.Equal(new DateTimeOffset(2030, 1, 1, 12, 0, 31, 250, TimeSpan.Zero), evaluated.FinishedAt);
        Assert.Equal("the target 0.25 can't be met; 'multiplications' must be larger", executions[3].Error);
        Assert.All(executions.Values, e => Assert.Equal(first.Owner, e.Owner));

        // A fresh sweep shares with no other; the traces go on.
        var third = await database.Sweeps.SingleAsync(s => s.Name == "third");
        var trained = await database.Executions.SingleAsync(e => e.SweepId == third.Id);
        Assert.Equal(third.Id, trained.Scope);
        Assert.Equal("00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01", trained.TraceParent);
    }

    [Theory, MemberData(nameof(Old))]
    public async Task Points_and_branches_are_kept_once_and_steps_are_counted(DatabaseKind kind, int version)
    {
        using var old = await EmptyDatabase.OfVersionAsync(kind, version);

        await old.Store.PrepareAsync();

        await using var database = old.Store.Open();
        var third = (await database.Sweeps.SingleAsync(s => s.Name == "third")).Id;
        var points = await database.Points.AsNoTracking().Where(p => p.SweepId == third).OrderBy(p => p.Number).ToListAsync();
        // Training takes the model as a parameter.
        Assert.Equal(["train", "prune", "evaluate", "prune", "train"], points.Select(p => p.Stage));
        Assert.Equal(["""["multiplications"]""", """["multiplications"]"""], points.Where(p => p.Stage == "prune").Select(p => p.Varied));
        Assert.Equal([false, false, true, false, false], points.Select(p => p.OnlyMeasures));
        Assert.Equal(
            ["lenet5 7", "lenet5 8", "resnet20 7", "resnet20 8"],
            await database.Branches.Where(b => b.SweepId == third).OrderBy(b => b.Number).Select(b => b.Model + " " + b.Seed).ToListAsync());
        Assert.All(await database.Branches.ToListAsync(), b => Assert.Equal(new string('d', 64), b.Fingerprint));
        Assert.Equal(
            version == 3 ? ["export"] : [], await database.Points.Where(p => !p.ReadsData).Select(p => p.Stage).ToListAsync());

        var counts = await database.StepCounts.AsNoTracking().ToListAsync();
        Assert.Equal(
            ["train 2 done", "prune 3 done 1 failed", "evaluate 3 done 1 skipped"],
            from count in counts
            where count.SweepId == database.Sweeps.Single(s => s.Name == "first").Id
            orderby count.Step
            select $"{count.Stage} {count.Completed} done" + (count.Failed > 0 ? $" {count.Failed} failed" : "") + (count.Skipped > 0 ? $" {count.Skipped} skipped" : ""));
        Assert.Equal([3, 4.5, 4.5], counts.Where(c => c.SweepId == database.Sweeps.Single(s => s.Name == "first").Id).OrderBy(c => c.Step).Select(c => c.Seconds));
        Assert.Equal(3, counts.Sum(c => c.Cached));
        Assert.Equal(await database.Nodes.CountAsync(), counts.Sum(c => c.Waiting + c.Completed + c.Cached + c.Failed + c.Skipped));
    }

    [Theory, MemberData(nameof(Old))]
    public async Task A_sweep_that_ran_goes_on_to_its_end(DatabaseKind kind, int version)
    {
        using var bench = await Workbench.StartAsync(kind);
        await EmptyDatabase.RunAsync(bench.Address, kind == DatabaseKind.PostgreSql
            ? "DROP SCHEMA public CASCADE; CREATE SCHEMA public"
            : "PRAGMA writable_schema=1; DELETE FROM sqlite_master; PRAGMA writable_schema=RESET");
        await EmptyDatabase.RunAsync(bench.Address, await EmptyDatabase.OldAsync(kind, version));
        await bench.Store.PrepareAsync();

        await bench.RestartAsync(new CoordinatorOptions());
        await bench.PumpAsync();
        var done = await bench.FinishAllAsync();

        var third = (await bench.Queries.ListAsync()).Single(s => s.Name == "third");
        Assert.Equal((SweepState.Succeeded, 20), (third.State, third.Finished));
        Assert.All(done, command => Assert.Equal((2, version == 3 ? DeviceKind.Cpu : null), (command.Threads, command.Device)));
        await bench.AssertCountedAsync();
    }

    [Theory, MemberData(nameof(Old))]
    public async Task The_old_tables_are_gone_and_the_next_start_changes_nothing(DatabaseKind kind, int version)
    {
        using var old = await EmptyDatabase.OfVersionAsync(kind, version);
        using var made = await EmptyDatabase.CreateAsync(kind);
        await made.Store.PrepareAsync();

        await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => Task.Run(() => old.Store.PrepareAsync())));

        Assert.Equal(await made.TablesAsync(), await old.TablesAsync());
        await using var database = old.Store.Open();
        Assert.Equal(4, await database.Sweeps.CountAsync());
        if (kind == DatabaseKind.Sqlite) Assert.Empty(await database.Database.SqlQuery<string>($"SELECT \"table\" AS Value FROM pragma_foreign_key_check").ToListAsync());
    }

    [Theory, MemberData(nameof(Old))]
    public async Task A_row_that_cannot_be_read_leaves_everything_as_it_was(DatabaseKind kind, int version)
    {
        using var old = await EmptyDatabase.OfVersionAsync(kind, version);
        await old.RunAsync("UPDATE executions SET \"State\" = 'Nonsense' WHERE \"SweepId\" = (SELECT \"Id\" FROM sweeps WHERE \"Name\" = 'fourth') AND \"Index\" = 5");
        var before = await old.TablesAsync();

        var error = await Assert.ThrowsAsync<LatheException>(() => old.Store.PrepareAsync());

        Assert.Contains("cannot be taken over", error.Message);
        Assert.Contains("Nonsense", error.Message);
        Assert.Equal(before, await old.TablesAsync());
        await old.RunAsync("UPDATE executions SET \"State\" = 'Skipped' WHERE \"State\" = 'Nonsense'");
        await old.Store.PrepareAsync();
        Assert.Equal(6, (await NodesAsync(old, "fourth")).Count);
    }

    [Theory, MemberData(nameof(Old))]
    public async Task A_reader_takes_nothing_over_and_says_what_does(DatabaseKind kind, int version)
    {
        using var old = await EmptyDatabase.OfVersionAsync(kind, version);
        var before = await old.TablesAsync();

        var error = await Assert.ThrowsAsync<LatheException>(() => CoordinatorStore.ForReadingAsync(old.Address));

        Assert.Contains("was made by an older Lathe; start a run or a coordinator on it once", error.Message);
        Assert.Equal(before, await old.TablesAsync());
    }

    [Fact]
    public void A_skipped_node_names_the_nearest_failure_before_it()
    {
        var sweep = new OldSweep(
            Guid.NewGuid(), "a", "Failed", DateTime.UnixEpoch, DateTime.UnixEpoch, false, null, null, "me", DateTime.UnixEpoch, null);
        OldExecution Of(int index, int? parent, string stage, string state) => new(
            index, parent, stage, "1", false, "m", "d", "f", 0, "{}", "[]", state, state == "Skipped" ? null : "key", null, null, null, null, 1, 1, null, null, null,
            null, null, null, null, null);

        var moved = MovedSweep.Of(
            sweep,
            [
                Of(0, null, "train", "Completed"), Of(1, 0, "prune", "Failed"), Of(2, 1, "quantize", "Skipped"), Of(3, 2, "evaluate", "Skipped"), Of(4, 0, "prune", "Completed"),
                Of(5, 4, "quantize", "Failed"), Of(6, 5, "count", "Skipped") with { DataFingerprint = "" },
            ]);

        Assert.Equal([null, null, 1, 1, null, null, 5], moved.Nodes.Select(n => n.BlockedBy));
        Assert.Equal([0, 0, 1, 1, 1], moved.Counts.Select(c => c.Skipped));
        // A stage that reads no data belongs to the branch of those that do.
        Assert.Equal("f", Assert.Single(moved.Branches).Fingerprint);
    }

    /// <summary>Each node as: index, parent, step, stage, state.</summary>
    private static async Task<List<string>> NodesAsync(EmptyDatabase made, string sweep)
    {
        await using var database = made.Store.Open();
        var id = (await database.Sweeps.SingleAsync(s => s.Name == sweep)).Id;
        var points = await database.Points.Where(p => p.SweepId == id).ToDictionaryAsync(p => p.Number);
        var executions = await database.Executions.ToDictionaryAsync(e => e.Id);
        var nodes = await database.Nodes.Where(n => n.SweepId == id).OrderBy(n => n.Index).ToListAsync();
        return [.. nodes.Select(n =>
        {
            var execution = n.ExecutionId is { } link ? executions[link] : null;
            Assert.Equal(execution?.NodeIndex ?? n.Index, n.Index);
            Assert.Equal(execution?.Stage ?? points[n.Point].Stage, points[n.Point].Stage);
            var state = execution is { } known
                ? known.Found ? "found" : known.State.ToString().ToLowerInvariant()
                : n.BlockedBy is { } blocker ? $"blocked by {blocker}" : "waiting";
            return $"{n.Index} < {n.Parent?.ToString() ?? "-"} {points[n.Point].Step}:{points[n.Point].Stage} {state}" + (n.IsLeaf ? " leaf" : "");
        })];
    }
}
