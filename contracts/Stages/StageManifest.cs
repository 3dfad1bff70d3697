using System.Text.Json;

namespace Lathe.Contracts;

/// <summary>What a stage needs before it can run.</summary>
public enum StageInput
{
    /// <summary>Nothing: the stage starts a network from the sweep's model.</summary>
    Model,

    /// <summary>The checkpoint of an earlier stage.</summary>
    Checkpoint,
}

/// <summary>What a stage leaves behind.</summary>
public enum StageOutput
{
    /// <summary>A new checkpoint, which the stages after it start from.</summary>
    Checkpoint,

    /// <summary>Figures only: the stages after it start from the same checkpoint as it did.</summary>
    Metrics,
}

/// <summary>A stage as the coordinator and its users see it.</summary>
/// <param name="Name">Lower-case word, used in sweeps and queue names.</param>
/// <param name="Version">Changes whenever the same input could give another result; part of the execution key.</param>
/// <param name="Summary">One line for a person.</param>
/// <param name="Input">What it starts from.</param>
/// <param name="Output">What it leaves.</param>
/// <param name="ParametersSchema">
/// JSON Schema of its parameters with a default for each optional one. An author leaves it out; the host derives it from the
/// parameters record.
/// </param>
/// <param name="Metrics">What the stage measures, and how it is shown; null: nothing is said of it.</param>
/// <param name="ReadsData">
/// False: the stage opens no image. It runs on a worker without the sweep's data set, and its key does not depend on it.
/// </param>
public sealed record StageManifest(
    string Name,
    string Version,
    string Summary,
    StageInput Input,
    StageOutput Output,
    JsonElement? ParametersSchema = null,
    IReadOnlyList<MetricDescriptor>? Metrics = null,
    bool ReadsData = true);
