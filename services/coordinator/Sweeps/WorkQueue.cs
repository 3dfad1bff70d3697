namespace Lathe.Coordinator;

/// <summary>Where executions wait for their workers.</summary>
/// <param name="Stage">Name of the stage.</param>
/// <param name="Version">Its version.</param>
/// <param name="Pool">Pool of its workers; null: those in none.</param>
internal readonly record struct WorkQueue(string Stage, string Version, string? Pool)
{
    public static WorkQueue Of(ExecutionRow execution) => new(execution.Stage, execution.StageVersion, execution.Pool);

    public static WorkQueue Of(StepCountRow step) => new(step.Stage, step.Version, step.Pool);
}
