namespace Lathe.Contracts;

/// <summary>How far a stage is. Everything but the phase may be unknown.</summary>
/// <param name="Phase">A word for a person: <c>waiting</c>, <c>training</c>, <c>pruning</c>, <c>fine-tuning</c>, <c>evaluating</c>.</param>
/// <param name="Epoch">Epochs finished, fractions of one included.</param>
/// <param name="Epochs">Epochs in all.</param>
/// <param name="Loss">Training loss, running mean of the current epoch.</param>
/// <param name="Accuracy">Training accuracy of the current epoch, a fraction of 1.</param>
/// <param name="ImagesPerSecond">Throughput of the current epoch.</param>
/// <param name="SecondsLeft">Estimate until the stage ends.</param>
public sealed record StageProgress(
    string Phase,
    double? Epoch = null,
    int? Epochs = null,
    double? Loss = null,
    double? Accuracy = null,
    double? ImagesPerSecond = null,
    double? SecondsLeft = null);
