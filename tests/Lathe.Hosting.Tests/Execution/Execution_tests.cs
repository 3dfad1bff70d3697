using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Lathe.Testing;
using Microsoft.Extensions.Hosting;

namespace Lathe.Hosting.Tests;

[Collection(BrokerTests.Name)]
public sealed class ExecutionTests(RabbitMqBroker broker)
{
    /// <summary>A virtual host each would be cleaner, but the queue of a stage is one: tests of a collection run one after another.</summary>
    private async Task<Workshop> StartAsync(bool inMemory = false)
    {
        var workshop = await new Workshop(inMemory ? null : broker.Address).StartAsync();
        if (!inMemory) await workshop.WorkerAsync();
        return workshop;
    }

    [Fact]
    public async Task A_stage_gives_the_same_result_in_memory_and_over_RabbitMQ()
    {
        var results = new List<StageCompleted>();
        foreach (var inMemory in (bool[])[true, false])
        {
            await using var workshop = await StartAsync(inMemory);
            var command = workshop.Command(new ToyCounting());
            await workshop.Sender.SendAsync(command, null);
            var completed = await workshop.Completed(command);
            Assert.Equal((command.ExecutionId, 1), (completed.ExecutionId, completed.Attempt));
            Assert.Single(workshop.Inbox.All<StageStarted>());
            Assert.Equal(3, completed.Metrics["steps"]);
            Assert.False(completed.Found);
            Assert.True(workshop.Checkpoints.Has(completed.Output));
            results.Add(completed);
        }

        Assert.Equal(results[0].Output, results[1].Output);
        Assert.Equal(results[0].Key, results[1].Key);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_known_result_is_reported_again_without_computing_unless_another_sweep_wants_it_fresh(bool inMemory)
    {
        await using var workshop = await StartAsync(inMemory);
        var runs = 0;
        var hook = Hook((step, _) => runs += step == 0 ? 1 : 0);
        var first = workshop.Command(new ToyCounting(2, hook));
        await workshop.Sender.SendAsync(first, null);
        var computed = await workshop.Completed(first);

        var second = workshop.Command(new ToyCounting(2, hook));
        await workshop.Sender.SendAsync(second, null);
        var known = await workshop.Completed(second);
        Assert.Equal((computed.Output, computed.Seconds, true), (known.Output, known.Seconds, known.Found));
        Assert.Equal(1, runs);
        Assert.DoesNotContain(workshop.Inbox.All<StageStarted>(), started => started.ExecutionId == second.ExecutionId);

        var fresh = workshop.Command(new ToyCounting(2, hook), fresh: true);
        await workshop.Sender.SendAsync(fresh, null);
        Assert.Equal(computed.Output, (await workshop.Completed(fresh)).Output);
        Assert.Equal(2, runs);
    }

    [Fact]
    public async Task A_damaged_result_is_computed_again()
    {
        await using var workshop = await StartAsync(inMemory: true);
        var first = workshop.Command(new ToyCounting());
        await workshop.Sender.SendAsync(first, null);
        var output = (await workshop.Completed(first)).Output;
        File.WriteAllText(workshop.Checkpoints.PathOf(output), "damaged");

        var second = workshop.Command(new ToyCounting());
        await workshop.Sender.SendAsync(second, null);
        Assert.Equal(output, (await workshop.Completed(second)).Output);
        Assert.True(workshop.Checkpoints.Has(output));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Errors_end_as_reports_and_the_worker_goes_on(bool inMemory)
    {
        await using var workshop = await StartAsync(inMemory);
        var refusing = workshop.Command(new ToyCounting(1, Hook((_, _) => throw new LatheException("no such budget", FailureKind.Transient))));
        var broken = workshop.Command(new ToyCounting(1, Hook((_, _) => throw new InvalidOperationException("a bug"))));
        var poison = workshop.Command(new ToyCounting(Steps: 0));
        var elsewhere = workshop.Command(new ToyCounting()) with { Input = new CheckpointRef(new string('b', 64), 3), Key = new string('b', 64) };
        var otherData = workshop.Command(new ToyCounting()) with { Data = new DataRef("mnist", new string('c', 64)), Key = new string('c', 64) };
        var good = workshop.Command(new ToyCounting(5));
        foreach (var command in (ExecuteStage[])[refusing, broken, poison, elsewhere, otherData, good]) await workshop.Sender.SendAsync(command, null);

        await workshop.Completed(good);
        Assert.Equal((FailureKind.Transient, "no such budget"), Outcome(await workshop.Failed(refusing)));
        Assert.Equal(
            (FailureKind.Permanent, "InvalidOperationException: a bug (a fault in the stage; the worker's log has the details)"),
            Outcome(await workshop.Failed(broken)));
        Assert.Equal(
            (FailureKind.Permanent, "parameters of stage toy: steps is 0, expected a whole number at least 1 and at most 1000"),
            Outcome(await workshop.Failed(poison)));
        var lost = await workshop.Failed(elsewhere);
        Assert.Equal(FailureKind.InputLost, lost.Kind);
        Assert.Contains(workshop.Settings.Store, lost.Message, StringComparison.Ordinal);
        Assert.Contains("fingerprint", (await workshop.Failed(otherData)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_worker_whose_connection_is_lost_is_back_while_it_computes_and_the_message_joins_the_run()
    {
        await using var lossy = await LossyWorker.StartAsync(broker, new ToyCounting(2));
        await lossy.LoseConnectionAsync();
        await lossy.RegainConnectionAsync();
        var before = lossy.Workshop.Inbox.All<StageProgressed>().Count;
        await Eventually.True(() => lossy.Workshop.Inbox.All<StageProgressed>().Count > before, "the run is heard of again");

        lossy.Proceed.Set();
        await lossy.Workshop.Completed(lossy.Command);
        Assert.Equal([0, 1], lossy.Steps);
        Assert.Single(lossy.Workshop.Inbox.All<StageStarted>());
    }

    [Fact]
    public async Task A_run_that_ends_without_a_connection_is_reported_once_there_is_one()
    {
        await using var lossy = await LossyWorker.StartAsync(broker, new ToyCounting(2));
        await lossy.LoseConnectionAsync();
        lossy.Proceed.Set();
        await Eventually.True(() => new ResultStore(lossy.Workshop.Settings).Find(lossy.Command.Key) is not null, "the run ends");
        Assert.Empty(lossy.Workshop.Inbox.All<StageCompleted>());

        await lossy.RegainConnectionAsync();
        await lossy.Workshop.Completed(lossy.Command);
        Assert.Equal([0, 1], lossy.Steps);
    }

    [Fact]
    public async Task A_worker_that_is_told_to_go_without_a_connection_saves_its_state_first()
    {
        await using var lossy = await LossyWorker.StartAsync(broker, new ToyCounting(4), from: 2);
        await lossy.LoseConnectionAsync();
        await lossy.Worker.StopAsync();

        lossy.Proceed.Set();
        await lossy.Workshop.WorkerAsync();
        await lossy.Workshop.Completed(lossy.Command);
        Assert.Equal([0, 1, 2, 2, 3], lossy.Steps);
    }

    [Fact]
    public async Task A_worker_that_is_told_to_go_gives_its_message_back_and_another_resumes()
    {
        await using var workshop = await new Workshop(broker.Address).StartAsync();
        var steps = new List<int>();
        using var reached = new ManualResetEventSlim();
        var holds = true;
        var hook = Hook((step, stop) =>
        {
            lock (steps) steps.Add(step);
            if (step < 2 || !holds) return;
            reached.Set();
            stop.WaitHandle.WaitOne();
        });
        var first = await workshop.WorkerAsync();
        var command = workshop.Command(new ToyCounting(4, hook));
        await workshop.Sender.SendAsync(command, null);
        Assert.True(reached.Wait(TimeSpan.FromSeconds(20)));
        await first.StopAsync();
        Assert.Empty(workshop.Inbox.All<StageCompleted>());
        Assert.Empty(workshop.Inbox.All<StageFailed>());
        await Eventually.True(() => workshop.Sender.QueueDepthAsync("toy", "1").GetAwaiter().GetResult() == 1, "the message is back in its queue");

        holds = false;
        await workshop.WorkerAsync();
        var resumed = await workshop.Completed(command);
        Assert.Equal([0, 1, 2, 2, 3], steps);
        Assert.Empty(Directory.GetFiles(Path.Combine(workshop.Settings.Store, "states")));

        var undisturbed = workshop.Command(new ToyCounting(4));
        await workshop.Sender.SendAsync(undisturbed, null);
        Assert.Equal((await workshop.Completed(undisturbed)).Output, resumed.Output);
    }

    [Fact]
    public async Task An_execution_that_keeps_killing_its_worker_ends_as_failed()
    {
        await using var workshop = await StartAsync(inMemory: true);
        var command = workshop.Command(new ToyCounting());
        // What a worker leaves that is killed before it saves anything.
        for (var i = 0; i < 5; i++) new TrainingStateStore(workshop.Settings).Begin(command.Key, null, TimeProvider.System);
        await workshop.Sender.SendAsync(command, null);
        var failed = await workshop.Failed(command);
        Assert.Equal(FailureKind.Permanent, failed.Kind);
        Assert.Contains("5 attempts in a row ended without progress", failed.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_thousand_messages_sent_right_after_start_all_arrive()
    {
        await using var workshop = await new Workshop(broker.Address).StartAsync();
        const int Count = 1000;
        var stage = $"many{Guid.NewGuid():N}";
        var command = workshop.Command(new ToyCounting()) with { Stage = stage };
        await Task.WhenAll(Enumerable.Range(0, Count).Select(_ => workshop.Sender.SendAsync(command, null)));
        Assert.Equal(Count, await workshop.Sender.QueueDepthAsync(stage, "1"));
    }

    [Fact]
    public async Task A_computation_waits_for_the_machine_and_says_so()
    {
        await using var workshop = await StartAsync(inMemory: true);
        var command = workshop.Command(new ToyCounting());
        using (await new ComputeSlots(workshop.Settings).TakeAsync(1, () => { }, default))
        {
            await workshop.Sender.SendAsync(command, null);
            await workshop.Inbox.Next<StageProgressed>(p => p.Progress.Phase == StageProgress.WaitingForCpu);
            Assert.Empty(workshop.Inbox.All<StageCompleted>());
        }

        await workshop.Completed(command);
    }

    [Fact]
    public async Task What_another_process_computes_is_waited_for_and_taken()
    {
        await using var other = await StartAsync(inMemory: true);
        var runs = 0;
        var counting = new ToyCounting(Hook: Hook((_, _) => runs++));
        var first = other.Command(counting);
        await other.Sender.SendAsync(first, null);
        await other.Completed(first);
        var result = new ResultStore(other.Settings).Find(first.Key)!;
        Assert.Equal(3, runs);

        await using var workshop = await StartAsync(inMemory: true);
        var command = workshop.Command(counting);
        using (await new KeyLocks(workshop.Settings).EnterAsync(command.Key, () => { }, default))
        {
            await workshop.Sender.SendAsync(command, null);
            await workshop.Inbox.Next<StageProgressed>(p => p.Progress.Phase == StageProgress.WaitingForSame);
            Assert.Equal(result.Output, workshop.Checkpoints.Write(stream => stream.Write(File.ReadAllBytes(other.Checkpoints.PathOf(result.Output)))));
            new ResultStore(workshop.Settings).Commit(result);
        }

        Assert.Equal(result.Output, (await workshop.Completed(command)).Output);
        Assert.Equal(3, runs);
    }

    [Fact]
    public async Task Without_a_broker_one_process_runs_as_many_computations_as_there_are_slots()
    {
        await using var workshop = await new Workshop(computeSlots: 2).StartAsync();
        using var both = new CountdownEvent(2);
        var hook = Guid.NewGuid().ToString();
        ToyStage.Hooks[hook] = (step, stop) =>
        {
            // Neither goes on before the other has begun.
            if (step == 0) Assert.True(both.Signal() || both.Wait(TimeSpan.FromSeconds(30), stop), "the other did not begin");
        };
        var commands = new[] { workshop.Command(new ToyCounting(Hook: hook), seed: 1), workshop.Command(new ToyCounting(Hook: hook), seed: 2) };
        foreach (var command in commands) await workshop.Sender.SendAsync(command, null);
        foreach (var command in commands) await workshop.Completed(command);
    }

    [Theory]
    [InlineData(null, 1)]
    [InlineData(3, 3)]
    public async Task The_sweep_says_how_many_threads_compute_else_the_worker(int? asked, int expected)
    {
        await using var workshop = await StartAsync(inMemory: true);
        var command = workshop.Command(new ToyCounting(), threads: asked);
        await workshop.Sender.SendAsync(command, null);
        Assert.Equal(expected, (await workshop.Completed(command)).Metrics["threads"]);
    }

    [Theory]
    [InlineData("auto", null, DeviceKind.Auto)]
    [InlineData("auto", DeviceKind.Cpu, DeviceKind.Cpu)]
    [InlineData("auto", DeviceKind.Cuda, DeviceKind.Cuda)]
    [InlineData("cuda:1", null, DeviceKind.Cuda)]
    [InlineData("cpu", DeviceKind.Cpu, DeviceKind.Cpu)]
    public async Task The_sweep_says_what_kind_of_device_computes_else_the_worker(string own, DeviceKind? asked, DeviceKind expected)
    {
        await using var workshop = await new Workshop(settings: s => s with { Device = ComputeDevice.TryParse(own)!.Value }).StartAsync();
        var command = workshop.Command(new ToyCounting(), device: asked);
        await workshop.Sender.SendAsync(command, null);
        Assert.Equal((double)expected, (await workshop.Completed(command)).Metrics["device"]);
    }

    [Theory]
    [InlineData(true, "cpu", DeviceKind.Cuda, FailureKind.Permanent)]
    [InlineData(false, "cpu", DeviceKind.Cuda, FailureKind.Elsewhere)]
    [InlineData(false, "cuda:1", DeviceKind.Cpu, FailureKind.Elsewhere)]
    public async Task A_worker_of_another_device_refuses_and_says_whether_another_worker_may_fit(bool inMemory, string own, DeviceKind asked, FailureKind kind)
    {
        await using var workshop = await new Workshop(inMemory ? null : broker.Address, settings: s => s with { Device = ComputeDevice.TryParse(own)!.Value }).StartAsync();
        if (!inMemory) await workshop.WorkerAsync();
        var command = workshop.Command(new ToyCounting(), device: asked);
        await workshop.Sender.SendAsync(command, null);
        var failed = await workshop.Failed(command);
        Assert.Equal(kind, failed.Kind);
        Assert.StartsWith($"the sweep asks for device {asked.ToString().ToLowerInvariant()}, and this worker (", failed.Message, StringComparison.Ordinal);
        Assert.Contains($"computes on {own} (LATHE_DEVICE or --device)", failed.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_result_that_is_known_is_given_by_a_worker_of_any_device()
    {
        await using var workshop = await new Workshop(broker.Address).StartAsync();
        var command = workshop.Command(new ToyCounting(), device: DeviceKind.Cuda);
        var fitting = await workshop.WorkerAsync(s => s with { Device = new ComputeDevice(DeviceKind.Cuda) });
        await workshop.Sender.SendAsync(command, null);
        await workshop.Completed(command);
        await fitting.StopAsync();

        await workshop.WorkerAsync(s => s with { Device = new ComputeDevice(DeviceKind.Cpu) });
        var again = command with { ExecutionId = Guid.NewGuid(), SweepId = Guid.NewGuid() };
        await workshop.Sender.SendAsync(again, null);
        await workshop.Completed(again);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Workers_announce_themselves_when_a_coordinator_asks(bool inMemory)
    {
        await using var workshop = await StartAsync(inMemory);
        var before = workshop.Inbox.All<StageAnnounced>().Count;
        await workshop.Sender.AskForStagesAsync(workshop.Queue);
        await Eventually.True(() => workshop.Inbox.All<StageAnnounced>().Count > before, "an announcement");
        var manifest = workshop.Inbox.All<StageAnnounced>()[^1].Manifest;
        Assert.Equal(("toy", "1"), (manifest.Name, manifest.Version));
        Assert.Equal(1000, manifest.ParametersSchema!.Value.GetProperty("properties").GetProperty("steps").GetProperty("maximum").GetInt32());
    }

    private static (FailureKind Kind, string Message) Outcome(StageFailed failed) => (failed.Kind, failed.Message);

    private static string Hook(Action<int, CancellationToken> hook)
    {
        var name = Guid.NewGuid().ToString("N");
        ToyStage.Hooks[name] = hook;
        return name;
    }
}
