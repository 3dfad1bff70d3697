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
        _ when sweep is SweepState.Failed or SweepState.Succeeded => ExecutionState.Skipped,
        _ when sweep == SweepState.Paused => ExecutionState.Paused,
        NodeState.Paused => ExecutionState.Paused,
        // Nobody computes it, and it goes on with its sweep.
        _ when sweep == SweepState.Interrupted => ExecutionState.Waiting,
        NodeState.Running => ExecutionState.Running,
        NodeState.Ready => ExecutionState.Ready,
        NodeState.Queued => ExecutionState.Queued,
        _ => ExecutionState.Waiting,
    };
}

/// <summary>What a person may order about a sweep or a part of it.</summary>
public enum Order
{
    Pause,
    Resume,
    Cancel,
    Retry,
}

/// <summary>What an order does to its sweep.</summary>
public enum OrderEffect
{
    /// <summary>The state does not allow it: it is refused, and changes nothing.</summary>
    Refused,

    /// <summary>It was given before, or there is nothing to do: it changes nothing.</summary>
    Nothing,

    /// <summary>The sweep stays as it is. The executions that the order names move as <see cref="SweepOrders.After"/> says.</summary>
    Executions,

    /// <summary>The whole sweep is paused: nothing of it runs before it is resumed.</summary>
    Pauses,

    /// <summary>The whole sweep is cancelled: nothing of it runs before a retry.</summary>
    Cancels,

    /// <summary>The sweep runs with everything that is open.</summary>
    Runs,

    /// <summary>The sweep runs with what the order names and with what starts from it. Everything else that is open is cancelled, one by one.</summary>
    RunsPart,
}

/// <summary>What each order does in each state. The only place that decides it; docs/cli.md shows it to people.</summary>
public static class SweepOrders
{
    /// <summary>What an order does to a sweep.</summary>
    /// <param name="order">The order.</param>
    /// <param name="state">State of the sweep.</param>
    /// <param name="isWhole">False: the order is about a stage of it or one execution.</param>
    public static OrderEffect On(Order order, SweepState state, bool isWhole) => (order, state, isWhole) switch
    {
        (Order.Pause, SweepState.Running or SweepState.Preparing, true) => OrderEffect.Pauses,
        (Order.Pause, SweepState.Paused, true) => OrderEffect.Nothing,
        (Order.Resume, SweepState.Paused or SweepState.Interrupted, true) => OrderEffect.Runs,
        (Order.Resume, SweepState.Running or SweepState.Preparing, true) => OrderEffect.Nothing,
        (Order.Cancel, SweepState.Running or SweepState.Preparing or SweepState.Paused, true) => OrderEffect.Cancels,
        (Order.Cancel, SweepState.Cancelled, _) => OrderEffect.Nothing,
        (Order.Retry, SweepState.Failed or SweepState.Cancelled or SweepState.Interrupted, true) => OrderEffect.Runs,
        // Of a search that is over, what was stopped early can go on.
        (Order.Retry, SweepState.Failed or SweepState.Cancelled or SweepState.Succeeded, false) => OrderEffect.RunsPart,
        // A paused sweep stays paused whatever is ordered about a part of it.
        (_, SweepState.Running or SweepState.Preparing or SweepState.Paused, _) => OrderEffect.Executions,
        _ => OrderEffect.Refused,
    };

    /// <summary>Where an execution that an order names stands afterwards; null where the order changes nothing about it.</summary>
    public static NodeState? After(Order order, NodeState state) => (order, state) switch
    {
        (Order.Pause, NodeState.Waiting or NodeState.Ready or NodeState.Queued or NodeState.Running) => NodeState.Paused,
        (Order.Resume, NodeState.Paused) => NodeState.Waiting,
        (Order.Cancel, NodeState.Waiting or NodeState.Ready or NodeState.Queued or NodeState.Running or NodeState.Paused) => NodeState.Cancelled,
        (Order.Retry, NodeState.Failed or NodeState.Cancelled) => NodeState.Waiting,
        _ => null,
    };

    /// <summary>Why a sweep refuses an order, and what to do instead.</summary>
    public static string Refusal(Order order, SweepRow sweep, bool isWhole)
    {
        var stands = $"sweep {sweep.Name} {(sweep.State is SweepState.Failed or SweepState.Succeeded ? "has" : "is")} {Word(sweep.State)}";
        return (order, sweep.State) switch
        {
            (_, SweepState.Interrupted) when !isWhole => $"{stands}; its parts follow once all of it goes on: lathe resume {sweep.Name}",
            (Order.Resume, SweepState.Failed or SweepState.Cancelled) => $"{stands}, and resume is for what is paused or interrupted; to go on with it: lathe retry {sweep.Name}",
            (Order.Retry, _) => $"nothing of sweep {sweep.Name} failed or was cancelled; there is nothing to retry",
            _ => $"{stands}; there is nothing to {Word(order)}",
        };
    }

    /// <summary>Why a sweep cannot be deleted, and all that has to come first; null: it can.</summary>
    public static string? KeepsFromDeleting(string name, SweepState state, bool isPinned)
    {
        var goesOn = state is SweepState.Running or SweepState.Preparing or SweepState.Paused;
        return (goesOn, isPinned) switch
        {
            (true, true) => $"sweep {name} is {Word(state)} and pinned; first: lathe cancel {name}, then lathe unpin {name}",
            (true, false) => $"sweep {name} is {Word(state)}; first: lathe cancel {name}",
            (false, true) => $"sweep {name} is pinned; first: lathe unpin {name}",
            _ => null,
        };
    }

    /// <summary>An order or a state, for people.</summary>
    public static string Word(Enum value) => value.ToString().ToLowerInvariant();
}
