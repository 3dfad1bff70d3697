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
    private readonly CoordinatorStore _store = new(DatabaseAddress.Load(settings));

    public Task<int?> PauseAsync(string reference, string? stage, int? execution, CancellationToken stop) =>
        OrderAsync(reference, (o, id) => o.PauseAsync(new ControlTarget(id, stage, execution), stop), stop);

    public Task<int?> ResumeAsync(string reference, string? stage, int? execution, CancellationToken stop) =>
        OrderAsync(reference, (o, id) => o.ResumeAsync(new ControlTarget(id, stage, execution), stop), stop);

    public Task<int?> CancelAsync(string reference, string? stage, int? execution, CancellationToken stop) =>
        OrderAsync(reference, (o, id) => o.CancelAsync(new ControlTarget(id, stage, execution), stop), stop);

    public Task<int?> RetryAsync(string reference, string? stage, int? execution, IReadOnlyDictionary<string, JsonElement>? set, CancellationToken stop) =>
        OrderAsync(reference, async (o, id) => (int?)await MendedRetry.RetryAsync(o, new ControlTarget(id, stage, execution), set, stop), stop);

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

    private static async Task<int?> Done(Task task)
    {
        await task;
        return null;
    }

    private async Task<int?> OrderAsync(string reference, Func<Orchestrator, Guid, Task<int?>> order, CancellationToken stop)
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
        public Task SendAsync(ExecuteStage command, string? traceParent, CancellationToken stop) => throw new NotSupportedException();

        public Task CancelAsync(CancelExecutions executions, CancellationToken stop) => throw new NotSupportedException();

        public Task<StageQueue?> QueueAsync(string stage, string version, CancellationToken stop) => Task.FromResult<StageQueue?>(null);

        public Task AskForStagesAsync(string replyTo, CancellationToken stop) => throw new NotSupportedException();

        public Task<StageChecked> CheckAsync(CheckStage request, TimeSpan patience, CancellationToken stop) =>
            BuiltInStages.Manifests.GetValueOrDefault(request.Stage)?.Version == request.Version
                ? Task.Run(() => LocalForecast.Answer(request, settings), stop)
                : throw new LatheException($"{request.Stage} version {request.Version} does not come with this Lathe", FailureKind.Transient);
    }
}
