namespace Lathe.Contracts;

/// <summary>Which files make up each data set that Lathe reads. Each may lie there plain or with <c>.gz</c> appended.</summary>
public static class DataSetFiles
{
    private static readonly string[] Idx =
        ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

    private static readonly string[] CifarTen =
    [
        "cifar-10-batches-bin/data_batch_1.bin", "cifar-10-batches-bin/data_batch_2.bin", "cifar-10-batches-bin/data_batch_3.bin",
        "cifar-10-batches-bin/data_batch_4.bin", "cifar-10-batches-bin/data_batch_5.bin", "cifar-10-batches-bin/test_batch.bin",
    ];

    /// <summary>Data set names in lower case, each with its files relative to the data set's folder.</summary>
    public static IReadOnlyDictionary<string, IReadOnlyList<string>> ByName { get; } = new Dictionary<string, IReadOnlyList<string>>
    {
        ["mnist"] = Idx,
        ["fashion-mnist"] = Idx,
        ["cifar-10"] = CifarTen,
    };
}
