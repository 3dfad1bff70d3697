using System.Text.Json;
using Lathe.Contracts;

namespace Lathe.Coordinator;

/// <summary>One execution of a sweep's tree, before anything ran.</summary>
/// <param name="Index">Place in the list, parents before children.</param>
/// <param name="Parent">Index of the execution that makes the input; null for one that starts from a model.</param>
/// <param name="Manifest">Stage that runs.</param>
/// <param name="Model">Model of the branch.</param>
/// <param name="Dataset">Data set of the branch.</param>
/// <param name="Seed">Seed of the branch.</param>
/// <param name="Parameters">Every parameter, defaults and the model filled in.</param>
/// <param name="Places">Where the author wrote the parameters.</param>
/// <param name="Varied">Names of the parameters that differ between executions of this stage with the same parent.</param>
/// <param name="Step">Place of the stage in the sweep's list of stages.</param>
public sealed record PlannedExecution(
    int Index,
    int? Parent,
    StageManifest Manifest,
    string Model,
    string Dataset,
    long Seed,
    JsonElement Parameters,
    ParameterPlaces Places,
    IReadOnlyList<string> Varied,
    int Step = 0);

/// <summary>The plan of a sweep: a tree, or its problems.</summary>
/// <param name="Executions">Parents before children; empty if there are problems.</param>
/// <param name="Problems">Empty if the sweep can run.</param>
public sealed record SweepPlan(IReadOnlyList<PlannedExecution> Executions, IReadOnlyList<SweepProblem> Problems)
{
    /// <summary>The search that the tree has the first trials of; null: the sweep is a grid, and the tree is all of it.</summary>
    internal PlannedSearch? Search { get; init; }
}
