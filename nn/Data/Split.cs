using Lathe.Contracts;
using Lathe.Graph;
using Lathe.NN.Runtime;

namespace Lathe.NN.Data;

/// <summary>Labelled images: a training, validation or test split. Immutable; parts of it share where their images come from.</summary>
public sealed class Split
{
    private readonly IImageSource _source;
    private readonly int[] _indices;

    /// <summary>Images and labels in memory, as they were read.</summary>
    /// <param name="images">[N, C, H, W], 0 to 255.</param>
    /// <param name="labels">[N], each below <paramref name="classes"/>.</param>
    /// <param name="shape">Shape of one image.</param>
    /// <param name="classes">Number of classes.</param>
    /// <param name="normalization">Of the data set's training images.</param>
    /// <exception cref="LatheException">Lengths do not fit, or a label is out of range.</exception>
    public Split(byte[] images, byte[] labels, TensorShape shape, int classes, Normalization normalization)
        : this(new MemoryImages(images, labels, shape), shape, classes, normalization)
    {
        if (images.LongLength != (long)labels.Length * ImageLength)
            throw new LatheException($"{labels.Length} labels need {(long)labels.Length * ImageLength} bytes of {shape} images; there are {images.LongLength}.");
        if (normalization.Mean.Count != shape.Channels || normalization.StandardDeviation.Count != shape.Channels)
            throw new LatheException($"Images of {shape.Channels} channels need as many means and deviations.");
        var wrong = Array.FindIndex(labels, label => label >= classes);
        if (wrong >= 0)
            throw new LatheException($"Image {wrong} has label {labels[wrong]}; labels must be below {classes}.");
    }

    /// <summary>All images of a source.</summary>
    internal Split(IImageSource source, TensorShape shape, int classes, Normalization normalization)
        : this(source, shape, classes, normalization, [.. Enumerable.Range(0, source.Count)])
    {
    }

    /// <summary>Arrays in memory.</summary>
    internal static Split OfTensors(IImageSource source, TensorShape shape, int classes, Normalization normalization) =>
        new(source, shape, classes, normalization) { IsTensor = true };

    /// <summary>Float values of an image of a source that has such, not normalized further; empty for images of bytes.</summary>
    internal ReadOnlySpan<float> Values(int index, out int label)
    {
        label = _source.Label(_indices[index]);
        return _source.Values(_indices[index]);
    }

    private Split(IImageSource source, TensorShape shape, int classes, Normalization normalization, int[] indices)
    {
        _source = source;
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

    /// <summary>Images found damaged up to now, in this split or another of the same source. They are left out of batches.</summary>
    public IReadOnlyList<DamagedImage> Damaged => _source.Damaged;

    /// <summary>Whether images are decoded from files each time they are needed.</summary>
    public bool IsDecoded => _source.Decodes;

    /// <summary>Whether it was read from arrays, which may hold anything.</summary>
    public bool IsTensor { get; private init; }

    private int ImageLength => Shape.Channels * Shape.Height * Shape.Width;

    /// <summary>Bytes [C, H, W] of one image, as evaluation sees it.</summary>
    /// <exception cref="LatheException">It cannot be read, or too many are damaged.</exception>
    public ReadOnlySpan<byte> Image(int index) => Read(index, null, default, new ImageScratch(), out _);

    /// <summary>Class of one image.</summary>
    public int Label(int index) => _source.Label(_indices[index]);

    /// <summary>Reads one image, or the next good one in its place.</summary>
    /// <param name="index">Below <see cref="Count"/>.</param>
    /// <param name="crop">How to cut it; null: as evaluation sees it.</param>
    /// <param name="random">Draws of image <paramref name="index"/>.</param>
    /// <param name="scratch">The calling thread's.</param>
    /// <param name="label">Class of the image that was read.</param>
    /// <returns>Bytes [C, H, W], until the next call with that scratch.</returns>
    internal ReadOnlySpan<byte> Read(int index, RandomCrop? crop, CounterRandom random, ImageScratch scratch, out int label)
    {
        for (var offset = 0; offset < Count; offset++)
        {
            var image = _indices[(int)(((long)index + offset) % Count)];
            label = _source.Label(image);
            if (_source.TryRead(image, crop, random, scratch, out var pixels))
                return pixels;
        }

        throw new LatheException($"None of the {Count} images can be used; the first one, {Damaged[0].Name}: {Damaged[0].Why}.");
    }

    /// <summary>The images at the given places, in that order.</summary>
    public Split Subset(IEnumerable<int> indices) =>
        new(_source, Shape, Classes, Normalization, [.. indices.Select(index => _indices[index])]) { IsTensor = IsTensor };

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
            throw new LatheException($"A validation share of {share} of {Count} images leaves one part empty. {(Count < 2 ? "Use 0, or more images" : $"Use 0, or from {Math.Ceiling(1000.0 / Count) / 1000} on")}.");
        var order = CounterRandom.For(seed, "validation").Permutation(Count);
        return (Subset(order[count..].Order()), Subset(order[..count].Order()));
    }
}
