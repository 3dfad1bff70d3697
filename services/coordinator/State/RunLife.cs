using Lathe.Contracts;

namespace Lathe.Coordinator;

/// <summary>What can happen to an execution.</summary>
public enum RunEvent
{
    /// <summary>The coordinator sent it to its queue.</summary>
    Send,

    /// <summary>A result was in the store already.</summary>
    Find,

    /// <summary>A worker took it, or reported progress.</summary>
    Hear,

    /// <summary>A worker reported a result.</summary>
    Complete,

    /// <summary>The attempt ended or was lost, and another one may help.</summary>
    TryAgain,

    /// <summary>It failed, and no further attempt would help.</summary>
    Fail,

    /// <summary>No node wants it any more.</summary>
    Cancel,
}

/// <summary>How an execution moves from state to state. The only place that decides it.</summary>
public static class RunLife
{
    /// <summary>The state after an event; null where the event changes nothing, because it came late or twice.</summary>
    public static RunState? Next(RunState state, RunEvent what) => (state, what) switch
    {
        (RunState.Ready, RunEvent.Send) => RunState.Queued,
        (RunState.Queued or RunState.Running, RunEvent.Hear) => RunState.Running,
        // An earlier attempt may complete while the next one waits: same key, same result.
        (RunState.Ready or RunState.Queued or RunState.Running, RunEvent.Complete or RunEvent.Find) => RunState.Completed,
        (RunState.Queued or RunState.Running, RunEvent.TryAgain) => RunState.Ready,
        (RunState.Ready or RunState.Queued or RunState.Running, RunEvent.Fail) => RunState.Failed,
        (RunState.Ready or RunState.Queued or RunState.Running, RunEvent.Cancel) => RunState.Cancelled,
        _ => null,
    };

    /// <summary>True where nothing moves it any more.</summary>
    public static bool IsOver(RunState state) => state is RunState.Completed or RunState.Failed or RunState.Cancelled;

    /// <summary>Whether another attempt may help after a failure.</summary>
    /// <param name="kind">What the worker says of the failure.</param>
    /// <param name="failures">Transient failures so far, this one included.</param>
    /// <param name="attempts">Most transient failures.</param>
    public static RunEvent AfterFailure(FailureKind kind, int failures, int attempts) => kind switch
    {
        // It says something about the worker and nothing about the work.
        FailureKind.Elsewhere => RunEvent.TryAgain,
        FailureKind.InputLost => RunEvent.Cancel,
        FailureKind.Transient when failures < attempts => RunEvent.TryAgain,
        _ => RunEvent.Fail,
    };
}

/// <summary>Where a node of a sweep's tree stands.</summary>
public enum NodeState
{
    Waiting,
    Ready,
    Queued,
    Running,
    Completed,
    Cached,
    Failed,
    Skipped,
    Paused,
    Cancelled,
}

/// <summary>The state of a node follows from its row and its execution.</summary>
public static class NodeStates
{
    /// <summary>State of a node, whatever its sweep's state is.</summary>
    /// <param name="node">The node.</param>
    /// <param name="run">State of its execution; null without one.</param>
    /// <param name="isCached">True if the execution was found, or runs on another node's account.</param>
    public static NodeState Of(NodeRow node, RunState? run, bool isCached) => run switch
    {
        RunState.Ready => NodeState.Ready,
        RunState.Queued => NodeState.Queued,
        RunState.Running => NodeState.Running,
        RunState.Completed => isCached ? NodeState.Cached : NodeState.Completed,
        RunState.Failed => NodeState.Failed,
        RunState.Cancelled => NodeState.Cancelled,
        _ => (node.Hold, node.BlockedBy) switch
        {
            (NodeHold.Cancelled, _) => NodeState.Cancelled,
            (_, not null) => NodeState.Skipped,
            (NodeHold.Paused, _) => NodeState.Paused,
            _ => NodeState.Waiting,
        },
    };

    /// <summary>State of a node with this execution.</summary>
    public static NodeState Of(NodeRow node, ExecutionRow? execution) => Of(node, execution?.State, execution is not null && IsCached(node, execution));

    /// <summary>True if the node takes a result that was not computed on its own account.</summary>
    public static bool IsCached(NodeRow node, ExecutionRow execution) =>
        execution.Found || execution.SweepId != node.SweepId || execution.NodeIndex != node.Index;

    /// <summary>True while something may still happen to it without a person.</summary>
    public static bool IsOpen(NodeState state) => state is NodeState.Waiting or NodeState.Ready or NodeState.Queued or NodeState.Running or NodeState.Paused;

    /// <summary>The word for people and clients.</summary>
    /// <param name="state">State of the node.</param>
    /// <param name="sweep">State of its sweep: one that is over has nothing under way.</param>
    public static ExecutionState Shown(NodeState state, SweepState sweep) => state switch
    {
        NodeState.Completed => ExecutionState.Completed,
        NodeState.Cached => ExecutionState.Cached,
        NodeState.Failed => ExecutionState.Failed,
        NodeState.Skipped => ExecutionState.Skipped,
        NodeState.Cancelled => ExecutionState.Cancelled,
        _ when sweep == SweepState.Cancelled => ExecutionState.Cancelled,
        _ when sweep is SweepState.Interrupted or SweepState.Failed or SweepState.Succeeded => ExecutionState.Skipped,
        _ when sweep == SweepState.Paused => ExecutionState.Paused,
        NodeState.Paused => ExecutionState.Paused,
        NodeState.Running => ExecutionState.Running,
        NodeState.Ready or NodeState.Queued => ExecutionState.Queued,
        _ => ExecutionState.Waiting,
    };
}
