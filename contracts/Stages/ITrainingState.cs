namespace Lathe.Contracts;

/// <summary>
/// Where a stage keeps what it needs to go on after an interruption. One slot for each execution; it outlives the worker.
/// </summary>
public interface ITrainingState
{
    /// <summary>The state saved last, or null at a first start. The caller disposes it.</summary>
    Stream? Open();

    /// <summary>Replaces the state, whole or not at all.</summary>
    /// <param name="write">Writes the new state.</param>
    void Save(Action<Stream> write);
}
