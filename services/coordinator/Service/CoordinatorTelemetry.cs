using System.Diagnostics.Metrics;
using Lathe.Contracts;
using Lathe.Hosting;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>The coordinator's own figures; docs/cluster.md lists them.</summary>
internal static class CoordinatorTelemetry
{
    /// <summary>Name of the meter.</summary>
    public const string Name = "Lathe.Coordinator";

    public const string State = "lathe.state";
    public const string Kind = "lathe.failure.kind";

    private static readonly Meter Meter = new(Name);

    private static readonly Histogram<double> DispatchLatency = Meter.CreateHistogram<double>(
        "lathe.dispatch.latency", "s", "Time from the moment when an execution may be sent until the broker has its message.",
        advice: new() { HistogramBucketBoundaries = [0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 30, 300, 3600] });

    private static readonly Counter<long> Failures = Meter.CreateCounter<long>("lathe.failures", "{report}", "Failures that workers reported.");

    private static readonly Counter<long> Resends = Meter.CreateCounter<long>("lathe.resends", "{message}", "Executions that were sent a second or later time.");

    private static readonly Gauge<long> Executions = Meter.CreateGauge<long>("lathe.executions", "{execution}", "Executions of running sweeps in each state.");

    private static readonly Gauge<double> QueueAge = Meter.CreateGauge<double>("lathe.queue.age", "s", "Age of the oldest execution that was sent and that no worker has taken.");

    private static readonly Gauge<double> OutboxAge = Meter.CreateGauge<double>("lathe.outbox.age", "s", "How long the oldest message of the outbox is overdue; 0: none is.");

    /// <summary>A message went out.</summary>
    public static void Sent(ExecutionRow execution, DateTimeOffset now)
    {
        var stage = Tag(execution.Stage);
        if (execution.Attempt == 1) DispatchLatency.Record(Math.Max(0, (now - execution.ReadyAt).TotalSeconds), stage);
        else Resends.Add(1, stage);
    }

    /// <summary>A worker reported a failure.</summary>
    public static void Failed(string stage, FailureKind kind) => Failures.Add(1, Tag(stage), new(Kind, kind.ToString().ToLowerInvariant()));

    /// <summary>Takes the figures that are states of the database.</summary>
    public static async Task ObserveAsync(CoordinatorDatabase database, CoordinatorOptions options, DateTimeOffset now, CancellationToken stop)
    {
        var steps = await (
            from count in database.StepCounts.AsNoTracking()
            join sweep in database.Sweeps.AsNoTracking() on count.SweepId equals sweep.Id
            where sweep.Owner == options.ReplyQueue && sweep.State == SweepState.Running
            group count by count.Stage into stage
            select new
            {
                Stage = stage.Key, Waiting = stage.Sum(c => c.Waiting), Ready = stage.Sum(c => c.Ready), Queued = stage.Sum(c => c.Queued),
                Running = stage.Sum(c => c.Running), Finished = stage.Sum(c => c.Completed + c.Cached), Failed = stage.Sum(c => c.Failed),
            }).ToListAsync(stop);
        foreach (var step in steps)
        {
            foreach (var (state, count) in new[]
            {
                ("waiting", step.Waiting), ("ready", step.Ready), ("queued", step.Queued), ("running", step.Running), ("finished", step.Finished), ("failed", step.Failed),
            })
            {
                Executions.Record(count, Tag(step.Stage), new(State, state));
            }
        }

        var oldest = await database.Executions.AsNoTracking().Where(e => e.Owner == options.ReplyQueue && e.State == RunState.Queued)
            .GroupBy(e => e.Stage).Select(g => new { Stage = g.Key, SentAt = g.Min(e => e.SentAt) }).ToListAsync(stop);
        foreach (var stage in steps.Select(s => s.Stage).Union(oldest.Select(o => o.Stage)))
            QueueAge.Record(oldest.Find(o => o.Stage == stage)?.SentAt is { } sent ? Math.Max(0, (now - sent).TotalSeconds) : 0, Tag(stage));
        var due = await database.Outbox.AsNoTracking().Where(o => o.Owner == options.ReplyQueue).MinAsync(o => (DateTimeOffset?)o.ClaimedUntil, stop);
        OutboxAge.Record(due is { } at ? Math.Max(0, (now - at).TotalSeconds) : 0);
    }

    private static KeyValuePair<string, object?> Tag(string stage) => new(LatheTelemetry.Stage, stage);
}
