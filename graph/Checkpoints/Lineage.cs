using System.Text.Json;
using System.Text.Json.Serialization;
using Lathe.Contracts;

namespace Lathe.Graph.Checkpoints;

/// <summary>One stage on a checkpoint's way.</summary>
/// <param name="Stage">Name of the stage.</param>
/// <param name="Version">Version of the stage.</param>
/// <param name="Parameters">All its parameters, defaults filled in.</param>
/// <param name="Seed">Seed it ran with.</param>
/// <param name="Input">Checkpoint it started from; null for the first stage.</param>
/// <param name="Data">Data set it used; of a stage that reads none, that of the stage before it. Null: none of them used any.</param>
/// <param name="Versions">Versions and settings it ran with: <c>lathe</c>, <c>torch</c>, <c>threads</c>.</param>
/// <param name="Facts">Finite figures that it measured, for example the largest logit difference after surgery.</param>
/// <param name="Records">Records of its course, in the stage's own form, for plots and tables; null: none.</param>
public sealed record LineageStep(
    string Stage,
    string Version,
    JsonElement Parameters,
    long Seed,
    CheckpointRef? Input,
    DataRef? Data,
    IReadOnlyDictionary<string, string> Versions,
    IReadOnlyDictionary<string, double> Facts,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] JsonElement? Records = null);

/// <summary>The whole way of a checkpoint since the dense network.</summary>
/// <param name="Steps">Oldest first.</param>
/// <param name="Dense">The checkpoint as it was before the first stage that compresses; null for a dense checkpoint itself.</param>
public sealed record Lineage(IReadOnlyList<LineageStep> Steps, CheckpointRef? Dense)
{
    /// <summary>Of a network that no stage has touched.</summary>
    public static Lineage Empty { get; } = new([], null);

    /// <summary>The lineage after one more stage.</summary>
    /// <param name="step">The stage that ran.</param>
    /// <param name="compresses">It made the network smaller; the first such step's input becomes <see cref="Dense"/>.</param>
    public Lineage Then(LineageStep step, bool compresses) => new([.. Steps, step], Dense ?? (compresses ? step.Input : null));

    /// <summary>The lineage after one more stage.</summary>
    /// <param name="step">The run of the stage.</param>
    /// <param name="versions">Versions and settings it ran with.</param>
    /// <param name="facts">Finite figures that it measured.</param>
    /// <param name="compresses">It made the network smaller.</param>
    /// <param name="records">Records of its course, in the stage's own form; null: none.</param>
    public Lineage Then(
        StageStep step, IReadOnlyDictionary<string, string> versions, IReadOnlyDictionary<string, double> facts, bool compresses, JsonElement? records = null)
    {
        // What exports and reports look for: the data that the network was last trained on.
        var data = step.Data ?? (Steps is [.., var last] ? last.Data : null);
        return Then(new LineageStep(step.Stage, step.Version, step.Parameters, step.Seed, step.Input, data, versions, facts, records), compresses);
    }
}
