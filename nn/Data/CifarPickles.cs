using Lathe.NN.Pickle;

namespace Lathe.NN.Data;

/// <summary>
/// CIFAR-10's and CIFAR-100's Python version: a pickled dictionary with <c>data</c>, bytes [N, 3072] of red, green and blue planes, and
/// <c>labels</c> or <c>fine_labels</c>. Format: www.cs.toronto.edu/~kriz/cifar.html.
/// </summary>
internal static class CifarPickles
{
    private const int ImageLength = 3 * 32 * 32;

    // The largest one, CIFAR-100's training images, has 155 MB.
    private const int MostBytes = 1 << 28;

    /// <returns>Images [N, 3, 32, 32] and labels [N], the files one after the other.</returns>
    public static (byte[] Images, byte[] Labels) Read(string folder, IReadOnlyList<string> names, int classes)
    {
        var batches = names.Select(name => ReadBatch(folder, name, classes)).ToList();
        var (images, labels) = (new byte[batches.Sum(batch => batch.Images.Length)], new byte[batches.Sum(batch => batch.Labels.Length)]);
        var count = 0;
        foreach (var batch in batches)
        {
            batch.Images.CopyTo(images, count * ImageLength);
            batch.Labels.CopyTo(labels, count);
            count += batch.Labels.Length;
        }

        return (images, labels);
    }

    private static (byte[] Images, byte[] Labels) ReadBatch(string folder, string name, int classes)
    {
        using var file = DataFile.Open(folder, name);
        if (PickleReader.Read(file.ReadAll(MostBytes), file.Path, NumpyPickle.Globals) is not PickleDictionary batch)
            throw file.Damaged("it is not a dictionary");
        if (!batch.TryGet("data", out var data) || data is not NumpyArray { Shape: [var count, ImageLength] } images)
            throw file.Damaged($"it has no 'data' of rows of {ImageLength} bytes");
        if (!(batch.TryGet("fine_labels", out var found) || batch.TryGet("labels", out found)) || found is not List<object?> labels)
            throw file.Damaged("it has neither 'fine_labels' nor 'labels'");
        if (labels.Count != count)
            throw file.Damaged($"it has {labels.Count} labels for {count} images");
        var wrong = labels.FindIndex(label => label is not long number || number < 0 || number >= classes);
        return wrong < 0
            ? (images.Data, [.. labels.Select(label => (byte)(long)label!)])
            : throw file.Damaged($"image {wrong} has label {labels[wrong]}, and there are only {classes} classes");
    }
}
