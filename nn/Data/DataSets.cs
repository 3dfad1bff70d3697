using Lathe.Contracts;
using Lathe.NN.Graphs;

namespace Lathe.NN.Data;

/// <summary>What is known of a data set without its files.</summary>
/// <param name="Name">As sweeps name it.</param>
/// <param name="Input">Shape of one image.</param>
/// <param name="Classes">Number of classes.</param>
public sealed record DataSetForm(string Name, TensorShape Input, int Classes);

/// <summary>Reads data sets from their published files.</summary>
public static class DataSets
{
    /// <summary>What is known of a data set without its files.</summary>
    /// <exception cref="LatheException">Unknown name.</exception>
    public static DataSetForm FormOf(string name) => name switch
    {
        "mnist" or "fashion-mnist" => new DataSetForm(name, new TensorShape(1, 28, 28), 10),
        "cifar-10" => new DataSetForm(name, new TensorShape(3, 32, 32), CifarFiles.Classes),
        _ => throw Unknown(name),
    };

    /// <summary>Reads a data set whole into memory and checks every header field and length.</summary>
    /// <param name="name">A name of <see cref="DataSetFiles.ByName"/>.</param>
    /// <param name="folder">Holds its files, plain or with <c>.gz</c> appended.</param>
    /// <exception cref="LatheException">Unknown name; a missing or damaged file, which the message names.</exception>
    public static DataSet Open(string name, string folder)
    {
        if (!DataSetFiles.ByName.TryGetValue(name, out var files))
            throw Unknown(name);

        if (!Directory.Exists(folder))
            throw new LatheException($"The folder of data set '{name}', {folder}, does not exist. Name the folder that holds {files[0]}.");
        return name == "cifar-10" ? OpenCifarTen(name, folder, files) : OpenIdx(name, folder, files);
    }

    private static DataSet OpenIdx(string name, string folder, IReadOnlyList<string> files)
    {
        var (_, shape, classes) = FormOf(name);
        var (trainImages, trainLabels) = IdxFiles.Read(folder, files[0], files[1], shape, classes);
        var (testImages, testLabels) = IdxFiles.Read(folder, files[2], files[3], shape, classes);
        return Build(name, classes, shape, trainImages, trainLabels, testImages, testLabels);
    }

    private static DataSet OpenCifarTen(string name, string folder, IReadOnlyList<string> files)
    {
        var shape = FormOf(name).Input;
        var train = CifarFiles.Read(folder, [.. files.Take(files.Count - 1)]);
        var test = CifarFiles.Read(folder, [files[^1]]);
        return Build(name, CifarFiles.Classes, shape, train.Images, train.Labels, test.Images, test.Labels);
    }

    private static LatheException Unknown(string name) =>
        new($"Data set '{name}' is unknown. Lathe reads {string.Join(", ", DataSetFiles.ByName.Keys.Order(StringComparer.Ordinal))}.");

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
