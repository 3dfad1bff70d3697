namespace Lathe.Contracts;

/// <summary>The files of each data set that Lathe reads. Each file may be plain or have <c>.gz</c> appended.</summary>
public static class DataSetFiles
{
    private static readonly string[] Idx =
        ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

    private static readonly string[] CifarTen =
    [
        "cifar-10-batches-bin/data_batch_1.bin", "cifar-10-batches-bin/data_batch_2.bin", "cifar-10-batches-bin/data_batch_3.bin",
        "cifar-10-batches-bin/data_batch_4.bin", "cifar-10-batches-bin/data_batch_5.bin", "cifar-10-batches-bin/test_batch.bin",
    ];

    private static readonly string[] CifarTenPython =
    [
        "cifar-10-batches-py/data_batch_1", "cifar-10-batches-py/data_batch_2", "cifar-10-batches-py/data_batch_3",
        "cifar-10-batches-py/data_batch_4", "cifar-10-batches-py/data_batch_5", "cifar-10-batches-py/test_batch",
    ];

    private static readonly string[] CifarHundred = ["cifar-100-binary/train.bin", "cifar-100-binary/test.bin"];

    private static readonly string[] CifarHundredPython = ["cifar-100-python/train", "cifar-100-python/test"];

    /// <summary>Data set names in lower case, each with its files relative to the data set's folder.</summary>
    public static IReadOnlyDictionary<string, IReadOnlyList<string>> ByName { get; } = new Dictionary<string, IReadOnlyList<string>>
    {
        ["mnist"] = Idx,
        ["fashion-mnist"] = Idx,
        ["cifar-10"] = CifarTen,
        ["cifar-100"] = CifarHundred,
    };

    /// <summary>
    /// The published forms of a data set, each with all of its files. The first form is that of <see cref="ByName"/>. Lathe reads the first form that
    /// exists. Empty for an unknown name.
    /// </summary>
    public static IReadOnlyList<IReadOnlyList<string>> Variants(string name) => name switch
    {
        "cifar-10" => [CifarTen, CifarTenPython],
        "cifar-100" => [CifarHundred, CifarHundredPython],
        _ => ByName.TryGetValue(name, out var files) ? [files] : [],
    };

    /// <summary>The first variant whose files are all in a folder, or null.</summary>
    /// <param name="name">Name of the data set.</param>
    /// <param name="folder">Folder that may hold its files.</param>
    public static IReadOnlyList<string>? VariantIn(string name, string folder) => Variants(name)
        .FirstOrDefault(files => files.All(file => File.Exists(Path.Combine(folder, file)) || File.Exists(Path.Combine(folder, file + ".gz"))));
}
