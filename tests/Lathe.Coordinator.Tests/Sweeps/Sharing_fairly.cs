using System.Text.Json;
using CsCheck;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Microsoft.EntityFrameworkCore;
using static Lathe.Coordinator.Tests.Stages;

namespace Lathe.Coordinator.Tests;

public sealed class Sharing_fairly
{
    private static readonly Guid A = Guid.NewGuid();
    private static readonly Guid B = Guid.NewGuid();
    private static readonly Guid C = Guid.NewGuid();

    [Fact]
    public void Two_sweeps_get_the_same_number_of_places() =>
        Assert.Equal((5, 5), Divide(10, (A, 3, "a", 1, 1000), (B, 3, "b", 1, 1000)));

    [Fact]
    public void What_one_sweep_does_not_need_another_gets() =>
        Assert.Equal((8, 2), Divide(10, (A, 3, "a", 1, 1000), (B, 3, "b", 1, 2)));

    [Fact]
    public void A_weight_is_a_larger_share() =>
        Assert.Equal((3, 9), Divide(12, (A, 3, "a", 1, 1000), (B, 3, "b", 3, 1000)));

    [Fact]
    public void A_higher_priority_goes_first() =>
        Assert.Equal((0, 10), Divide(10, (A, 3, "a", 1, 1000), (B, 4, "b", 1, 1000)));

    [Fact]
    public void Sweeps_of_one_share_divide_it()
    {
        var given = FairShares.Divide(
            [new(A, 3, "team", 1, 1000, 1000), new(B, 3, "team", 1, 1000, 1000), new(C, 3, "c", 1, 1000, 1000)], new Dictionary<Guid, int>(), 12);
        Assert.Equal((3, 3, 6), (given[A], given[B], given[C]));
    }

    [Fact]
    public void What_is_under_way_counts()
    {
        var given = FairShares.Divide([new(A, 3, "a", 1, 1000, 1000), new(B, 3, "b", 1, 1000, 1000)], new Dictionary<Guid, int> { [A] = 60 }, 10);
        Assert.Equal(10, given[B]);
        Assert.False(given.ContainsKey(A));
    }

    [Fact]
    public void No_place_is_given_twice_left_empty_or_beyond_a_limit() => Gen.Select(
        Gen.Select(Gen.Int[1, 5], Gen.Int[0, 2], Gen.Double[0.1, 10], Gen.Int[0, 20], Gen.Int[0, 20]).Array[0, 8], Gen.Int[0, 40]).Sample((sweeps, free) =>
    {
        var claims = sweeps.Select(s => new ShareClaim(Guid.NewGuid(), s.Item1, $"{s.Item2}", s.Item3, s.Item4, s.Item5)).ToList();
        var given = FairShares.Divide(claims, new Dictionary<Guid, int>(), free);
        Assert.All(claims, c => Assert.InRange(given.GetValueOrDefault(c.Sweep), 0, Math.Min(c.Ready, c.Room)));
        Assert.Equal(Math.Min(free, claims.Sum(c => Math.Min(c.Ready, c.Room))), given.Values.Sum());
        // Who waits has no lower priority beside it that was served.
        foreach (var waiting in claims.Where(c => given.GetValueOrDefault(c.Sweep) < Math.Min(c.Ready, c.Room)))
            Assert.DoesNotContain(claims, c => c.Priority < waiting.Priority && given.GetValueOrDefault(c.Sweep) > 0);
    });

    [Theory]
    [InlineData(0, null, 4)] // nothing is known yet
    [InlineData(2, null, 4)]
    [InlineData(20, null, 40)]
    [InlineData(2, 3600.0, 4)] // trainings
    [InlineData(50, 3600.0, 100)]
    [InlineData(4, 0.1, 20)] // what four workers do in that time
    [InlineData(0, 0.001, 256)] // too short to be seen running
    [InlineData(0, 0.0, 256)]
    [InlineData(100, 0.001, 256)]
    [InlineData(200, 0.001, 400)]
    public void The_queue_holds_what_the_workers_do_in_half_a_second(int running, double? seconds, int expected) =>
        Assert.Equal(expected, FairShares.Backlog(running, seconds, new CoordinatorOptions()));

    [Fact]
    public async Task A_small_sweep_waits_for_few_long_executions_of_a_large_one()
    {
        using var bench = await Workbench.StartAsync();
        await bench.RestartAsync(new CoordinatorOptions());
        var large = await bench.SubmitAsync(Many(1000));
        var queue = new Queue<ExecuteStage>(bench.Bus.Take());
        Assert.Equal(4, queue.Count);
        // What nobody has sent yet is told apart from what waits in the queue.
        var first = (await bench.StatusAsync(large)).Steps![0];
        Assert.Equal((4, 996), (first.In(ExecutionState.Queued), first.In(ExecutionState.Ready)));
        Assert.Equal(4, (await bench.Queries.PageAsync(large.ToString(), null, 10, ExecutionState.Queued)).Executions.Count);
        Assert.Equal(4, (await bench.Queries.PageAsync(large.ToString(), null, 10, ExecutionState.Ready)).Executions[0].Index);
        // Two workers, who take what is first in the queue and report it.
        var inHand = new List<ExecuteStage>();
        for (var i = 0; i < 10; i++) await WorkAsync();
        var small = await bench.SubmitAsync(Many(1) with { Name = "small", Seeds = [7] });
        foreach (var command in bench.Bus.Take()) queue.Enqueue(command);
        var before = 0;
        for (; (await bench.StatusAsync(small)).State == SweepState.Running; before++) await WorkAsync();
        // Those in hand, those in the queue, and its own.
        Assert.InRange(before, 1, 7);

        async Task WorkAsync()
        {
            while (inHand.Count < 2)
            {
                inHand.Add(queue.Dequeue());
                await bench.HearAsync(inHand[^1]);
                foreach (var command in bench.Bus.Take()) queue.Enqueue(command);
            }

            await bench.FinishAsync(inHand[0]);
            inHand.RemoveAt(0);
            foreach (var command in bench.Bus.Take()) queue.Enqueue(command);
        }
    }

    [Theory, CombinatorialDatabases]
    public async Task A_small_sweep_does_not_wait_behind_a_large_one(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        await bench.SubmitAsync(Many(1000));
        Assert.Equal(bench.Options.LeastBacklog, bench.Bus.Take().Count);
        var small = await bench.SubmitAsync(Many(5) with { Name = "small", Seeds = [7] });

        // With each result that comes in, one execution goes out: the small sweep has less under way, so all of these are its.
        var done = 0;
        foreach (var (command, _) in bench.Bus.Sent)
        {
            if ((await bench.StatusAsync(small)).State == SweepState.Succeeded) break;
            await bench.FinishAsync(command);
            done++;
        }

        Assert.InRange(done, 5, bench.Options.LeastBacklog + 5);
    }

    [Fact]
    public async Task A_limit_of_executions_at_one_time_holds()
    {
        using var bench = await Workbench.StartAsync();
        await bench.SubmitAsync(new SweepSubmission(Many(50), Limits: new SweepLimits(Parallel: 3)));
        var most = 0;
        while (bench.Bus.Take() is { Count: > 0 } commands)
        {
            most = Math.Max(most, commands.Count);
            await bench.FinishAsync(commands[0]);
            foreach (var command in commands.Skip(1)) await bench.FinishAsync(command);
        }

        Assert.Equal((50, 3), (bench.Bus.Sent.Count, most));
    }

    [Fact]
    public async Task With_a_limit_of_failures_a_sweep_stops_early()
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(new SweepSubmission(Many(50), Limits: new SweepLimits(Parallel: 5, Failures: 2)));
        var commands = bench.Bus.Take();
        await bench.FailAsync(commands[0], FailureKind.Permanent);
        Assert.Equal(SweepState.Running, (await bench.StatusAsync(id)).State);
        await bench.FailAsync(commands[1], FailureKind.Permanent);

        var status = await bench.StatusAsync(id);
        Assert.Equal(SweepState.Failed, status.State);
        Assert.Contains("the limit of failures is 2", status.Reason);
        // Those that run are called off, and the one that took the place of the first failure.
        Assert.Equal(4, bench.Bus.Cancelled.Count);
        Assert.Equal(6, bench.Bus.Sent.Count);
        await bench.AssertCountedAsync();
    }

    [Fact]
    public async Task An_execution_that_takes_too_long_is_stopped_and_fails()
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(new SweepSubmission(Many(2), Limits: new SweepLimits(ExecutionSeconds: 60)));
        var commands = bench.Bus.Take();
        await bench.HearAsync(commands[0]);
        for (var i = 0; i < 7; i++)
        {
            bench.Time.Advance(TimeSpan.FromSeconds(10));
            await bench.HearAsync(commands[0]);
            await bench.ReconcileAsync();
        }

        var execution = (await bench.StatusAsync(id)).Executions[0];
        Assert.Equal(ExecutionState.Failed, execution.State);
        Assert.Contains("60 s, the sweep's limit for one execution", execution.Error);
        Assert.Equal(commands[0].ExecutionId, Assert.Single(bench.Bus.Cancelled).ExecutionId);
    }

    [Fact]
    public async Task A_sweep_that_takes_too_long_is_stopped_and_fails()
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(new SweepSubmission(Many(2), Limits: new SweepLimits(SweepSeconds: 3600)));
        bench.Time.Advance(TimeSpan.FromMinutes(61));
        await bench.ReconcileAsync();
        var status = await bench.StatusAsync(id);
        Assert.Equal((SweepState.Failed, "stopped, because it took longer than 60 min"), (status.State, status.Reason));
    }

    [Fact]
    public async Task A_limit_that_is_no_time_keeps_nobody_else_s_from_being_heeded()
    {
        using var bench = await Workbench.StartAsync();
        var problems = SubmissionTerms.Problems(new SweepSubmission(Many(1), Limits: new SweepLimits(ExecutionSeconds: 1e-9, SweepSeconds: 1e12)));
        Assert.Equal(["/limits/executionSeconds", "/limits/sweepSeconds"], problems.Select(p => p.Path));
        Assert.Equal("is 1000000000000, expected a number of seconds from 1 to 3155760000", problems[1].Message);

        // As an earlier Lathe recorded them.
        foreach (var limits in (SweepLimits[])[new(SweepSeconds: 1e300), new(ExecutionSeconds: 1e300)])
        {
            var endless = await bench.SubmitAsync(new SweepSubmission(Many(1)));
            await using var database = bench.Store.Open();
            await database.Sweeps.Where(s => s.Id == endless).ExecuteUpdateAsync(s => s.SetProperty(r => r.Limits, JsonSerializer.Serialize(limits, LatheJson.Options)));
        }

        var id = await bench.SubmitAsync(new SweepSubmission(Many(2), Limits: new SweepLimits(SweepSeconds: 3600)));
        bench.Time.Advance(TimeSpan.FromMinutes(61));
        await bench.ReconcileAsync();
        Assert.Equal(SweepState.Failed, (await bench.StatusAsync(id)).State);
    }

    private static SweepSpec Many(int executions) => Sweep(("train", $$"""{"epochs": [{{string.Join(", ", Enumerable.Range(1, executions))}}]}"""));

    private static (int A, int B) Divide(int free, params (Guid Sweep, int Priority, string Share, double Weight, int Ready)[] sweeps)
    {
        var given = FairShares.Divide([.. sweeps.Select(s => new ShareClaim(s.Sweep, s.Priority, s.Share, s.Weight, s.Ready, int.MaxValue))], new Dictionary<Guid, int>(), free);
        return (given.GetValueOrDefault(A), given.GetValueOrDefault(B));
    }
}
