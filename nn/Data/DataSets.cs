using Lathe.Contracts;
using Lathe.Graph;

namespace Lathe.NN.Data;

/// <summary>What is known of a data set without its files.</summary>
/// <param name="Name">As sweeps name it.</param>
/// <param name="Input">Shape of one image.</param>
/// <param name="Classes">Number of classes.</param>
public sealed record DataSetForm(string Name, TensorShape Input, int Classes);

/// <summary>Reads data sets from their published files.</summary>
public static class DataSets
{
    /// <summary>What is known of a data set without its files; null for photographs, whose classes are their folders.</summary>
    public static DataSetForm? FormOf(string name) => name switch
    {
        "mnist" or "fashion-mnist" => new DataSetForm(name, new TensorShape(1, 28, 28), 10),
        "cifar-10" => new DataSetForm(name, new TensorShape(3, 32, 32), 10),
        "cifar-100" => new DataSetForm(name, new TensorShape(3, 32, 32), 100),
        _ => null,
    };

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
    public static DataSet Open(string name, string folder, ImageOptions? options = null) => Open(name, new DataPlace(folder), options);

    /// <summary>The same for a data set that may lie elsewhere than in a folder.</summary>
    public static DataSet Open(string name, DataPlace place, ImageOptions? options = null)
    {
        var folder = place.Folder;
        if (!DataSetFiles.ByName.TryGetValue(name, out var usual))
        {
            var images = place.Remote ?? ImageSetFiles.Find(name, folder) ?? throw new LatheException(
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
        var (_, shape, classes) = FormOf(name)!;
        var (trainImages, trainLabels) = IdxFiles.Read(folder, files[0], files[1], shape, classes);
        var (testImages, testLabels) = IdxFiles.Read(folder, files[2], files[3], shape, classes);
        return Build(name, classes, shape, trainImages, trainLabels, testImages, testLabels);
    }

    private static DataSet OpenCifar(string name, string folder, IReadOnlyList<string> files, int classes, int labelBytes)
    {
        var train = Read([.. files.SkipLast(1)]);
        var test = Read([files[^1]]);
        return Build(name, classes, FormOf(name)!.Input, train.Images, train.Labels, test.Images, test.Labels);

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
