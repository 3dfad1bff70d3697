using Lathe.Contracts.Messages;

namespace Lathe.Conformance.Wire;

/// <summary>What a message must hold that its type alone does not say.</summary>
internal static class Reports
{
    /// <summary>What a message lacks; null: nothing.</summary>
    public static string? Problem(object message) => message switch
    {
        StageAnnounced { Manifest: null } => "manifest is missing",
        StageAnnounced { Worker: null or "" } => "worker is missing",
        IStageReport { ExecutionId: var id } when id == Guid.Empty => "executionId is missing",
        IStageReport { Key: null } => "key is missing",
        IStageReport { Stage: null } => "stage is missing",
        IStageReport { Attempt: < 1 } => "attempt is missing",
        StageStarted { Worker: null or "" } or StageProgressed { Worker: null or "" } or StageCancelled { Worker: null or "" } => "worker is missing",
        StageProgressed { Progress: null or { Phase: null or "" } } => "progress has no phase",
        StageCompleted { Output: null or { Sha256: null } } => "output is missing",
        StageCompleted { Metrics: null } => "metrics are missing",
        StageFailed { Message: null or "" } => "message is missing",
        StageChecked { Forecasts: null } => "forecasts are missing",
        _ => null,
    };

    /// <summary>True for the report that ends an execution.</summary>
    public static bool IsEnd(object? message) => message is StageCompleted or StageFailed or StageCancelled;
}
