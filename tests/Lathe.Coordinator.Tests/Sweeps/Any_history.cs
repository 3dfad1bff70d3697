using CsCheck;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using static Lathe.Coordinator.Tests.Stages;

namespace Lathe.Coordinator.Tests;

/// <summary>Sweeps that share executions, under any sequence of reports, orders, restarts and passing time.</summary>
public sealed class Any_history
{
    private enum What
    {
        Finish, Fail, FailForGood, FailElsewhere, LoseInput, Hear, Cancelled, Repeat, Pass, Pause, Resume, Cancel, Retry, PauseStage, ResumeStage, CancelOne, RetryOne, Submit, Restart,
        BrokerDown, BrokerUp,
    }

    private static readonly SweepSpec[] Specs =
    [
        Sweep(("train", "{}"), ("prune", """{"multiplications": [0.5, 0.25]}"""), ("quantize", """{"bits": [2, 4]}"""), ("evaluate", "{}")),
        Sweep(("train", "{}"), ("prune", """{"multiplications": [0.25, 0.3]}"""), ("evaluate", "{}")),
        Sweep(("train", """{"epochs": [4, 5]}"""), ("evaluate", "{}")),
    ];

    private static readonly Gen<(What What, int Which)[]> AnyHistory = Gen.Select(Gen.Enum<What>(), Gen.Int[0, 1000]).Array[0, 60];

    /// <summary>More histories than a run of all tests has time for: <c>LATHE_HISTORIES=10</c> takes ten times as many.</summary>
    private static readonly int Times = int.TryParse(Environment.GetEnvironmentVariable("LATHE_HISTORIES"), out var times) ? times : 1;

    [Fact]
    public Task On_SQLite_it_ends_well_once_every_sweep_is_let_run() => CheckAsync(DatabaseKind.Sqlite, 20 * Times);

    [Fact]
    public Task On_PostgreSQL_it_ends_well_once_every_sweep_is_let_run() => CheckAsync(DatabaseKind.PostgreSql, 6 * Times);

    private static Task CheckAsync(DatabaseKind kind, int histories) => AnyHistory.SampleAsync(
        async history =>
        {
            using var bench = await Workbench.StartAsync(kind);
            var ids = new List<Guid>();
            foreach (var (what, which) in history)
            {
                await DoAsync(bench, ids, what, which);
                await bench.AssertCountedAsync();
            }

            bench.Bus.IsDown = false;
            foreach (var id in ids) await ReleaseAsync(bench, id);
            await FinishEverythingAsync(bench, ids);
            foreach (var id in ids)
            {
                var status = await bench.StatusAsync(id);
                Assert.True(status.State == SweepState.Succeeded, $"{status.State}: {string.Join(", ", status.Executions.Select(e => $"{e.Index} {e.Stage} {e.State} {e.Error}"))}");
                Assert.All(status.Executions, e => Assert.True(e.State is ExecutionState.Completed or ExecutionState.Cached, $"{e.Index} {e.Stage} is {e.State}"));
            }

            await bench.AssertCountedAsync();
        },
        iter: histories, threads: 1, print: history => string.Join("\n", history.Select(h => $"({h.What}, {h.Which})")));

    private static async Task DoAsync(Workbench bench, List<Guid> ids, What what, int which)
    {
        var sent = bench.Bus.Sent;
        var command = sent.Count == 0 ? null : sent[which % sent.Count].Command;
        var id = ids.Count == 0 ? Guid.Empty : ids[which % ids.Count];
        switch (what)
        {
            case What.Submit or What.Repeat when ids.Count < 4:
                ids.Add(await bench.SubmitAsync(Specs[which % Specs.Length], fresh: which % 7 == 0));
                break;
            case What.Pass:
                bench.Time.Advance(TimeSpan.FromSeconds(which % 100));
                await bench.ReconcileAsync();
                break;
            case What.Restart:
                await bench.RestartAsync();
                break;
            case What.BrokerDown or What.BrokerUp:
                bench.Bus.IsDown = what == What.BrokerDown;
                break;
            case var report when command is not null && report <= What.Repeat:
                await ReportAsync(bench, command, what);
                break;
            case var order when ids.Count > 0 && order > What.Pass:
                await OrderAsync(bench, id, what, which);
                break;
        }
    }

    private static Task ReportAsync(Workbench bench, ExecuteStage command, What what) => what switch
    {
        What.Fail => bench.FailAsync(command, FailureKind.Transient),
        What.FailForGood => bench.FailAsync(command, FailureKind.Permanent),
        What.FailElsewhere => bench.FailAsync(command, FailureKind.Elsewhere),
        What.LoseInput => command.Input is null ? Task.CompletedTask : LoseInputAsync(bench, command),
        What.Hear => bench.HearAsync(command),
        What.Cancelled => bench.ReportAsync(new StageCancelled(command.ExecutionId, command.Attempt, command.Key, command.Stage, "host:1")),
        _ => bench.FinishAsync(command),
    };

    private static Task LoseInputAsync(Workbench bench, ExecuteStage command)
    {
        if (bench.Checkpoints.Has(command.Input!)) bench.Damage(command.Input!);
        return bench.FailAsync(command, FailureKind.InputLost, "the checkpoint is damaged");
    }

    private static async Task OrderAsync(Workbench bench, Guid id, What what, int which)
    {
        var stage = new ControlTarget(id, which % 2 == 0 ? "prune" : "evaluate");
        var one = new ControlTarget(id, Index: which % 5);
        try
        {
            await (what switch
            {
                What.Pause => bench.Orchestrator.PauseAsync(new ControlTarget(id)),
                What.Resume => bench.Orchestrator.ResumeAsync(new ControlTarget(id)),
                What.Cancel => bench.Orchestrator.CancelAsync(new ControlTarget(id)),
                What.Retry => bench.Orchestrator.RetryAsync(new ControlTarget(id)),
                What.PauseStage => bench.Orchestrator.PauseAsync(stage),
                What.ResumeStage => bench.Orchestrator.ResumeAsync(stage),
                What.CancelOne => bench.Orchestrator.CancelAsync(one),
                What.RetryOne => bench.Orchestrator.RetryAsync(one),
                _ => Task.CompletedTask,
            });
        }
        catch (LatheException)
        {
            // Some orders make no sense in some states.
        }

        await bench.PumpAsync();
    }

    /// <summary>A person lets everything run that was paused, cancelled or failed.</summary>
    private static async Task ReleaseAsync(Workbench bench, Guid id)
    {
        foreach (var stage in new[] { "train", "prune", "quantize", "evaluate" })
        {
            try
            {
                await bench.Orchestrator.ResumeAsync(new ControlTarget(id, stage));
            }
            catch (LatheException)
            {
                // A stage that this sweep does not have.
            }
        }

        var state = (await bench.StatusAsync(id)).State;
        if (state == SweepState.Paused) await bench.Orchestrator.ResumeAsync(new ControlTarget(id));
    }

    private static async Task FinishEverythingAsync(Workbench bench, List<Guid> ids)
    {
        for (var round = 0; round < 100; round++)
        {
            foreach (var id in ids)
            {
                try
                {
                    await bench.Orchestrator.RetryAsync(new ControlTarget(id));
                }
                catch (LatheException)
                {
                    // Nothing failed.
                }

                // A retry leaves alone what was paused as a part before.
                await ReleaseAsync(bench, id);
            }

            // Longer than any wait before a retry, and than any silence.
            bench.Time.Advance(TimeSpan.FromMinutes(11));
            await bench.ReconcileAsync();
            foreach (var (command, _) in bench.Bus.Sent.TakeLast(60)) await bench.FinishAsync(command);
            var open = false;
            foreach (var id in ids) open |= (await bench.StatusAsync(id)).State != SweepState.Succeeded;
            if (!open) return;
        }
    }
}
