namespace Lathe.Contracts;

/// <summary>
/// The saved state that a stage resumes from after an interruption. Each execution has one slot, and it outlives the worker.
/// </summary>
public interface ITrainingState
{
    /// <summary>The state saved last, or null at a first start. The caller disposes it.</summary>
    Stream? Open();

    /// <summary>Replaces the state, whole or not at all.</summary>
    /// <param name="write">Writes the new state.</param>
    void Save(Action<Stream> write);

    /// <summary>Reports that the state from <see cref="Open"/> is damaged and that the stage starts from its beginning. The user sees this.</summary>
    /// <param name="how">Describes the damage: a sentence without a full stop.</param>
    void Damaged(string how);
}
