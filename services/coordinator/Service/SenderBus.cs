using Lathe.Contracts.Messages;
using Lathe.Hosting;

namespace Lathe.Coordinator;

/// <summary>Gives the orchestrator access to the process's bus.</summary>
internal sealed class SenderBus(StageSender sender) : IStageBus
{
    public Task SendAsync(ExecuteStage command, string? traceParent, CancellationToken stop) => sender.SendAsync(command, traceParent, stop);

    public Task CancelAsync(CancelExecutions executions, CancellationToken stop) => sender.CancelAsync(executions, stop);

    public Task<StageQueue?> QueueAsync(string stage, string version, CancellationToken stop) => sender.QueueAsync(stage, version, stop);

    public Task AskForStagesAsync(string replyTo, CancellationToken stop) => sender.AskForStagesAsync(replyTo, stop);

    public Task<StageChecked> CheckAsync(CheckStage request, TimeSpan patience, CancellationToken stop) => sender.CheckAsync(request, patience, stop);
}
