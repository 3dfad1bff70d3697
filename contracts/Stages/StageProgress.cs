using System.Text.Json.Serialization;

namespace Lathe.Contracts;

/// <summary>How far a stage is. Everything but the phase may be unknown.</summary>
/// <param name="Phase">
/// Text for people: <see cref="WaitingForCpu"/>, <c>training</c>, <c>pruning</c>, <c>fine-tuning</c>, <c>evaluating</c>.
/// </param>
/// <param name="Epoch">Epochs finished, fractions of one included.</param>
/// <param name="Epochs">Epochs in all.</param>
/// <param name="Loss">Training loss, running mean of the current epoch.</param>
/// <param name="Accuracy">Training accuracy of the current epoch, a fraction of 1.</param>
/// <param name="ImagesPerSecond">Throughput of the current epoch.</param>
/// <param name="SecondsLeft">Estimate until the stage ends.</param>
/// <param name="LastEpoch">The epoch that ended last, whole.</param>
public sealed record StageProgress(
    string Phase,
    double? Epoch = null,
    int? Epochs = null,
    double? Loss = null,
    double? Accuracy = null,
    double? ImagesPerSecond = null,
    double? SecondsLeft = null,
    EpochFigures? LastEpoch = null)
{
    /// <summary>Every epoch that ended since the report before, whole; null: none. The host fills it in, since it does not pass every report on.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<EpochFigures>? Ended { get; init; }

    /// <summary>Phase of an execution that a worker has just received from its queue.</summary>
    public const string Taken = "taken";

    /// <summary>Phase of an execution that computes as soon as others have left it the CPUs it needs.</summary>
    public const string WaitingForCpu = "waiting for CPU";

    /// <summary>Phase of an execution that another sweep is computing, and whose result it will reuse.</summary>
    public const string WaitingForSame = "waiting for another sweep";

    /// <summary>True if a worker has the execution but does not compute yet.</summary>
    [JsonIgnore]
    public bool IsWaiting => Phase is Taken or WaitingForCpu or WaitingForSame;
}

/// <summary>Figures of one epoch.</summary>
/// <param name="Epoch">From 1.</param>
/// <param name="Loss">Training loss, mean of the epoch.</param>
/// <param name="Accuracy">Training accuracy of the epoch, a fraction of 1.</param>
public sealed record EpochFigures(int Epoch, double Loss, double Accuracy)
{
    /// <summary>
    /// What the stage would measure if it ended with this epoch, by names of those of its metrics that are <see cref="MetricDescriptor.EachEpoch"/>; null: none. A search may stop trials by them.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyDictionary<string, double>? Metrics { get; init; }
}
