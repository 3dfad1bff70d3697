using Lathe.Contracts;
using Lathe.Contracts.Panels;

namespace Lathe.Coordinator;

/// <summary>One execution with its course and its place among others.</summary>
/// <param name="Execution">The execution.</param>
/// <param name="Epochs">Figures of its epochs so far, in order.</param>
/// <param name="Sweep">The sweep that it was asked for in.</param>
/// <param name="Version">Version of its stage.</param>
/// <param name="Id">Names the execution in messages and logs; null until its input is known.</param>
/// <param name="Attempt">Number of times that it was sent.</param>
/// <param name="Failures">Number of failures that another attempt followed, or might have.</param>
/// <param name="ReadyAt">When its input was there.</param>
/// <param name="SentAt">When it was sent to its queue last.</param>
/// <param name="StartedAt">When a worker took the present attempt.</param>
/// <param name="FinishedAt">When it ended.</param>
/// <param name="Input">Checkpoint that it starts from.</param>
/// <param name="Trace">The trace that it belongs to; null: none was recorded.</param>
/// <param name="Metrics">What the figures that its stage measures mean.</param>
/// <param name="Ancestors">Executions that it starts from, the first stage first.</param>
/// <param name="Children">Executions that start from it, at most <see cref="MostListed"/>.</param>
/// <param name="Places">Every sweep that asks for its result, at most <see cref="MostListed"/>, the latest first.</param>
/// <param name="ComputedIn">Of a cached one, where it was computed; null: it was computed here, or no sweep that is known did it.</param>
/// <param name="Nearest">
/// Of one that was not cached, the execution of the time before that differs least; its <c>differences</c> say why nothing could be reused. Null: there was none, or nobody asked with why=true.
/// </param>
public sealed record ExecutionDetail(
    ExecutionStatus Execution,
    IReadOnlyList<EpochPoint> Epochs,
    SweepName Sweep,
    string Version,
    Guid? Id,
    int Attempt,
    int Failures,
    DateTimeOffset? ReadyAt,
    DateTimeOffset? SentAt,
    DateTimeOffset? StartedAt,
    DateTimeOffset? FinishedAt,
    CheckpointRef? Input,
    TraceLink? Trace,
    IReadOnlyList<MetricDescriptor> Metrics,
    IReadOnlyList<ExecutionLink> Ancestors,
    IReadOnlyList<ExecutionLink> Children,
    IReadOnlyList<ExecutionPlace> Places,
    ExecutionPlace? ComputedIn,
    EarlierExecution? Nearest)
{
    /// <summary>The most children and places that are listed.</summary>
    public const int MostListed = 100;
}

/// <summary>A sweep by id and name.</summary>
public sealed record SweepName(Guid Id, string Name);

/// <summary>An execution on the way to or from another one.</summary>
/// <param name="Index">Place in the sweep's tree.</param>
/// <param name="Stage">Stage name.</param>
/// <param name="State">Where it stands.</param>
/// <param name="Parameters">Its parameters, defaults included.</param>
/// <param name="Varied">Names of those that differ from its siblings'.</param>
/// <param name="Output">Checkpoint that it made; null: none yet.</param>
public sealed record ExecutionLink(
    int Index, string Stage, ExecutionState State, System.Text.Json.JsonElement Parameters, IReadOnlyList<string> Varied, CheckpointRef? Output);

/// <summary>An execution as part of a sweep.</summary>
/// <param name="Sweep">The sweep.</param>
/// <param name="Name">Its name.</param>
/// <param name="Index">Place in its tree.</param>
public sealed record ExecutionPlace(Guid Sweep, string Name, int Index);

/// <summary>A trace.</summary>
/// <param name="Id">Its id, 32 hexadecimal characters.</param>
/// <param name="Url">Page that shows it; null: the coordinator was not told of one (<see cref="ApiSettings.TraceVariable"/>).</param>
public sealed record TraceLink(string Id, string? Url);

/// <summary>The course of some executions.</summary>
/// <param name="Curves">In the order of the tree.</param>
public sealed record CurvesAnswer(IReadOnlyList<ExecutionCurve> Curves);

/// <summary>The course of one execution.</summary>
/// <param name="Index">Place in the sweep's tree.</param>
/// <param name="Stage">Stage name.</param>
/// <param name="State">Where it stands.</param>
/// <param name="Parameters">Its parameters, defaults included.</param>
/// <param name="Varied">Names of those that differ from its siblings'.</param>
/// <param name="Epochs">Figures of its epochs so far, in order.</param>
public sealed record ExecutionCurve(
    int Index, string Stage, ExecutionState State, System.Text.Json.JsonElement Parameters, IReadOnlyList<string> Varied, IReadOnlyList<EpochPoint> Epochs);

/// <summary>Executions that start from one of a sweep.</summary>
/// <param name="Nodes">In the order of the tree.</param>
/// <param name="Next">Index to ask for the next page with; null: there is none.</param>
public sealed record TreePage(IReadOnlyList<TreeNode> Nodes, int? Next);

/// <summary>An execution in the tree.</summary>
/// <param name="Execution">The execution.</param>
/// <param name="Children">Executions that start from it.</param>
public sealed record TreeNode(ExecutionStatus Execution, int Children);

/// <summary>Pictures and tables that a stage made of its result.</summary>
/// <param name="Panels">In the stage's order; empty: it made none, or has no result yet.</param>
public sealed record ExecutionPanels(IReadOnlyList<Panel> Panels);
