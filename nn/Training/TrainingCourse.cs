using System.Globalization;
using System.Text.Json;
using Lathe.Contracts;

namespace Lathe.NN.Training;

/// <summary>Training as it went, in few enough numbers for a checkpoint: column by column, five digits each.</summary>
/// <param name="Epochs">From 1: every one, or every so-many of more than a hundred, the last among them.</param>
/// <param name="Loss">Mean task loss of each of these epochs.</param>
/// <param name="Accuracy">On the augmented training images, a fraction of 1.</param>
/// <param name="LearningRate">Of each epoch's last step.</param>
public sealed record TrainingCourse(
    IReadOnlyList<int> Epochs, IReadOnlyList<double> Loss, IReadOnlyList<double> Accuracy, IReadOnlyList<double> LearningRate)
{
    /// <summary>Most points of a course that is kept in a checkpoint.</summary>
    public const int MostPoints = 100;

    private const int Digits = 5;

    /// <summary>True where an epoch is one of those that are kept.</summary>
    /// <param name="epoch">From 1.</param>
    /// <param name="epochs">Number of epochs.</param>
    /// <param name="most">How many may be kept.</param>
    public static bool Keeps(int epoch, int epochs, int most = MostPoints)
    {
        var every = Math.Max(1, (epochs + most - 1) / Math.Max(1, most));
        return epoch % every == 0 || epoch == epochs;
    }

    /// <summary>Shortens a history.</summary>
    public static TrainingCourse Of(TrainingHistory history)
    {
        var kept = history.Epochs.Where(e => Keeps(e.Epoch + 1, history.Epochs.Count)).ToList();
        return new TrainingCourse(
            [.. kept.Select(e => e.Epoch + 1)],
            [.. kept.Select(e => Rounded(e.Loss))],
            [.. kept.Select(e => Rounded(e.Accuracy))],
            [.. kept.Select(e => Rounded(e.LearningRate))]);
    }

    /// <summary>The number rounded to a number of significant digits; its shortest text has at most these.</summary>
    public static double Rounded(double value, int digits = Digits) =>
        double.IsFinite(value) ? double.Parse(value.ToString($"E{digits - 1}", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture) : 0;
}

/// <summary>The part of a stage's records that every stage that trains has.</summary>
/// <param name="Training">How training went.</param>
public sealed record TrainingRecord(TrainingCourse Training)
{
    /// <summary>Reads it from a lineage; null if the lineage has none, or one of another version.</summary>
    public static TrainingRecord? TryRead(JsonElement? records)
    {
        try
        {
            return records is { ValueKind: JsonValueKind.Object } && records.Value.Deserialize<TrainingRecord>(LatheJson.Options) is { Training: { } course } record
                && course is { Epochs: { } epochs, Loss: { } loss, Accuracy: { } accuracy, LearningRate: { } rates }
                && (loss.Count, accuracy.Count, rates.Count) == (epochs.Count, epochs.Count, epochs.Count)
                    ? record
                    : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>Its form in the lineage.</summary>
    public JsonElement ToJson() => JsonSerializer.SerializeToElement(this, LatheJson.Options);
}
