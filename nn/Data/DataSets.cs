using Lathe.Contracts;
using Lathe.NN.Graphs;

namespace Lathe.NN.Data;

/// <summary>Reads data sets from their published files.</summary>
public static class DataSets
{
    /// <summary>
    /// Reads a data set of Lathe's own list whole into memory and checks every header field and length; of any other name, lists its
    /// images, which are decoded as they are needed.
    /// </summary>
    /// <param name="name">A name of <see cref="DataSetFiles.ByName"/>, or one's own for photographs.</param>
    /// <param name="folder">
    /// Holds its files, plain or with <c>.gz</c> appended; for photographs, what <see cref="ImageSetFiles.Find"/> looks in.
    /// </param>
    /// <param name="options">For photographs; null: the defaults.</param>
    /// <exception cref="LatheException">Unknown name; a missing or damaged file, which the message names.</exception>
    public static DataSet Open(string name, string folder, ImageOptions? options = null)
    {
        if (!DataSetFiles.ByName.TryGetValue(name, out var usual))
        {
            var images = ImageSetFiles.Find(name, folder) ?? throw new LatheException(
                $"Data set '{name}' is unknown, and {folder} has no photographs of that name. Lathe reads " +
                $"{string.Join(", ", DataSetFiles.ByName.Keys.Order(StringComparer.Ordinal))}, and photographs in {ImageSetFiles.Expected}.");
            return ImageSets.Open(name, images, options ?? new ImageOptions());
        }

        if (!Directory.Exists(folder))
            throw new LatheException($"The folder of data set '{name}', {folder}, does not exist. Name the folder that holds {usual[0]}.");
        var files = DataSetFiles.VariantIn(name, folder) ?? usual;
        return name switch
        {
            "cifar-10" => OpenCifar(name, folder, files, classes: 10, labelBytes: 1),
            "cifar-100" => OpenCifar(name, folder, files, classes: 100, labelBytes: 2),
            _ => OpenIdx(name, folder, files),
        };
    }

    private static DataSet OpenIdx(string name, string folder, IReadOnlyList<string> files)
    {
        const int Classes = 10;
        var shape = new TensorShape(1, 28, 28);
        var (trainImages, trainLabels) = IdxFiles.Read(folder, files[0], files[1], shape, Classes);
        var (testImages, testLabels) = IdxFiles.Read(folder, files[2], files[3], shape, Classes);
        return Build(name, Classes, shape, trainImages, trainLabels, testImages, testLabels);
    }

    private static DataSet OpenCifar(string name, string folder, IReadOnlyList<string> files, int classes, int labelBytes)
    {
        var train = Read([.. files.SkipLast(1)]);
        var test = Read([files[^1]]);
        return Build(name, classes, new TensorShape(3, 32, 32), train.Images, train.Labels, test.Images, test.Labels);

        (byte[] Images, byte[] Labels) Read(IReadOnlyList<string> names) => files[0].EndsWith(".bin", StringComparison.Ordinal)
            ? CifarFiles.Read(folder, names, classes, labelBytes)
            : CifarPickles.Read(folder, names, classes);
    }

    private static DataSet Build(
        string name, int classes, TensorShape shape, byte[] trainImages, byte[] trainLabels, byte[] testImages, byte[] testLabels)
    {
        var normalization = Normalization.Of(trainImages, shape);
        return new DataSet(
            name,
            classes,
            shape,
            new Split(trainImages, trainLabels, shape, classes, normalization),
            new Split(testImages, testLabels, shape, classes, normalization));
    }
}
