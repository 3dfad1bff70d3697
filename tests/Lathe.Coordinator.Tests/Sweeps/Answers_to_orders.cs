using System.Collections.Concurrent;
using Lathe.Contracts;
using Microsoft.Extensions.Logging;
using static Lathe.Coordinator.Tests.Stages;

namespace Lathe.Coordinator.Tests;

/// <summary>What an order says of itself, to the person and to the log.</summary>
public sealed class Answers_to_orders
{
    private static readonly SweepSpec Tree = Sweep(("train", """{"epochs": [1, 2]}"""), ("prune", """{"multiplications": [0.5, 0.25]}"""));

    [Fact]
    public async Task An_order_about_a_whole_sweep_says_how_many_executions_it_changed()
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(Tree);
        await bench.FinishAsync(bench.Bus.Take()[0]);

        int[] changed =
        [
            (await bench.Orchestrator.PauseAsync(new ControlTarget(id))).Executions, (await bench.Orchestrator.PauseAsync(new ControlTarget(id))).Executions,
            (await bench.Orchestrator.ResumeAsync(new ControlTarget(id))).Executions, (await bench.Orchestrator.ResumeAsync(new ControlTarget(id))).Executions,
            (await bench.Orchestrator.CancelAsync(new ControlTarget(id))).Executions, (await bench.Orchestrator.CancelAsync(new ControlTarget(id))).Executions,
            (await bench.Orchestrator.RetryAsync(new ControlTarget(id))).Executions,
        ];
        Assert.Equal([5, 0, 5, 0, 5, 0, 5], changed);
    }

    [Fact]
    public async Task A_resume_says_what_is_still_paused_and_how_to_go_on()
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(Tree);
        await bench.Orchestrator.PauseAsync(new ControlTarget(id));
        await bench.Orchestrator.PauseAsync(new ControlTarget(id, "train"));
        await bench.Orchestrator.PauseAsync(new ControlTarget(id, Index: 2));

        Assert.Equal(["sweep test is still paused as a whole: lathe resume test"], (await bench.Orchestrator.ResumeAsync(new ControlTarget(id, Index: 1))).Notes);
        Assert.Equal(
            ["train of sweep test is still paused: lathe resume test --stage train", "execution 2 (prune) of sweep test is still paused: lathe resume test --execution 2"],
            (await bench.Orchestrator.ResumeAsync(new ControlTarget(id))).Notes);
        await bench.Orchestrator.PauseAsync(new ControlTarget(id, Index: 4));
        Assert.Equal(["2 executions of prune of sweep test are still paused: lathe resume test --stage prune"], (await bench.Orchestrator.ResumeAsync(new ControlTarget(id, "train"))).Notes);
        Assert.Empty((await bench.Orchestrator.ResumeAsync(new ControlTarget(id, "prune"))).Notes);
    }

    [Fact]
    public async Task An_execution_that_was_skipped_is_retried_by_what_it_was_skipped_for()
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(Tree);
        await bench.Orchestrator.CancelAsync(new ControlTarget(id));

        var refused = await Assert.ThrowsAsync<LatheException>(() => bench.Orchestrator.RetryAsync(new ControlTarget(id, Index: 1)));

        Assert.Contains("lathe retry test --execution 0", refused.Message);
        Assert.All(await bench.StatesAsync(id), s => Assert.Equal(ExecutionState.Cancelled, s));
    }

    [Theory, CombinatorialDatabases]
    public async Task A_pause_that_no_coordinator_carries_out_is_seen(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        var id = await bench.SubmitAsync(Tree);
        foreach (var command in bench.Bus.Take()) await bench.HearAsync(command);
        bench.Bus.IsDown = true;
        await bench.Orchestrator.PauseAsync(new ControlTarget(id));
        Assert.Null((await bench.StatusAsync(id)).Reason);

        bench.Time.Advance(TimeSpan.FromSeconds(11));
        Assert.Contains("what runs goes on until then", (await bench.StatusAsync(id)).Reason);
        bench.Bus.IsDown = false;
        await bench.ReconcileAsync();
        Assert.Null((await bench.StatusAsync(id)).Reason);

        // The coordinator itself is no more.
        bench.Time.Advance(TimeSpan.FromMinutes(2));
        Assert.StartsWith("no coordinator was heard since 2030-01-01 12:00:11 UTC", (await bench.StatusAsync(id)).Reason);
        Assert.Null((await new SweepQueries(bench.Store, bench.Time, bench.Options).StatusAsync(id.ToString())).Reason);
    }

    [Fact]
    public async Task Every_order_leaves_a_line_in_the_log()
    {
        using var bench = await Workbench.StartAsync();
        using var log = new Lines();
        bench.Log = log;
        await bench.RestartAsync();
        var id = await bench.SubmitAsync(Tree);
        await bench.Orchestrator.PauseAsync(new ControlTarget(id, "prune"));
        await bench.Orchestrator.PriorityAsync(id, 5);
        await bench.Orchestrator.PinAsync(id, isPinned: true);
        await bench.Orchestrator.PinAsync(id, isPinned: false);
        await bench.Orchestrator.CancelAsync(new ControlTarget(id));
        await bench.Orchestrator.RetryAsync(new ControlTarget(id, Index: 0));
        await bench.Orchestrator.CancelAsync(new ControlTarget(id));
        await bench.Orchestrator.DeleteAsync(id);

        string[] said =
        [
            "submitted, executions: 6, priority 3", "order to pause stage prune, executions changed: 4", "priority 5", "pinned", "no longer pinned", "order to cancel all of it, executions changed: 6",
            "order to retry execution 0, executions changed: 1", "order to cancel all of it, executions changed: 3", "deleted",
        ];
        Assert.Equal(said.Select(line => $"Sweep test ({id}): {line}"), log.Said.Where(line => line.Contains($"({id}): ", StringComparison.Ordinal)));
    }

    private sealed class Lines : ILoggerFactory, ILogger
    {
        private readonly ConcurrentQueue<string> _said = new();

        public IEnumerable<string> Said => _said;

        public ILogger CreateLogger(string categoryName) => this;

        public void AddProvider(ILoggerProvider provider)
        {
        }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel)) _said.Enqueue(formatter(state, exception));
        }

        public void Dispose()
        {
        }
    }
}
