using System.Text.Json;
using Lathe.Cli.Embedded;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Lathe.Coordinator;
using Lathe.Hosting;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging.Abstractions;

namespace Lathe.Cli.Sources;

/// <summary>
/// Writes orders into the database, in the name of the coordinator that runs the sweep. That one carries them out within a second or two: it sends what
/// stands in its outbox, and looks at the sweep's state.
/// </summary>
internal sealed class DatabaseControl(HostingSettings settings) : ISweepControl
{
    // A coordinator that is up looks into the database every second.
    private static readonly TimeSpan CarryOutPatience = TimeSpan.FromSeconds(4);

    private readonly CoordinatorStore _store = new(DatabaseAddress.Load(settings));

    public Task<OrderAnswer> PauseAsync(string reference, string? stage, int? execution, CancellationToken stop) =>
        MoveAsync(reference, (o, id) => o.PauseAsync(new ControlTarget(id, stage, execution), stop), stop);

    public Task<OrderAnswer> ResumeAsync(string reference, string? stage, int? execution, CancellationToken stop) =>
        MoveAsync(reference, (o, id) => o.ResumeAsync(new ControlTarget(id, stage, execution), stop), stop);

    public Task<OrderAnswer> CancelAsync(string reference, string? stage, int? execution, CancellationToken stop) =>
        MoveAsync(reference, (o, id) => o.CancelAsync(new ControlTarget(id, stage, execution), stop), stop);

    public Task<OrderAnswer> RetryAsync(string reference, string? stage, int? execution, IReadOnlyDictionary<string, JsonElement>? set, CancellationToken stop) =>
        MoveAsync(reference, (o, id) => MendedRetry.RetryAsync(o, new ControlTarget(id, stage, execution), set, stop), stop);

    public Task PriorityAsync(string reference, int priority, CancellationToken stop) => OrderAsync(reference, (o, id) => Done(o.PriorityAsync(id, priority, stop)), stop);

    public Task PinAsync(string reference, bool isPinned, CancellationToken stop) => OrderAsync(reference, (o, id) => Done(o.PinAsync(id, isPinned, stop)), stop);

    public Task DeleteAsync(string reference, CancellationToken stop) => OrderAsync(reference, (o, id) => Done(o.DeleteAsync(id, stop)), stop);

    /// <summary>A sweep, and the stages that it has.</summary>
    /// <exception cref="LatheException">There is no such sweep.</exception>
    public async Task<(SweepRow Sweep, IReadOnlyList<StepCountRow> Steps)> FindAsync(string reference, CancellationToken stop)
    {
        var id = await new SweepQueries(_store, TimeProvider.System).IdAsync(reference, stop);
        await using var database = _store.Open();
        return (
            await database.Sweeps.AsNoTracking().SingleAsync(s => s.Id == id, stop),
            await database.StepCounts.AsNoTracking().Where(c => c.SweepId == id).OrderBy(c => c.Step).ToListAsync(stop));
    }

    /// <summary>True where nobody carries out what concerns a sweep: it belonged to a <c>lathe run</c> whose process is over or gone.</summary>
    public static bool IsWithoutOwner(SweepRow sweep) => sweep.IsWithoutOwner(TimeProvider.System.GetUtcNow(), new CoordinatorOptions());

    private static async Task<OrderAnswer> Done(Task task)
    {
        await task;
        return new OrderAnswer(0, []);
    }

    /// <summary>An order that moves executions. Whether the sweep's coordinator carries it out is part of the answer.</summary>
    private async Task<OrderAnswer> MoveAsync(string reference, Func<Orchestrator, Guid, Task<OrderAnswer>> order, CancellationToken stop)
    {
        var (sweep, _) = await FindAsync(reference, stop);
        var answer = await OrderAsync(sweep.Id.ToString(), order, stop);
        var asked = TimeProvider.System.GetTimestamp();
        while (!await IsTakenUpAsync(sweep.Id, stop))
        {
            if (TimeProvider.System.GetElapsedTime(asked) > CarryOutPatience)
            {
                var silent = (int)Math.Max(0, (TimeProvider.System.GetUtcNow() - sweep.OwnerSeenAt).TotalSeconds);
                return answer with
                {
                    Notes = [.. answer.Notes, $"no coordinator has carried this out yet (the last one was heard {silent} s ago): until one is up, nothing is sent, and what runs goes on"],
                };
            }

            await Task.Delay(CarryOutPatience / 20, stop);
        }

        return answer;
    }

    /// <summary>True once nothing of an order is left for the sweep's coordinator to do.</summary>
    private async Task<bool> IsTakenUpAsync(Guid id, CancellationToken stop)
    {
        await using var database = _store.Open();
        return !await database.Sweeps.AnyAsync(s => s.Id == id && s.State == SweepState.Running && s.IsAdvancing, stop)
            && !await database.Outbox.AnyAsync(o => o.CancelReason != null && database.Executions.Any(e => e.Id == o.ExecutionId && e.SweepId == id), stop);
    }

    private async Task<OrderAnswer> OrderAsync(string reference, Func<Orchestrator, Guid, Task<OrderAnswer>> order, CancellationToken stop)
    {
        var (sweep, _) = await FindAsync(reference, stop);
        using var orchestrator = new Orchestrator(
            _store, new StageCatalog(_store, TimeProvider.System), new NoBus(settings), new CheckpointStore(settings), new ResultStore(settings),
            name => DataFingerprint.Find(name, settings), new CoordinatorOptions { ReplyQueue = sweep.Owner }, TimeProvider.System, NullLoggerFactory.Instance, new TrainingStateStore(settings));
        return await order(orchestrator, sweep.Id);
    }

    /// <summary>What is to be sent stands in the outbox; the sweep's own coordinator sends it. The stages that come with Lathe answer here.</summary>
    private sealed class NoBus(HostingSettings settings) : IStageBus
    {
        public Task SendAsync(ExecuteStage command, string? pool, string? traceParent, CancellationToken stop) => throw new NotSupportedException();

        public Task CancelAsync(CancelExecutions executions, CancellationToken stop) => throw new NotSupportedException();

        public Task<StageQueue?> QueueAsync(WorkQueue queue, CancellationToken stop) => Task.FromResult<StageQueue?>(null);

        public Task AskForStagesAsync(string replyTo, CancellationToken stop) => throw new NotSupportedException();

        public Task<StageChecked> CheckAsync(CheckStage request, TimeSpan patience, CancellationToken stop) =>
            BuiltInStages.Manifests.GetValueOrDefault(request.Stage)?.Version == request.Version
                ? Task.Run(() => LocalForecast.Answer(request, settings), stop)
                : throw new LatheException($"{request.Stage} version {request.Version} does not come with this Lathe", FailureKind.Transient);
    }
}
