using Lathe.Contracts;

namespace Lathe.NN.Training;

/// <summary>How often the network answered each class for the images of each class.</summary>
/// <param name="Images">Counts [classes][classes]: by label, then by prediction.</param>
public sealed record ConfusionMatrix(IReadOnlyList<int[]> Images)
{
    /// <summary>Counts pairs.</summary>
    /// <param name="labels">Label of each image, from 0 and below <paramref name="classes"/>.</param>
    /// <param name="predictions">Prediction for each image, the same number.</param>
    /// <param name="classes">Number of classes.</param>
    /// <exception cref="LatheException">A class is out of range, or the lengths differ.</exception>
    public static ConfusionMatrix Of(IReadOnlyList<int> labels, IReadOnlyList<int> predictions, int classes)
    {
        if (labels.Count != predictions.Count)
            throw new LatheException($"There are {labels.Count} labels and {predictions.Count} predictions; expected one for each image.");
        var images = new int[classes][];
        for (var i = 0; i < classes; i++) images[i] = new int[classes];
        for (var i = 0; i < labels.Count; i++)
        {
            if ((uint)labels[i] >= classes || (uint)predictions[i] >= classes)
                throw new LatheException($"Image {i} is of class {labels[i]} and was taken for {predictions[i]}; there are {classes} classes, from 0.");
            images[labels[i]][predictions[i]]++;
        }

        return new ConfusionMatrix(images);
    }

    /// <summary>Images of a class.</summary>
    public int CountOf(int label) => Images[label].Sum();

    /// <summary>Those of them that were classified right.</summary>
    public int RightOf(int label) => Images[label][label];

    /// <summary>The classes that were mistaken most often, worst first; ties in the order of their numbers.</summary>
    /// <param name="most">How many.</param>
    public IReadOnlyList<Mistake> Mistakes(int most) =>
        [.. Images
            .SelectMany((row, label) => row.Select((count, taken) => new Mistake(label, taken, count)))
            .Where(mistake => mistake.Label != mistake.TakenFor && mistake.Images > 0)
            .OrderByDescending(mistake => mistake.Images)
            .Take(most)];
}

/// <summary>Images of one class that the network confused with another.</summary>
/// <param name="Label">Their label.</param>
/// <param name="TakenFor">The network's answer.</param>
/// <param name="Images">How many.</param>
public sealed record Mistake(int Label, int TakenFor, int Images);
