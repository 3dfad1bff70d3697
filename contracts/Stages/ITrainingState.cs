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

    /// <summary>What <see cref="Open"/> gave is damaged, and the stage starts over from its beginning; people are told.</summary>
    /// <param name="how">What is wrong with it: a sentence without a full stop.</param>
    void Damaged(string how);
}
