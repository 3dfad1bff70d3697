using Lathe.Contracts;
using Lathe.Graph;

namespace Lathe.NN.Data;

/// <summary>
/// Data sets of arrays: images of any height and width, sequences and features. Images are [N, C, H, W], [N, H, W] with one channel, or [N, F]. Floats are taken as they
/// are. Bytes are pixels, normalized by the mean and deviation of each channel over the training images.
/// </summary>
internal static class TensorSets
{
    /// <summary>Reads the arrays.</summary>
    /// <param name="name">Name of the data set.</param>
    /// <param name="root">Their folder.</param>
    /// <param name="train">Images and labels to train with.</param>
    /// <param name="test">Images and labels to test with.</param>
    /// <exception cref="LatheException">Missing or damaged, or they do not fit one another; the message names the file.</exception>
    public static DataSet Open(string name, string root, IReadOnlyList<string> train, IReadOnlyList<string> test)
    {
        var (trainImages, trainLabels) = Read(root, train);
        var (testImages, testLabels) = Read(root, test);
        if (!trainImages.Shape.AsSpan(1).SequenceEqual(testImages.Shape.AsSpan(1)) || trainImages.Type != testImages.Type)
            throw NumpyFile.Bad(testImages.Path, $"its images are {Form(testImages)}, those of {trainImages.Path} {Form(trainImages)}; expected the same");
        var shape = trainImages.Shape switch
        {
            [_, > 0 and var features] => new TensorShape(features, IsFlat: true),
            [_, > 0 and var height, > 0 and var width] => new TensorShape(1, height, width),
            [_, > 0 and var channels, > 0 and var height, > 0 and var width] => new TensorShape(channels, height, width),
            _ => throw NumpyFile.Bad(trainImages.Path, $"its shape is [{string.Join(", ", trainImages.Shape)}]; expected [N, C, H, W], [N, H, W] or [N, F]"),
        };
        var classes = trainLabels.Max() + 1;
        var unknown = Array.FindIndex(testLabels, label => label >= classes);
        if (unknown >= 0) throw NumpyFile.Bad(Path.Combine(root, test[1]), $"label {unknown} is {testLabels[unknown]}, and training has only classes 0 to {classes - 1}");
        if (trainImages.Type.StartsWith('f'))
        {
            var asTheyAre = new Normalization([.. Enumerable.Repeat(0.0, shape.Channels)], [.. Enumerable.Repeat(1.0, shape.Channels)]);
            var length = shape.Channels * shape.Height * shape.Width;
            return new DataSet(name, classes, shape, Floats(trainImages, trainLabels), Floats(testImages, testLabels));

            Split Floats(NumpyFile images, byte[] labels) => Split.OfTensors(new FloatImages(images.Floats(), labels, length), shape, classes, asTheyAre);
        }

        var (trainBytes, testBytes) = (Pixels(trainImages), Pixels(testImages));
        var normalization = Normalization.Of(trainBytes, shape);
        return new DataSet(name, classes, shape, Bytes(trainBytes, trainLabels), Bytes(testBytes, testLabels));

        Split Bytes(byte[] images, byte[] labels) => Split.OfTensors(new MemoryImages(images, labels, shape), shape, classes, normalization);
    }

    private static (NumpyFile Images, byte[] Labels) Read(string root, IReadOnlyList<string> files)
    {
        var (images, labels) = (NumpyFile.Read(Path.Combine(root, files[0])), NumpyFile.Read(Path.Combine(root, files[1])));
        var classes = labels.Labels();
        if (images.Shape.Length == 0 || images.Shape[0] != classes.Length || classes.Length == 0)
            throw NumpyFile.Bad(labels.Path, $"it has {classes.Length} labels; {images.Path} has {(images.Shape.Length == 0 ? 0 : images.Shape[0])} images. Expected as many, and at least one");
        return (images, classes);
    }

    /// <summary>Bytes from 0 on; those with a sign are moved up by 128.</summary>
    private static byte[] Pixels(NumpyFile images) => images.Type switch
    {
        "u1" => images.Bytes,
        "i1" => Array.ConvertAll(images.Bytes, value => (byte)(value ^ 0x80)),
        _ => throw NumpyFile.Bad(images.Path, $"its elements are {images.Type}; expected uint8, int8 or floats"),
    };

    private static string Form(NumpyFile images) => $"[{string.Join(", ", images.Shape.Skip(1))}] of {images.Type}";
}
