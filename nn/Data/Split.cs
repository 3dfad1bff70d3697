using Lathe.Contracts;
using Lathe.NN.Graphs;
using Lathe.NN.Runtime;

namespace Lathe.NN.Data;

/// <summary>How pixels become network inputs: (byte / 255 − mean) / standard deviation, for each channel.</summary>
/// <param name="Mean">Per channel, fractions of 1.</param>
/// <param name="StandardDeviation">Per channel, above 0.</param>
public sealed record Normalization(IReadOnlyList<double> Mean, IReadOnlyList<double> StandardDeviation)
{
    /// <summary>Of all pixels of a set of images, exact: sums are integers.</summary>
    /// <param name="images">Bytes [N, C, H, W].</param>
    /// <param name="shape">Shape of one image.</param>
    public static Normalization Of(ReadOnlySpan<byte> images, TensorShape shape)
    {
        var plane = shape.Height * shape.Width;
        var mean = new double[shape.Channels];
        var deviation = new double[shape.Channels];
        var count = (double)images.Length / shape.Channels;
        for (var channel = 0; channel < shape.Channels; channel++)
        {
            ulong sum = 0, squares = 0;
            for (var start = channel * plane; start < images.Length; start += shape.Channels * plane)
            {
                foreach (ulong pixel in images.Slice(start, plane))
                {
                    sum += pixel;
                    squares += pixel * pixel;
                }
            }

            mean[channel] = sum / count / 255;
            var variance = (squares / count / (255.0 * 255.0)) - (mean[channel] * mean[channel]);
            deviation[channel] = variance > 1e-12 ? Math.Sqrt(variance) : 1;
        }

        return new Normalization(mean, deviation);
    }
}

/// <summary>Labelled images in memory: a training, validation or test split. Immutable; parts of it share its bytes.</summary>
public sealed class Split
{
    private readonly byte[] _images;
    private readonly byte[] _labels;
    private readonly int[] _indices;

    /// <summary>Images and labels as they were read.</summary>
    /// <param name="images">[N, C, H, W], 0 to 255.</param>
    /// <param name="labels">[N], each below <paramref name="classes"/>.</param>
    /// <param name="shape">Shape of one image.</param>
    /// <param name="classes">Number of classes.</param>
    /// <param name="normalization">Of the data set's training images.</param>
    /// <exception cref="LatheException">Lengths do not fit, or a label is out of range.</exception>
    public Split(byte[] images, byte[] labels, TensorShape shape, int classes, Normalization normalization)
        : this(images, labels, shape, classes, normalization, [.. Enumerable.Range(0, labels.Length)])
    {
        if (images.LongLength != (long)labels.Length * ImageLength)
            throw new LatheException($"{labels.Length} labels need {(long)labels.Length * ImageLength} bytes of {shape} images; there are {images.LongLength}.");
        if (normalization.Mean.Count != shape.Channels || normalization.StandardDeviation.Count != shape.Channels)
            throw new LatheException($"Images of {shape.Channels} channels need as many means and deviations.");
        var wrong = Array.FindIndex(labels, label => label >= classes);
        if (wrong >= 0)
            throw new LatheException($"Image {wrong} has label {labels[wrong]}; labels must be below {classes}.");
    }

    private Split(byte[] images, byte[] labels, TensorShape shape, int classes, Normalization normalization, int[] indices)
    {
        _images = images;
        _labels = labels;
        _indices = indices;
        Shape = shape;
        Classes = classes;
        Normalization = normalization;
    }

    /// <summary>Shape of one image.</summary>
    public TensorShape Shape { get; }

    /// <summary>Number of classes.</summary>
    public int Classes { get; }

    /// <summary>How its pixels become inputs; the same in all splits of a data set.</summary>
    public Normalization Normalization { get; }

    /// <summary>Number of images.</summary>
    public int Count => _indices.Length;

    private int ImageLength => Shape.Channels * Shape.Height * Shape.Width;

    /// <summary>Bytes [C, H, W] of one image.</summary>
    public ReadOnlySpan<byte> Image(int index) => _images.AsSpan(_indices[index] * ImageLength, ImageLength);

    /// <summary>Class of one image.</summary>
    public int Label(int index) => _labels[_indices[index]];

    /// <summary>The images at the given places, in that order.</summary>
    public Split Subset(IEnumerable<int> indices) =>
        new(_images, _labels, Shape, Classes, Normalization, [.. indices.Select(index => _indices[index])]);

    /// <summary>
    /// Cuts a validation split out of this one. Which images go depends on the seed alone; both parts keep their order.
    /// </summary>
    /// <param name="share">Of the images, in [0, 1); the count is rounded.</param>
    /// <param name="seed">Chooses the images.</param>
    /// <exception cref="LatheException">The share is out of range, or one part would be empty.</exception>
    public (Split Training, Split Validation) Validation(double share, long seed)
    {
        if (!(share >= 0 && share < 1))
            throw new LatheException($"The validation share is {share}; it must be at least 0 and below 1.");
        var count = (int)Math.Round(share * Count);
        if (count == Count || (count == 0 && share > 0))
            throw new LatheException($"A validation share of {share} of {Count} images leaves one part empty.");
        var order = CounterRandom.For(seed, "validation").Permutation(Count);
        return (Subset(order[count..].Order()), Subset(order[..count].Order()));
    }
}
