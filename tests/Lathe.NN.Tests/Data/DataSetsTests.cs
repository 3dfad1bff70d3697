using System.Buffers.Binary;
using System.IO.Compression;
using Lathe.Contracts;
using Lathe.NN.Data;
using Lathe.NN.Runtime;

namespace Lathe.NN.Tests.Data;

public sealed class DataSetsTests : IDisposable
{
    private const string Installed = "/usr/share/datasets/fashion-mnist";
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory();

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Idx_files_are_read_plain_and_compressed(bool isCompressed)
    {
        WriteIdx(isCompressed);
        var data = DataSets.Open("mnist", _folder.FullName);
        Assert.Equal(20, data.Train.Count);
        Assert.Equal(10, data.Test.Count);
        Assert.Equal(10, data.Classes);
        Assert.Equal("[1, 28, 28]", data.Input.ToString());
        Assert.Equal(3, data.Train.Label(13));
        Assert.Equal(13, data.Train.Image(13)[0]);
        Assert.Equal(Enumerable.Range(0, 20).Average() / 255, data.Normalization.Mean[0], 1e-9);
    }

    [Fact]
    public void Cifar_files_are_read()
    {
        WriteCifar();
        var data = DataSets.Open("cifar-10", _folder.FullName);
        Assert.Equal(15, data.Train.Count);
        Assert.Equal(3, data.Test.Count);
        Assert.Equal(7, data.Train.Label(7));
        Assert.Equal([7, 8, 9], new[] { data.Train.Image(7)[0], data.Train.Image(7)[1024], data.Train.Image(7)[2048] });
        Assert.Equal(3, data.Normalization.Mean.Count);
    }

    [Fact]
    public void Unknown_names_and_missing_folders_and_files_are_reported()
    {
        Assert.Contains("cifar-10, cifar-100, fashion-mnist, mnist", Message("nothing"), StringComparison.Ordinal);
        Assert.Contains("train-images-idx3-ubyte", Message("mnist"), StringComparison.Ordinal);
        var error = Assert.Throws<LatheException>(() => DataSets.Open("mnist", Path.Combine(_folder.FullName, "none")));
        Assert.Contains("does not exist", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("train-images-idx3-ubyte", 3, 9, "0x00000809")]
    [InlineData("train-images-idx3-ubyte", 7, 21, "ends after")]
    [InlineData("train-images-idx3-ubyte", 7, 19, "goes on after")]
    [InlineData("train-images-idx3-ubyte", 11, 27, "27 x 28")]
    [InlineData("train-images-idx3-ubyte", 4, 255, "more than can be held")]
    [InlineData("train-labels-idx1-ubyte", 2, 9, "0x00000901")]
    [InlineData("train-labels-idx1-ubyte", 7, 19, "19 labels for the 20 images")]
    [InlineData("t10k-labels-idx1-ubyte", 9, 10, "label 1 is 10")]
    public void A_wrong_byte_in_an_idx_file_is_reported_with_the_file(string file, int at, byte value, string expected)
    {
        WriteIdx(isCompressed: false);
        var path = Path.Combine(_folder.FullName, file);
        var bytes = File.ReadAllBytes(path);
        bytes[at] = value;
        File.WriteAllBytes(path, bytes);
        var message = Message("mnist");
        Assert.Contains(path, message, StringComparison.Ordinal);
        Assert.Contains(expected, message, StringComparison.Ordinal);
    }

    [Fact]
    public void Damaged_compression_and_short_files_are_reported()
    {
        WriteIdx(isCompressed: true);
        var path = Path.Combine(_folder.FullName, "t10k-images-idx3-ubyte.gz");
        var whole = File.ReadAllBytes(path);
        File.WriteAllBytes(path, whole[..(whole.Length / 2)]);
        Assert.Contains(path, Message("mnist"), StringComparison.Ordinal);
        File.WriteAllBytes(path, new byte[50]);
        Assert.Contains("cannot be decompressed", Message("mnist"), StringComparison.Ordinal);
        File.WriteAllBytes(path, []);
        Assert.Contains(path, Message("mnist"), StringComparison.Ordinal);
    }

    [Fact]
    public void Damaged_cifar_files_are_reported()
    {
        WriteCifar();
        var path = Path.Combine(_folder.FullName, "cifar-10-batches-bin", "data_batch_3.bin");
        var whole = File.ReadAllBytes(path);
        File.WriteAllBytes(path, whole[..^1]);
        Assert.Contains(path, Message("cifar-10"), StringComparison.Ordinal);
        whole[3073] = 10;
        File.WriteAllBytes(path, whole);
        Assert.Contains("image 1 has label 10", Message("cifar-10"), StringComparison.Ordinal);
        File.WriteAllBytes(path, []);
        Assert.Contains(path, Message("cifar-10"), StringComparison.Ordinal);
    }

    [Fact]
    public void Fashion_mnist_is_read_and_an_epoch_of_it_takes_little_time()
    {
        Assert.SkipUnless(Directory.Exists(Installed), "Fashion-MNIST is not installed (Debian package dataset-fashion-mnist).");
        Libtorch.EnsureLoaded();
        var data = DataSets.Open("fashion-mnist", Installed);
        Assert.Equal(60_000, data.Train.Count);
        Assert.Equal(10_000, data.Test.Count);
        Assert.Equal(0.2860, data.Normalization.Mean[0], 1e-4);
        Assert.Equal(0.3530, data.Normalization.StandardDeviation[0], 1e-4);
        var counts = Enumerable.Range(0, 10_000).CountBy(data.Test.Label).Select(pair => pair.Value);
        Assert.All(counts, count => Assert.Equal(1000, count));

        var images = 0;
        foreach (var batch in new BatchLoader(data.Train, 128, 1, new Augmentation(2, true)).Epoch(0))
        {
            using (batch)
                images += batch.Count;
        }

        Assert.Equal(468 * 128, images);
    }

    private string Message(string name) => Assert.Throws<LatheException>(() => DataSets.Open(name, _folder.FullName)).Message;

    private void WriteIdx(bool isCompressed)
    {
        WriteIdx("train", 20, isCompressed);
        WriteIdx("t10k", 10, isCompressed);
    }

    private void WriteIdx(string prefix, int count, bool isCompressed)
    {
        var images = new byte[16 + (count * 784)];
        var labels = new byte[8 + count];
        int[] header = [0x803, count, 28, 28];
        for (var i = 0; i < 4; i++)
            BinaryPrimitives.WriteInt32BigEndian(images.AsSpan(4 * i), header[i]);
        BinaryPrimitives.WriteInt32BigEndian(labels, 0x801);
        BinaryPrimitives.WriteInt32BigEndian(labels.AsSpan(4), count);
        for (var i = 0; i < count; i++)
        {
            images.AsSpan(16 + (i * 784), 784).Fill((byte)i);
            labels[8 + i] = (byte)(i % 10);
        }

        Write($"{prefix}-images-idx3-ubyte", images, isCompressed);
        Write($"{prefix}-labels-idx1-ubyte", labels, isCompressed);
    }

    private void WriteCifar()
    {
        Directory.CreateDirectory(Path.Combine(_folder.FullName, "cifar-10-batches-bin"));
        var files = DataSetFiles.ByName["cifar-10"];
        for (var file = 0; file < files.Count; file++)
        {
            var bytes = new byte[3 * 3073];
            for (var record = 0; record < 3; record++)
            {
                var value = (byte)((3 * file) + record);
                bytes[record * 3073] = (byte)(value % 10);
                for (var channel = 0; channel < 3; channel++)
                    bytes.AsSpan((record * 3073) + 1 + (channel * 1024), 1024).Fill((byte)(value + channel));
            }

            Write(files[file], bytes, isCompressed: false);
        }
    }

    private void Write(string name, byte[] bytes, bool isCompressed)
    {
        var path = Path.Combine(_folder.FullName, name) + (isCompressed ? ".gz" : "");
        using Stream file = File.Create(path);
        using var stream = isCompressed ? new GZipStream(file, CompressionLevel.Fastest) : file;
        stream.Write(bytes);
    }
}
