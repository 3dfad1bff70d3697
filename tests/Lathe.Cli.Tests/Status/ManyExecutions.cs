using System.Text.Json;
using Lathe.Cli.Embedded;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Lathe.Coordinator;
using Lathe.Hosting;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging.Abstractions;

namespace Lathe.Cli.Tests.Status;

/// <summary>A database with a sweep of many executions in the middle of its run: most are done, some run, failed or wait. Nothing was computed.</summary>
internal static class ManyExecutions
{
    /// <summary>Executions of one seed: a training, ten prunings, thirty quantizations, each measured.</summary>
    public const int OfSeed = 71;

    /// <summary>Makes the database.</summary>
    /// <param name="address">Where.</param>
    /// <param name="seeds">Seeds of the sweep.</param>
    /// <returns>The sweep's id.</returns>
    public static async Task<Guid> MakeAsync(DatabaseAddress address, int seeds)
    {
        var store = new CoordinatorStore(address);
        await store.PrepareAsync();
        var id = await SubmitAsync(store, seeds);
        await using var database = store.Open();
        var points = await database.Points.Where(p => p.SweepId == id).ToDictionaryAsync(p => p.Number);
        var nodes = await database.Nodes.AsNoTracking().Where(n => n.SweepId == id).OrderBy(n => n.Index).ToListAsync();
        var sweep = await database.Sweeps.SingleAsync();
        var executions = new List<ExecutionRow>();
        var byIndex = new Dictionary<int, (NodeRow Node, RunState? State)>();
        foreach (var node in nodes)
        {
            var point = points[node.Point];
            var parent = node.Parent is { } index ? byIndex[index] : (node, RunState.Completed);
            RunState? state = parent.Item2 switch
            {
                RunState.Completed => StateOf(node.Index, nodes.Count, point.Stage),
                _ => null,
            };
            if (parent.Item2 == RunState.Failed || parent.Item1.BlockedBy is not null) node.BlockedBy = parent.Item1.BlockedBy ?? node.Parent;
            byIndex.Add(node.Index, (node, state));
            if (state is null) continue;
            var execution = Execution(sweep, node, point, state.Value);
            node.ExecutionId = execution.Id;
            executions.Add(execution);
        }

        await database.Nodes.Where(n => n.SweepId == id).ExecuteDeleteAsync();
        await BulkInsert.AddAsync(database, nodes);
        await BulkInsert.AddAsync(database, executions);
        await BulkInsert.AddAsync(database, executions.Where(e => e.State == RunState.Running).Select(e => new LeaseRow
        {
            ExecutionId = e.Id, Attempt = 1, Worker = e.Worker!, HeardAt = sweep.SubmittedAt, Progress = JsonSerializer.Serialize(new StageProgress("training", 3.4, 6, 0.3, 0.89, 12_000, 90), LatheJson.Options),
        }));
        foreach (var count in await database.StepCounts.Where(c => c.SweepId == id).ToListAsync()) Fill(count, [.. nodes.Where(n => points[n.Point].Step == count.Step)], executions);
        sweep.OwnerSeenAt = DateTimeOffset.UtcNow;
        await database.SaveChangesAsync();
        return id;
    }

    private static async Task<Guid> SubmitAsync(CoordinatorStore store, int seeds)
    {
        var catalog = new StageCatalog(store, TimeProvider.System);
        foreach (var manifest in BuiltInStages.Manifests.Values) await catalog.AddAsync(manifest);
        using var orchestrator = new Orchestrator(
            store, catalog, new NobodyAnswers(), new CheckpointStore(new FolderBlobs("none")), new ResultStore(new FolderBlobs("none")),
            name => new DataRef(name, new string('d', 64)), new CoordinatorOptions(), TimeProvider.System, NullLoggerFactory.Instance);
        var outcome = await orchestrator.SubmitAsync(new SweepSubmission(new SweepSpec(
            "many", ["lenet5"], ["fashion-mnist"], [.. Enumerable.Range(1, seeds).Select(s => (long)s)],
            [
                new StageSpec("train", Json("{}")),
                new StageSpec("prune", Json("""{"multiplications":[0.1,0.15,0.2,0.25,0.3,0.35,0.4,0.45,0.5,0.55]}""")),
                new StageSpec("quantize", Json("""{"bits":[2,4,8]}""")),
                new StageSpec("evaluate", Json("{}")),
            ])));
        return outcome.Id ?? throw new InvalidOperationException(string.Join('\n', outcome.Problems));
    }

    private static JsonElement Json(string text) => JsonDocument.Parse(text).RootElement;

    /// <summary>Three quarters are done, but for one in 97; then the work goes on.</summary>
    private static RunState? StateOf(int index, int all, string stage) => (index, stage) switch
    {
        var (i, s) when i < all * 3 / 4 => s != "train" && i % 97 == 0 ? RunState.Failed : RunState.Completed,
        var (i, s) when i < (all * 3 / 4) + 400 => s is "train" or "prune" && i % 3 != 0 ? RunState.Completed : i % 5 == 0 ? RunState.Running : RunState.Queued,
        (_, "train") => RunState.Ready,
        _ => null,
    };

    private static ExecutionRow Execution(SweepRow sweep, NodeRow node, PointRow point, RunState state)
    {
        // Not in a hurry and the same each time: figures that scatter like results.
        var scatter = node.Index * 2654435761 % 1000 / 1000.0;
        var isDone = state == RunState.Completed;
        var parameters = 53_197 + (node.Index % 71 * 2_000);
        Dictionary<string, double> metrics = point.Stage == "evaluate"
            ? new()
            {
                ["top1"] = 0.86 + (0.06 * Math.Sqrt(parameters / 200_000.0)) + (0.005 * scatter), ["top1Dense"] = 0.9256, ["loss"] = 0.25, ["parameters"] = parameters,
                ["parametersRatio"] = parameters / 215_546.0, ["multiplications"] = parameters * 14, ["multiplicationsRatio"] = parameters * 14 / 3_024_384.0, ["bits"] = 2, ["bytes"] = parameters / 4.0,
                ["bytesDense"] = 862_952, ["peakActivationBytes"] = 69_018,
            }
            : new() { ["loss"] = 0.1 };
        return new ExecutionRow
        {
            Id = Guid.CreateVersion7(), Key = $"{node.Index:x64}", Owner = sweep.Owner, SweepId = sweep.Id, NodeIndex = node.Index, Stage = point.Stage, StageVersion = point.Version,
            State = state, Attempt = state == RunState.Ready ? 0 : 1, ReadyAt = sweep.SubmittedAt, Worker = state is RunState.Ready or RunState.Queued ? null : $"gpu-node-{node.Index % 7}:1:{point.Stage}",
            FinishedAt = isDone || state == RunState.Failed ? sweep.SubmittedAt.AddSeconds(node.Index) : null,
            OutputSha256 = isDone ? $"{node.Index:x64}" : null, OutputBytes = isDone ? 9000 : null, Metrics = isDone ? JsonSerializer.Serialize(metrics, LatheJson.Options) : null, Seconds = isDone ? 30 + scatter : null,
            Error = state != RunState.Failed ? null : node.Index % 2 == 0 ? $"loss became NaN in epoch {node.Index % 5}; a lower learning rate may help" : "out of memory: the worker has 8.0 GiB",
        };
    }

    private static void Fill(StepCountRow count, List<NodeRow> nodes, List<ExecutionRow> executions)
    {
        var byId = executions.ToDictionary(e => e.Id);
        var states = nodes.GroupBy(n => NodeStates.Of(n, n.ExecutionId is { } id ? byId[id] : null)).ToDictionary(g => g.Key, g => g.Count());
        int In(NodeState state) => states.GetValueOrDefault(state);
        (count.Waiting, count.Ready, count.Queued, count.Running) = (In(NodeState.Waiting), In(NodeState.Ready), In(NodeState.Queued), In(NodeState.Running));
        (count.Completed, count.Failed, count.Skipped, count.Seconds) = (In(NodeState.Completed), In(NodeState.Failed), In(NodeState.Skipped), 30.5 * In(NodeState.Completed));
    }

    private sealed class NobodyAnswers : IStageBus
    {
        public Task SendAsync(ExecuteStage command, string? pool, string? traceParent, CancellationToken stop) => throw new LatheException("no bus");

        public Task CancelAsync(CancelExecutions executions, CancellationToken stop) => throw new LatheException("no bus");

        public Task<StageQueue?> QueueAsync(WorkQueue queue, CancellationToken stop) => throw new LatheException("no bus");

        public Task AskForStagesAsync(string replyTo, CancellationToken stop) => throw new LatheException("no bus");

        public Task<StageChecked> CheckAsync(CheckStage request, TimeSpan patience, CancellationToken stop) => throw new LatheException("no bus");
    }
}
