using Lathe.Contracts.Messages;
using Lathe.Hosting;

namespace Lathe.Coordinator;

/// <summary>Gives the orchestrator access to the process's bus.</summary>
internal sealed class SenderBus(StageSender sender) : IStageBus
{
    public Task SendAsync(ExecuteStage command, string? pool, string? traceParent, CancellationToken stop) => sender.SendAsync(command, pool, traceParent, stop);

    public Task CancelAsync(CancelExecutions executions, CancellationToken stop) => sender.CancelAsync(executions, stop);

    public Task<StageQueue?> QueueAsync(WorkQueue queue, CancellationToken stop) => sender.QueueAsync(queue.Stage, queue.Version, queue.Pool, stop);

    public Task AskForStagesAsync(string replyTo, CancellationToken stop) => sender.AskForStagesAsync(replyTo, stop);

    public Task<StageChecked> CheckAsync(CheckStage request, TimeSpan patience, CancellationToken stop) => sender.CheckAsync(request, patience, stop);
}
