using static TorchSharp.torch;

namespace Lathe.Exports;

/// <summary>How closely an exported network's logits follow those of the network itself.</summary>
/// <param name="Images">Images that both computed.</param>
/// <param name="LargestDifference">max |Δlogit| over images and classes.</param>
/// <param name="LargestLogit">max |logit| of the network itself.</param>
/// <param name="SameTop1">Images for which both give the same class the largest logit.</param>
internal sealed record LogitAgreement(int Images, double LargestDifference, double LargestLogit, int SameTop1)
{
    /// <summary>The difference that sums in another order may make, as a share of the largest logit.</summary>
    public const double Tolerance = 1e-4;

    /// <summary>Share of images that a network of whole numbers has to take for the same class: sums beside a tie may round either way.</summary>
    public const double QuantizedShare = 0.999;

    /// <summary>Of no images.</summary>
    public static LogitAgreement None { get; } = new(0, 0, 0, 0);

    /// <summary>
    /// The difference is within <see cref="Tolerance"/>. An image's class can then change only between logits that are equal to that precision.
    /// </summary>
    public bool Holds => Images > 0 && LargestDifference <= Tolerance * LargestLogit;

    /// <summary>Of a network of whole numbers: all images but <see cref="QuantizedShare"/>'s rest keep their class; of fewer than 1,000, all but one.</summary>
    public bool HoldsQuantized => Images > 0 && Images - SameTop1 <= Math.Max(1, (int)(Images * (1 - QuantizedShare)));

    /// <summary>Logits of the same images, compared.</summary>
    /// <param name="expected">Of the network itself, float32 [N, classes] on the CPU.</param>
    /// <param name="actual">Of what was exported, as many values in the same order.</param>
    public static LogitAgreement Of(Tensor expected, ReadOnlySpan<float> actual)
    {
        var (images, classes) = ((int)expected.shape[0], (int)expected.shape[1]);
        if (actual.Length != images * classes)
            throw new ArgumentException($"{actual.Length} logits given; {images} images of {classes} classes have {images * classes}", nameof(actual));
        using var contiguous = expected.contiguous();
        var own = contiguous.data<float>().ToArray();
        var (difference, largest, same) = (0.0, 0.0, 0);
        for (var image = 0; image < images; image++)
        {
            var left = own.AsSpan(image * classes, classes);
            var right = actual.Slice(image * classes, classes);
            for (var c = 0; c < classes; c++)
            {
                var gap = Math.Abs((double)left[c] - right[c]);
                // A logit that is no number agrees with nothing.
                difference = double.IsNaN(gap) ? double.PositiveInfinity : Math.Max(difference, gap);
                largest = Math.Max(largest, Math.Abs((double)left[c]));
            }

            if (Largest(left) == Largest(right)) same++;
        }

        return new LogitAgreement(images, difference, largest, same);
    }

    /// <summary>Of the images of both.</summary>
    public LogitAgreement And(LogitAgreement other) => new(
        Images + other.Images,
        Math.Max(LargestDifference, other.LargestDifference),
        Math.Max(LargestLogit, other.LargestLogit),
        SameTop1 + other.SameTop1);

    private static int Largest(ReadOnlySpan<float> values)
    {
        var best = 0;
        for (var i = 1; i < values.Length; i++)
        {
            if (values[i] > values[best]) best = i;
        }

        return best;
    }
}
