using System.Text.Json;
using Lathe.Contracts;
using Lathe.NN.Training;

namespace Lathe.Evaluator;

/// <summary>What a single figure of accuracy hides; kept with the result of an evaluation.</summary>
/// <param name="Images">Test images of each class.</param>
/// <param name="Right">Those of them that were classified right.</param>
/// <param name="Mistakes">What was mistaken most often, worst first.</param>
/// <param name="Confusion">Images by what they show, then by what they were taken for; null above a hundred classes.</param>
public sealed record EvaluationRecord(
    IReadOnlyList<int> Images, IReadOnlyList<int> Right, IReadOnlyList<Mistake> Mistakes, IReadOnlyList<int[]>? Confusion)
{
    private const int MostMistakes = 20;

    // A matrix of a thousand classes would be a file of megabytes, and nobody could look at it.
    private const int MostClasses = 100;

    /// <summary>Counts what was taken for what.</summary>
    /// <param name="result">Of one evaluation.</param>
    /// <param name="classes">Number of classes.</param>
    public static EvaluationRecord Of(EvaluationResult result, int classes)
    {
        var matrix = ConfusionMatrix.Of(result.Labels, result.Predictions, classes);
        return new EvaluationRecord(
            [.. Enumerable.Range(0, classes).Select(matrix.CountOf)],
            [.. Enumerable.Range(0, classes).Select(matrix.RightOf)],
            matrix.Mistakes(MostMistakes),
            classes <= MostClasses ? matrix.Images : null);
    }

    /// <summary>Reads what stands with a result; null where that is nothing, or of another version.</summary>
    public static EvaluationRecord? TryRead(JsonElement? records)
    {
        try
        {
            return records?.Deserialize<EvaluationRecord>(LatheJson.Options) is { Images: { } images, Right: { } right, Mistakes: not null } record
                && images.Count == right.Count
                && (record.Confusion is not { } rows || (rows.Count == images.Count && rows.All(row => row?.Length == images.Count)))
                    ? record
                    : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>As it stands with the result.</summary>
    public JsonElement ToJson() => JsonSerializer.SerializeToElement(this, LatheJson.Options);
}
