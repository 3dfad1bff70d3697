using System.Text.Json;
using Lathe.Contracts;
using Lathe.Coordinator;

namespace Lathe.Cli.Sources;

/// <summary>
/// Takes orders about sweeps: a running coordinator, or the database of one. Every order may be given twice. A sweep is named by its id, the start of one, or
/// its name. An order gives the number of executions that it changed, and what else is needed before they run.
/// </summary>
internal interface ISweepControl
{
    /// <summary>Sends nothing more; what runs stops at the next batch and keeps its state.</summary>
    /// <param name="reference">The sweep.</param>
    /// <param name="stage">Only its executions of this stage; null: all.</param>
    /// <param name="execution">Only this execution; null: all.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="LatheException">There is no such sweep or part, or nothing to pause.</exception>
    Task<OrderAnswer> PauseAsync(string reference, string? stage, int? execution, CancellationToken stop);

    /// <summary>Goes on with what was paused or interrupted.</summary>
    /// <inheritdoc cref="PauseAsync"/>
    Task<OrderAnswer> ResumeAsync(string reference, string? stage, int? execution, CancellationToken stop);

    /// <summary>Calls off what has not finished.</summary>
    /// <inheritdoc cref="PauseAsync"/>
    Task<OrderAnswer> CancelAsync(string reference, string? stage, int? execution, CancellationToken stop);

    /// <summary>Runs again what failed or was cancelled.</summary>
    /// <param name="reference">The sweep.</param>
    /// <param name="stage">Only its executions of this stage; null: all.</param>
    /// <param name="execution">Only this execution; null: all.</param>
    /// <param name="set">Parameters to change, by stage; null: none.</param>
    /// <param name="stop">Gives up.</param>
    Task<OrderAnswer> RetryAsync(string reference, string? stage, int? execution, IReadOnlyDictionary<string, JsonElement>? set, CancellationToken stop);

    /// <summary>Sets the priority, 1 to 5.</summary>
    Task PriorityAsync(string reference, int priority, CancellationToken stop);

    /// <summary>Keeps everything of a sweep, or no longer.</summary>
    Task PinAsync(string reference, bool isPinned, CancellationToken stop);

    /// <summary>Forgets a sweep that is over.</summary>
    Task DeleteAsync(string reference, CancellationToken stop);
}
