using Lathe.Contracts.Messages;
using Lathe.Hosting;

namespace Lathe.Coordinator;

/// <summary>The calls that the coordinator makes to the bus.</summary>
internal interface IStageBus
{
    /// <summary>Sends a command to its stage's queue.</summary>
    /// <param name="command">The command.</param>
    /// <param name="pool">Pool of the stage's workers; null: those in none.</param>
    /// <param name="traceParent">W3C trace context of the execution that made the input, or null.</param>
    /// <param name="stop">Gives up.</param>
    Task SendAsync(ExecuteStage command, string? pool, string? traceParent, CancellationToken stop);

    /// <summary>Has the workers that compute these executions stop them.</summary>
    Task CancelAsync(CancelExecutions executions, CancellationToken stop);

    /// <summary>How a queue stands; null if the bus does not know it.</summary>
    Task<StageQueue?> QueueAsync(WorkQueue queue, CancellationToken stop);

    /// <summary>Asks every running worker to announce its stage to a queue.</summary>
    Task AskForStagesAsync(string replyTo, CancellationToken stop);

    /// <summary>Asks a worker of a stage about executions before they run.</summary>
    /// <param name="request">The questions.</param>
    /// <param name="patience">How long it has to answer.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="Contracts.LatheException">No worker answers.</exception>
    Task<StageChecked> CheckAsync(CheckStage request, TimeSpan patience, CancellationToken stop);
}
